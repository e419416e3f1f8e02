// Logs of OpenTelemetry (OTLP 1.x, opentelemetry-proto's logs/v1) as records. Both encodings are read into the same
// parts, and log.c makes records of them. docs/opentelemetry.md says what becomes what. Pure.
#pragma once

#include "model/record.h"
#include "util/json_writer.h"

#define OTLP_DEPTH_MAX 32 // of values within values

enum otlp_encoding { OTLP_JSON, OTLP_PROTOBUF };

struct otlp_record { // borrowed during the call
    struct record record;
    struct str execution_id; // empty: nothing says which
};

struct otlp_reader {
    int (*each)(void *arg, const struct otlp_record *record); // an error ends the reading
    // A record that cannot be one here (too large, a field that is wrong): the others are read. `reason` is static.
    void (*refused)(void *arg, const char *reason);
    void *arg;
};

// Returns 0, an error of `each`, or ERR_MALFORMED with *ret_reason (static). Records before what is malformed have been
// handed over by then.
int otlp_logs_read(enum otlp_encoding encoding, struct str body, const struct otlp_reader *reader,
                   const char **ret_reason);

// --- What the encodings fill in

// Attributes that mean something here: X(name, key).
#define OTLP_KNOWN(X)                      \
    X(EXECUTION, "runnel.execution_id")    \
    X(NODE_ID, "runnel.node_id")           \
    X(NODE_NAME, "runnel.node_name")       \
    X(NODE_TYPE, "runnel.node_type")       \
    X(EVENT_TYPE, "runnel.event_type")     \
    X(EVENT_NAME, "event.name")            \
    X(STACK_TRACE, "exception.stacktrace") \
    X(SERVICE, "service.name")
enum otlp_known {
#define OTLP_KNOWN_ENUM(name, key) OTLP_##name,
    OTLP_KNOWN(OTLP_KNOWN_ENUM)
#undef OTLP_KNOWN_ENUM
        OTLP_KNOWN_COUNT
};

struct otlp_attributes {
    struct buf json; // an object; empty: there are none
    struct buf known[OTLP_KNOWN_COUNT];
};
void otlp_attributes_reset(struct otlp_attributes *attributes);
void otlp_attributes_release(struct otlp_attributes *attributes);
void otlp_attributes_know(struct otlp_attributes *attributes, struct str key, struct str text);

struct otlp_log { // one log record, with what is around it
    struct otlp_attributes resource, own;
    struct buf scope; // a JSON object; empty: nothing is known of it
    struct buf body;  // text, or JSON
    uint64_t time_ns, observed_ns;
    int64_t severity;
    uint64_t flags, dropped;
    struct buf severity_text, event_name;
    char trace_id[33], span_id[17]; // hex in lower case; empty: none
    struct buf extra, scratch;      // of log.c
};
void otlp_log_release(struct otlp_log *log);
void otlp_log_reset(struct otlp_log *log); // but for resource and scope
int otlp_log_hand_over(struct otlp_log *log, const struct otlp_reader *reader);

int otlp_logs_read_json(struct str body, struct otlp_log *log, const struct otlp_reader *reader,
                        const char **ret_reason);
int otlp_logs_read_protobuf(struct str body, struct otlp_log *log, const struct otlp_reader *reader);
