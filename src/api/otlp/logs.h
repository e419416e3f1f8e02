// Logs of OpenTelemetry (OTLP 1.x, opentelemetry-proto's logs/v1) as records. Both encodings are read into the same
// parts, and log.c makes records of them. docs/opentelemetry.md says what becomes what. Pure.
#pragma once

#include "source/arrival.h"
#include "source/known.h"
#include "util/json_writer.h"

#define OTLP_DEPTH_MAX 32 // of values within values

enum otlp_encoding { OTLP_JSON, OTLP_PROTOBUF };

// Returns 0, or ERR_MALFORMED or ERR_TOO_LARGE (arrivals_spend) with *ret_reason (static). Records before that have
// been handed over by then.
int otlp_logs_read(enum otlp_encoding encoding, struct str body, const struct arrival_reader *reader,
                   const char **ret_reason);

// --- What the encodings fill in

struct otlp_attributes {
    struct buf json; // an object; empty: there are none
    struct known_values known;
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
    size_t spent;                   // of ARRIVALS_BYTES_MAX, by all records so far
};
void otlp_log_release(struct otlp_log *log);
void otlp_log_reset(struct otlp_log *log); // but for resource and scope
int otlp_log_hand_over(struct otlp_log *log, const struct arrival_reader *reader);

int otlp_logs_read_json(struct str body, struct otlp_log *log, const struct arrival_reader *reader);
int otlp_logs_read_protobuf(struct str body, struct otlp_log *log, const struct arrival_reader *reader);
