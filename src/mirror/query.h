// A question to Loki, answered by a thread that waits for it.
#pragma once

#include "loop/pool.h"
#include "mirror/loki/exchange.h"

#define MIRROR_QUERY_MAX 5000 // lines of one answer

struct mirror_query { // zeroed
    struct job job;
    int64_t account;
    struct loop *reply_to;
    struct loki_ask ask;              // its texts must live until done; `timeout_ms` is for the wait for a turn, too
    const struct loki_access *access; // private
    uint64_t until_ms;                // private
    void (*done)(struct mirror_query *query);
    int err;                     // 0, or ERR_UNAVAILABLE with a reason
    struct loki_lines ret_lines; // the caller releases both
    struct buf ret_reason;
};
// Any thread; `access` is borrowed. `done` runs on the thread of `reply_to`, unless this returns ERR_UNAVAILABLE: the
// pool is full.
int mirror_query_submit(struct mirror_query *query, struct pool *pool, const struct loki_access *access);
