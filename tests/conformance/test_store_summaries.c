// Summaries of logs, on each adapter: they count what can be read, wherever it lies.
#include "store/store_fixture.h"

#define NODES 7

// The event with this number: it begins or ends a node, or tells of its work.
static void event_at(struct chunk_builder *builder, uint64_t number)
{
    static const char *const types[] = {"node_started", "node_progress", "node_completed", "step_output",
                                        "node_failed"};
    char extra[200], message[40];
    snprintf(extra, sizeof(extra), "\"event_type\":\"%s\",\"category\":\"%s\",\"node_id\":\"n%u\",\"is_milestone\":%s",
             types[number % 5], number % 3 ? "technical" : "business", (unsigned)(number % NODES),
             number % 50 ? "false" : "true");
    int len = snprintf(message, sizeof(message), "event %llu", (unsigned long long)number);
    const struct record record = {.time_ms = 1763202615000 + (int64_t)number,
                                  .stream = STREAM_EVENT,
                                  .level = (enum record_level)(number % LEVEL_COUNT),
                                  .message = str_n(message, (size_t)len),
                                  .extra = str_of(extra)};
    assert_int_equal(chunk_builder_add(builder, &record), 0);
}

static struct chunk *events(uint64_t first, uint32_t count)
{
    CLEANUP(chunk_builder_free) struct chunk_builder *builder = chunk_builder_new();
    for (uint32_t i = 0; i < count; i++)
        event_at(builder, first + i);
    return chunk_builder_finish(builder, 1);
}

static void append(struct fixture *fixture, int64_t row, uint64_t *next, struct chunk *chunk)
{
    struct store_append op = {
        .op.kind = STORE_APPEND, .row = row, .producer = STR("p"), .first = *next, .chunk = chunk};
    *next += chunk_count(chunk);
    assert_int_equal(fixture_run(fixture, &op.op), 0);
    chunk_unref(&chunk);
}

// In slices, as callers do. Returns how many it took.
static unsigned summarize(struct fixture *fixture, int64_t row, struct summary *ret)
{
    struct store_summary query = {.op.kind = STORE_SUMMARY, .row = row};
    unsigned slices = 0;
    do {
        assert_int_equal(fixture_run(fixture, &query.op), 0);
        query.op.scan = true;
        slices++;
    } while (query.ret_more);
    *ret = query.ret_summary;
    return slices;
}

// What is read, folded anew.
struct recount {
    struct chunk_builder *builder;
    struct summary summary;
};

static void count_gathered(struct recount *recount)
{
    if (chunk_builder_count(recount->builder) == 0)
        return;
    CLEANUP(chunk_unref) struct chunk *chunk = chunk_builder_finish(recount->builder, 0);
    assert_int_equal(summary_add(&recount->summary, chunk, recount->summary.next), 0);
}

static void count_again(void *arg, uint64_t sequence, const struct record *record)
{
    struct recount *recount = arg;
    if (chunk_builder_count(recount->builder) == 1000)
        count_gathered(recount);
    assert_int_equal(sequence, recount->summary.next + chunk_builder_count(recount->builder));
    assert_int_equal(chunk_builder_add(recount->builder, record), 0);
}

static void assert_summary(struct fixture *fixture, int64_t row, uint64_t next)
{
    CLEANUP(summary_release) struct summary summary;
    CLEANUP(buf_release) struct buf of_summary = {0}, of_expected = {0};
    struct recount recount = {.builder = chunk_builder_new()};
    summarize(fixture, row, &summary);
    summary_init(&recount.summary, 0);
    assert_int_equal(fixture_read(fixture, row, 0, 1 << 20, count_again, &recount), next);
    count_gathered(&recount);
    assert_int_equal(summary.next, next);
    summary_encode(&summary, &of_summary);
    summary_encode(&recount.summary, &of_expected);
    chunk_builder_free(&recount.builder);
    summary_release(&recount.summary);
    assert_int_equal(of_summary.len, of_expected.len);
    assert_memory_equal(of_summary.data, of_expected.data, of_summary.len);
}

static void a_summary_counts_what_can_be_read(void **state)
{
    struct fixture *fixture = *state;
    int64_t row = fixture_create(fixture, fixture_account(fixture, "a"), "e", STATUS_RUNNING);
    uint64_t next = 0, seed = 11;
    assert_summary(fixture, row, 0);
    for (int step = 0; step < 60; step++) {
        uint32_t count = (uint32_t)(1 + test_random(&seed) % (test_random(&seed) % 8 == 0 ? 2000 : 30));
        bool plain = test_random(&seed) % 3 == 0;
        append(fixture, row, &next, plain ? fixture_chunk(next, count, 60, 1000) : events(next, count));
        if (test_random(&seed) % 6 == 0)
            assert_summary(fixture, row, next);
        if (test_random(&seed) % 15 == 0)
            fixture_reopen(fixture);
    }
    assert_summary(fixture, row, next);
    fixture_reopen(fixture);
    assert_summary(fixture, row, next);
}

static void a_log_that_is_new_has_an_empty_summary(void **state)
{
    struct fixture *fixture = *state;
    int64_t row = fixture_create(fixture, fixture_account(fixture, "a"), "e", STATUS_QUEUED);
    CLEANUP(summary_release) struct summary summary;
    assert_int_equal(summarize(fixture, row, &summary), 1);
    assert_int_equal(summary.next, 0);
    assert_int_equal(summary_records(&summary), 0);
    assert_int_equal(summary.first_error, UINT64_MAX);
}

// Cold, so that nothing was folded when it was appended.
static void a_long_log_is_counted_in_slices(void **state)
{
    struct fixture *fixture = *state;
    int64_t row = fixture_create(fixture, fixture_account(fixture, "a"), "e", STATUS_RUNNING);
    uint64_t next = 0;
    append(fixture, row, &next, fixture_chunk(next, 1, 10, 1000));
    for (int i = 0; i < 8; i++)
        append(fixture, row, &next, events(next, 8000));
    fixture_reopen(fixture);
    CLEANUP(summary_release) struct summary summary;
    unsigned slices = summarize(fixture, row, &summary);
    assert_true(slices <= 8);
    assert_int_equal(summary_records(&summary), next);
    assert_int_equal(summary.node_count, NODES);
    assert_int_equal(summary_untyped(&summary), 1);
}

static void a_purged_log_has_no_summary(void **state)
{
    struct fixture *fixture = *state;
    int64_t account = fixture_account(fixture, "a"), row = fixture_create(fixture, account, "e", STATUS_RUNNING);
    uint64_t next = 0;
    for (int i = 0; i < 4; i++)
        append(fixture, row, &next, events(next, 3000));
    assert_summary(fixture, row, next);
    struct store_complete end = fixture_complete(fixture, row, "p", (int64_t)next - 1);
    assert_int_equal(end.op.err, 0);
    store_op_release(&end.op);
    assert_summary(fixture, row, next);
    struct store_purge purge = {.op.kind = STORE_PURGE, .row = row};
    assert_int_equal(fixture_run(fixture, &purge.op), 0);
    for (int pass = 0; pass < 2; pass++) {
        struct store_summary query = {.op.kind = STORE_SUMMARY, .row = row};
        assert_int_equal(fixture_run(fixture, &query.op), ERR_EXPIRED);
        assert_false(query.ret_more);
        store_op_release(&query.op);
        fixture_reopen(fixture);
    }
}

static void there_is_no_summary_of_what_does_not_exist(void **state)
{
    struct fixture *fixture = *state;
    struct store_summary query = {.op.kind = STORE_SUMMARY, .row = 12345};
    assert_int_equal(fixture_run(fixture, &query.op), ERR_NOT_FOUND);
    store_op_release(&query.op);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ON_EACH(a_summary_counts_what_can_be_read),
        ON_EACH(a_log_that_is_new_has_an_empty_summary),
        ON_EACH(a_long_log_is_counted_in_slices),
        ON_EACH(a_purged_log_has_no_summary),
        ON_EACH(there_is_no_summary_of_what_does_not_exist),
    };
    return FIXTURE_EACH(tests);
}
