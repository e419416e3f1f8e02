// One body for Loki: the parts of logs that are gathered for it, how it is sent, and what became of it. There is one at
// a time. On the mirror's loop, but for the sending itself, which has a thread.
#pragma once

#include "loop/pool.h"
#include "mirror/loki/exchange.h"
#include "mirror/loki/part.h"
#include "store/ops/mirror.h"

struct push { // push_init, then push_forget after each
    struct list_node parts;
    size_t count, bytes; // of parts; of their lines, unpacked
    uint64_t lines, cut, missing;
    // Once it was sent:
    enum loki_verdict verdict;
    uint64_t wait_ms; // that Loki asks for
    struct buf error; // why it was not taken
    // Private.
    const struct loki_access *access;
    struct loop *loop;
    void (*done)(struct push *push);
    struct buf body;
    struct job job;
};

// `access` is borrowed. `done` runs on the loop after each push_send that was not refused.
void push_init(struct push *push, struct loop *loop, const struct loki_access *access, void (*done)(struct push *push));
void push_forget(struct push *push); // it is empty again
void push_release(struct push *push);
void push_add(struct push *push, struct loki_part *part); // takes it; at most STORE_MIRROR_MAX
// Where the logs stand when it was taken, for STORE_MIRROR_ADVANCE; borrowed from the parts. Returns how many.
size_t push_steps(const struct push *push, struct mirror_step steps[STORE_MIRROR_MAX]);
// ERR_UNAVAILABLE if the pool is full. Until `done` it must not be touched.
int push_send(struct push *push, struct pool *pool);
