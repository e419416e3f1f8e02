// An execution as everyone outside the store sees it. The struct owns its strings.
#pragma once

#include "model/job.h"
#include "model/retention.h"
#include "util/json_writer.h"

struct execution {
    int64_t row;     // the store's key; > 0; never shown
    int64_t account; // the account's key in the store; never shown
    char *execution_id;
    enum execution_status status;
    bool sealed, purged, pinned;
    bool has_exit_code;
    int exit_code;
    int64_t created_ms, started_ms, completed_ms, sealed_ms; // realtime; 0 = has not happened yet
    uint64_t next_sequence;                                  // number of records so far; also the last `index`
    uint64_t first_sequence;                                 // the first record that retention has kept
    uint64_t restored_from; // from this record on, an earlier incarnation may differ; UINT64_MAX: nothing may differ
    uint64_t epoch;         // epoch of the present or last runner; 0 = there was never one
    uint64_t claim_mark;    // execution_claim_mark of a claim; 0: it came without a key
    uint64_t digest;        // record_digest_next over all records
    bool digest_unknown;    // another server has it
    uint64_t message_bytes;
    // The user who owns it, or NULL.
    char *owner;
    char *script_filename, *runtime, *worker_id, *worker_hostname, *workflow_id, *batch_id; // or NULL
    // The request as it was accepted (an object); set for creation only, NULL in what the store returns.
    char *spec_json;
    char *command_json;  // from the request: an array of strings, or NULL
    char *args_json;     // those of its script, in the same way
    char *name;          // from the request: what people call it, or NULL
    char *image;         // from the request of a job; NULL: none
    char *metadata_json; // object, or NULL
    struct job_view job; // of one that a worker is to run
    char *details_json;  // what its runner told of how it ran: an object, or NULL
    char *result_json;   // what it left as its result (model/result.h), or NULL
    uint64_t artifacts, artifact_bytes;
    char *cancel_reason; // why somebody asked to cancel; NULL: nobody asked
    bool has_cut_digest;
    uint64_t cut_digest;            // with has_cut_digest: that of the records before first_sequence
    struct retention_own retention; // its own
    uint64_t quiet_ms;              // sealed when nothing has come for so long, if nobody ends it; 0: never
    bool late;                      // see struct outcome
    bool to_fetch;                  // another system keeps its log, which is fetched at its first reading
    char *account_retention;        // the account's own rules, a text of model/retention.h; NULL: none
};

void execution_release(struct execution *execution);
void execution_copy(const struct execution *from, struct execution *ret); // copies deeply

// A runner whose claim was answered, but not heard, claims again with the same key, and is known by it: what it brings
// is execution_claim_mark of that key and of the epoch that it was given. So the key of an earlier claim says nothing.
uint64_t execution_claim_mark(struct str key, uint64_t epoch); // `key` is not empty; never 0
// The epoch of a runner that comes without one, with the key of its claim, which may be empty: that of the execution if
// its mark is of this key, so that nobody else has claimed it since; else 0.
uint64_t execution_claimed_with(struct str key, uint64_t claim_mark, uint64_t epoch);

// Whether no other attempt follows by itself any more: it was decided, and `retried_as` names the one that does.
bool execution_settled(const struct execution *execution);

// What only the live server knows about the execution.
struct execution_live {
    bool known;     // false: the status shows the runner as null
    bool elsewhere; // not known, and a runner may be connected to another server of the store
    bool runner_connected;
    bool has_lag;
    uint64_t lag_records;
};
struct execution_terms { // what the server says, by which it is shown
    const char *currency;
    const struct retention *retention;
};
// Adds the status object of the contract: the fields of ExecutionStatusResponse and Runnel's own. A field that is not
// known is null.
void execution_add_status(struct json_writer *json, const char *name, const struct execution *execution,
                          const struct execution_live *live, const struct execution_terms *terms, int64_t now_ms);
// The same fields, within an object that the caller has opened.
void execution_add_fields(struct json_writer *json, const struct execution *execution,
                          const struct execution_live *live, const struct execution_terms *terms, int64_t now_ms);
// When it goes, by the server's rules, its account's and its own; 0: never, or not known yet.
int64_t execution_expires_ms(const struct execution *execution, const struct retention *rules);
