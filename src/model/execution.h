// An execution as everyone outside the store sees it. Strings are owned by the struct.
#pragma once

#include "model/status.h"
#include "util/json_writer.h"

struct execution {
    int64_t row;     // the store's key; > 0; never shown
    int64_t account; // tenant's key; never shown
    char *execution_id;
    enum execution_status status;
    bool sealed, purged, pinned;
    bool has_exit_code;
    int exit_code;
    int64_t created_ms, started_ms, completed_ms, sealed_ms; // 0 = not yet; realtime
    uint64_t next_sequence;                                  // records so far = last index
    uint64_t first_sequence;                                 // first one that retention has left
    uint64_t restored_from; // an earlier incarnation may differ from here on; or UINT64_MAX
    uint64_t epoch;         // of the present or last runner; 0 = never had one
    uint64_t digest;        // record_digest_next over all records
    uint64_t message_bytes;
    char *owner;                                                                            // user principal, or NULL
    char *script_filename, *runtime, *worker_id, *worker_hostname, *workflow_id, *batch_id; // or NULL
    char *spec_json;     // the request as accepted (object), when it is made; NULL in what the store gives back
    char *command_json;  // of the request: an array of strings, or NULL
    char *metadata_json; // object, or NULL
    char *cancel_reason; // asked to cancel, and why; or NULL
};

void execution_release(struct execution *execution);
void execution_copy(const struct execution *from, struct execution *ret); // deep

// What only the live server knows of it.
struct execution_live {
    bool known; // false: runner is null
    bool runner_connected;
    bool has_lag;
    uint64_t lag_records;
};
// Adds the status object of the contract: the seed's ExecutionStatusResponse plus Runnel's fields; unknown ones are
// null.
void execution_add_status(struct json_writer *json, const char *name, const struct execution *execution,
                          const struct execution_live *live, int64_t now_ms);
