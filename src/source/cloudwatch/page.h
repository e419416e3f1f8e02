// One request to the API of CloudWatch Logs, signed. Blocks: for a thread of a pool.
#pragma once

#include "source/cloudwatch/filter.h"

#include <stdatomic.h>

struct cloudwatch_access {
    const char *endpoint; // URL; "": AWS's own of the region
    const char *region;
    const char *ca_file;                    // PEM; "": the system's authorities
    const char *credentials_file, *profile; // see client/aws_credentials.h; read for each request, since they run out
    struct cloudwatch_place place;
};
// Whether it can be asked at all: ERR_INVALID with what is wrong in *ret_error.
int cloudwatch_access_check(const struct cloudwatch_access *access, struct buf *ret_error);

struct cloudwatch_ask {
    struct str execution_id;
    uint64_t timeout_ms; // for all of it
    const atomic_bool *abort;
    const struct arrival_reader *reader;
};
// Fetches the page that *token names (empty: the first one), and puts the token of the next one in its place (empty:
// it was the last). Returns 0; ERR_UNAVAILABLE, with *token as it was, if the same request may do later; any other
// error if not. Writes why to *ret_error, for people. Events may have been handed over before an error.
int cloudwatch_page_fetch(const struct cloudwatch_access *access, const struct cloudwatch_ask *ask, struct buf *token,
                          struct buf *ret_error);
