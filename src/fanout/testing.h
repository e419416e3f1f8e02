// What tests of the cache and of subscribers share: one loop, a store that answers when the test says so, and numbered
// records.
#pragma once

#include "fanout/fanout_private.h"
#include "store/store_stub.h"

#define ROW     7
#define ACCOUNT 3

struct fixture {
    struct store_stub store;
    struct loop *loop;
    struct metrics *metrics;
    struct fanout *fanout;
    unsigned live_looks; // at what only the live server knows
    bool runner_gone;
};

static inline void look_at_live(void *arg, int64_t row, struct execution_live *ret)
{
    struct fixture *fixture = arg;
    assert_int_equal(row, ROW);
    fixture->live_looks++;
    *ret = (struct execution_live){.known = true, .runner_connected = !fixture->runner_gone};
}

static inline struct fanout *fanout_of(struct fixture *fixture)
{
    const struct fanout_options options = {.loop = fixture->loop,
                                           .store = &fixture->store.base,
                                           .metrics = fixture->metrics,
                                           .cache_bytes = 64 << 20,
                                           .live = look_at_live,
                                           .live_arg = fixture};
    return fanout_new(&options);
}

static inline int set_up(void **state)
{
    struct fixture *fixture = xcalloc(1, sizeof(*fixture));
    stub_init(&fixture->store);
    assert_int_equal(loop_new(&fixture->loop), 0);
    fixture->metrics = metrics_new(1, NULL);
    fixture->fanout = fanout_of(fixture);
    *state = fixture;
    return 0;
}

static inline int tear_down(void **state)
{
    struct fixture *fixture = *state;
    assert_int_equal(fixture->store.count, 0); // each operation was expected
    fanout_free(&fixture->fanout);
    loop_free(&fixture->loop);
    metrics_free(&fixture->metrics);
    free(fixture);
    return 0;
}

// Makes a few turns that do not wait. Everything that can happen now happens.
static inline void turns(struct fixture *fixture)
{
    for (int i = 0; i < 4; i++) {
        loop_stop(fixture->loop);
        loop_run(fixture->loop);
    }
}

// Makes records first … first + count - 1. Each says its number.
static inline struct chunk *numbered(uint64_t first, uint32_t count)
{
    struct chunk_builder *builder = chunk_builder_new();
    for (uint64_t i = first; i < first + count; i++) {
        char message[24];
        int len = snprintf(message, sizeof(message), "%llu", (unsigned long long)i);
        struct record record = {.time_ms = 1, .stream = STREAM_STDOUT, .message = str_n(message, (size_t)len)};
        assert_int_equal(chunk_builder_add(builder, &record), 0);
    }
    struct chunk *chunk = chunk_builder_finish(builder, 0);
    chunk_builder_free(&builder);
    return chunk;
}

static inline struct execution execution_with(uint64_t next)
{
    return (struct execution){.row = ROW,
                              .account = ACCOUNT,
                              .execution_id = (char *)(uintptr_t) "exec", // it is only read
                              .status = STATUS_RUNNING,
                              .next_sequence = next,
                              .restored_from = UINT64_MAX};
}

// Answers the look-up of the execution that follows the first subscription.
static inline void answer_refresh(struct fixture *fixture, uint64_t next, enum execution_status status)
{
    struct store_producer *query = STUB_TAKE(&fixture->store, STORE_PRODUCER, store_producer);
    query->ret_execution.next_sequence = next;
    query->ret_execution.status = status;
    stub_answer(&query->op, 0);
}

// Answers the read that waits, which begins at `from`, with one chunk of `count` records.
static inline void answer_read(struct fixture *fixture, uint64_t from, uint32_t count, int err)
{
    struct store_read *read = STUB_TAKE(&fixture->store, STORE_READ, store_read);
    assert_int_equal(read->row, ROW);
    assert_int_equal(read->from, from);
    if (count > 0)
        read->ret_segments[read->ret_count++] = (struct store_segment){from, numbered(from, count)};
    read->op.err = err;
    if (read->op.process)
        read->op.process(&read->op);
    stub_answer(&read->op, err);
}

static inline void commit(struct fixture *fixture, struct store_change change, uint32_t count)
{
    CLEANUP(chunk_unref) struct chunk *chunk = count > 0 ? numbered(change.first, count) : NULL;
    change.row = ROW;
    change.account = ACCOUNT;
    change.chunk = chunk;
    fanout_publish(&fixture->fanout, 1, &change, 1);
}

static inline void commit_records(struct fixture *fixture, uint64_t first, uint32_t count)
{
    commit(fixture, (struct store_change){.first = first, .next = first + count, .status = STATUS_RUNNING}, count);
}

// --- Who waits at a topic

struct waiting {
    struct topic_waiter waiter;
    unsigned woken, failed;
    int err; // the last one
};

static inline void note_wake(struct topic_waiter *waiter)
{
    CONTAINER_OF(waiter, struct waiting, waiter)->woken++;
}

static inline void note_failure(struct topic_waiter *waiter, int err)
{
    struct waiting *waiting = CONTAINER_OF(waiter, struct waiting, waiter);
    assert_int_not_equal(err, 0);
    waiting->failed++;
    waiting->err = err;
}

// A topic that somebody waits at, its first look at the execution answered.
static inline struct topic *watched(struct fixture *fixture, uint64_t next, struct waiting *ret)
{
    struct execution execution = execution_with(next);
    struct topic *topic = topic_open(fixture->fanout, &execution);
    *ret = (struct waiting){.waiter = {.wake = note_wake, .failed = note_failure}};
    list_push_back(&topic->waiters, &ret->waiter.node);
    answer_refresh(fixture, next, STATUS_RUNNING);
    turns(fixture);
    ret->woken = 0;
    return topic;
}

static inline void leave(struct topic *topic, struct waiting *waiting)
{
    list_remove(&waiting->waiter.node);
    topic_close_if_idle(topic);
}
