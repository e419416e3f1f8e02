// Requests to Loki. They block: for a thread of a pool.
//
// Documented by Grafana: "Loki HTTP API" (POST /loki/api/v1/push, GET /loki/api/v1/query_range), "limits_config".
#pragma once

#include "mirror/loki/form.h"
#include "util/error.h"

#include <stdatomic.h>

struct loki_access {
    const char *url;              // of Loki, with the path that it lies beneath, if any
    const char *tenant;           // X-Scope-OrgID; "": none
    const char *ca_file;          // PEM; "": the system's authorities
    const char *credentials_file; // a line: a token, or USER:PASSWORD; "": none. Read for each request
    bool plain;                   // http to other machines, too
    const atomic_bool *abort;
};
// Whether it can be asked at all: ERR_INVALID with what is wrong in *ret_error.
int loki_access_check(const struct loki_access *access, struct buf *ret_error);

enum loki_verdict {
    LOKI_TAKEN,
    LOKI_REFUSED, // some lines, for good: the others were taken
    LOKI_LARGE,   // the body is larger than it takes
    LOKI_LATER,   // not now: nothing, or not all, was taken
};
// Sends a body that loki_push_body wrote. *ret_wait_ms: after how long to come back, if Loki says so; else 0. Writes
// why it was not taken to *ret_error, for people.
enum loki_verdict loki_send(const struct loki_access *access, struct str body, uint64_t *ret_wait_ms,
                            struct buf *ret_error);
enum loki_verdict loki_judge(int status, struct str said); // of a push, by the answer and its text. Pure

struct loki_line {
    uint64_t sequence;
    int64_t time_ms;
    uint64_t time_ns;
    struct str text, node, stream, level; // in loki_lines.text; without data: it has none
};
struct loki_lines { // zeroed
    struct buf text;
    struct loki_line *items;
    size_t count;
    uint64_t last_ns; // the newest time among them
};
void loki_lines_release(struct loki_lines *lines);

struct loki_ask {
    struct loki_run run;
    enum loki_labels labels;
    struct str node;            // as loki_query_append takes it
    uint64_t from_ns, until_ns; // [from, until)
    uint64_t near;              // about which number the first line has
    unsigned limit;
    uint64_t timeout_ms;
};
// The first lines of that time, in the order of their numbers. Returns 0; ERR_UNAVAILABLE with why in *ret_error, for
// people.
int loki_query(const struct loki_access *access, const struct loki_ask *ask, struct loki_lines *ret,
               struct buf *ret_error);
