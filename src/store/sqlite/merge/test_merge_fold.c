// Summaries that are stored: by the merger, while a log grows, and when it is asked for.
#include "model/summary.h"
#include "store/sqlite/merge/merge_job.h"
#include "store/sqlite/sqlite_fixture.h"

static struct chunk *events(uint64_t first, uint32_t count)
{
    CLEANUP(chunk_builder_free) struct chunk_builder *builder = chunk_builder_new();
    for (uint32_t i = 0; i < count; i++) {
        char extra[160];
        snprintf(extra, sizeof(extra), "\"event_type\":\"node_progress\",\"node_id\":\"n%llu\",\"data\":{\"i\":%llu}",
                 (unsigned long long)((first + i) % 9), (unsigned long long)(first + i));
        const struct record record = {
            .time_ms = 1000 + (int64_t)first, .stream = STREAM_EVENT, .message = STR("m"), .extra = str_of(extra)};
        assert_int_equal(chunk_builder_add(builder, &record), 0);
    }
    return chunk_builder_finish(builder, 1);
}

static void append_events(struct fixture *fixture, int64_t row, uint64_t *next, uint32_t count)
{
    CLEANUP(chunk_unref) struct chunk *chunk = events(*next, count);
    struct store_append append = {
        .op.kind = STORE_APPEND, .row = row, .producer = STR("p"), .first = *next, .chunk = chunk};
    *next += count;
    assert_int_equal(fixture_run(fixture, &append.op), 0);
}

static int64_t stored_next(const struct fixture *fixture)
{
    return fixture_query(fixture, "SELECT next FROM summaries");
}

static int64_t merged_to(const struct fixture *fixture)
{
    return fixture_query(fixture, "SELECT max(first + count) FROM chunks");
}

static void summarize(struct fixture *fixture, int64_t row, struct summary *ret)
{
    struct store_summary query = {.op.kind = STORE_SUMMARY, .row = row};
    do {
        assert_int_equal(fixture_run(fixture, &query.op), 0);
    } while (query.ret_more);
    *ret = query.ret_summary;
}

static void assert_counted(struct fixture *fixture, int64_t row, uint64_t next)
{
    CLEANUP(summary_release) struct summary summary;
    summarize(fixture, row, &summary);
    assert_int_equal(summary.next, next);
    assert_int_equal(summary_records(&summary), next);
    assert_int_equal(summary.event_types[0].count, next);
    assert_int_equal(summary.node_count, 9);
    uint64_t of_nodes = 0;
    for (size_t i = 0; i < summary.node_count; i++)
        of_nodes += summary.nodes[i].records;
    assert_int_equal(of_nodes, next);
}

// Small appends, a process that ends again and again, and rounds that go on.
static void the_stored_summary_never_counts_more_than_is_there(void **state)
{
    struct fixture *fixture = *state;
    int64_t row = fixture_create(fixture, fixture_account(fixture, "a"), "e", STATUS_RUNNING);
    uint64_t next = 0, seed = 5;
    for (int step = 0; step < 200; step++) {
        append_events(fixture, row, &next, (uint32_t)(1 + test_random(&seed) % (step % 20 ? 60 : 4000)));
        if (step % 25 == 24)
            fixture_reopen(fixture);
        if (step % 10 == 9)
            assert_true(stored_next(fixture) <= (int64_t)next);
    }
    fixture_await_merged(fixture);
    assert_int_equal(merged_to(fixture), next);
    assert_true(stored_next(fixture) > (int64_t)next / 2);
    fixture_reopen(fixture); // without what is in memory
    assert_counted(fixture, row, next);
}

// Returns how many chunks it took.
static size_t counted_chunks(struct fixture *fixture, int64_t row, uint64_t next)
{
    struct store_summary query = {.op.kind = STORE_SUMMARY, .row = row};
    do {
        assert_int_equal(fixture_run(fixture, &query.op), 0);
    } while (query.ret_more);
    assert_int_equal(summary_records(&query.ret_summary), next);
    size_t chunks = query.ret_chunks;
    store_op_release(&query.op);
    return chunks;
}

#define PIECES     48
#define PIECE      500
#define STORED_END (PIECES * PIECE / 2) // it is stored once 1 MiB of its 1.7 MiB was counted

static int open_unmerged(const char *folder, _Atomic int64_t *now_ms, struct store **ret)
{
    CLEANUP(buf_release) struct buf error = {0};
    const struct sqlite_tuning tuning = {.now_ms = fixture_clock, .now_arg = now_ms, .merge_after_ms = 3600000};
    return fixture_open_tuned(folder, tuning, &error, ret);
}

static const struct fixture_adapter unmerged = {"sqlite, not merging", open_unmerged};

static void grow(struct fixture *fixture, int64_t row, uint64_t *next)
{
    for (int i = 0; i < PIECES; i++)
        append_events(fixture, row, next, PIECE);
}

static void await_stored(const struct fixture *fixture, int64_t least)
{
    uint64_t deadline = clock_mono_ms() + 60000;
    while (stored_next(fixture) < least) {
        assert_true(clock_mono_ms() < deadline);
        sched_yield();
    }
}

static void of_a_log_that_grows_only_the_end_is_counted_after_a_start(void **state)
{
    struct fixture *fixture = *state;
    fixture->adapter = &unmerged;
    fixture_reopen(fixture);
    int64_t row = fixture_create(fixture, fixture_account(fixture, "a"), "e", STATUS_RUNNING);
    uint64_t next = 0;
    grow(fixture, row, &next);
    await_stored(fixture, STORED_END);
    uint64_t stored = (uint64_t)stored_next(fixture);
    assert_int_equal(fixture_query(fixture, "SELECT count(*) FROM chunks"), 0);
    fixture_reopen(fixture);
    assert_true(counted_chunks(fixture, row, next) <= (next - stored) / PIECE + 1);
    assert_counted(fixture, row, next);
}

static void a_log_without_a_stored_summary_gets_one_when_it_is_asked_for(void **state)
{
    struct fixture *fixture = *state;
    fixture->adapter = &unmerged;
    fixture_reopen(fixture);
    int64_t row = fixture_create(fixture, fixture_account(fixture, "a"), "e", STATUS_RUNNING);
    uint64_t next = 0;
    grow(fixture, row, &next);
    await_stored(fixture, STORED_END);
    struct store_complete end = fixture_complete(fixture, row, "p", (int64_t)next - 1);
    assert_int_equal(end.op.err, 0);
    store_op_release(&end.op);
    fixture_reopen(fixture);
    fixture_execute(fixture, "DELETE FROM summaries"); // as a program has left it that stored none
    assert_int_equal(counted_chunks(fixture, row, next), PIECES);
    await_stored(fixture, (int64_t)next);
    fixture_reopen(fixture);
    assert_int_equal(counted_chunks(fixture, row, next), 0);
}

// What the jobs of a round would store as counted; none of it is committed, as it may be when the next one runs.
static uint64_t counted_by_a_round(const struct fixture *fixture, int64_t row)
{
    const struct sqlite_store *store = CONTAINER_OF(fixture->store, struct sqlite_store, engine.base);
    struct merge_source source = {0};
    uint64_t next = 0, at = 0;
    assert_int_equal(merge_source_open(&source, store->path, NULL), 0);
    for (struct merge_job *job; (job = merge_job_new(&store->hot, row, at, INT64_MAX));) {
        merge_job_run(job, &source);
        at = job->end;
        next = job->summary.len > 0 ? job->summary_next : next;
        merge_job_free(&job);
    }
    merge_source_close(&source);
    return next;
}

// What lies in front of a large piece is not there to be read again while the round goes on.
static void a_round_with_small_and_large_pieces_is_counted_whole(void **state)
{
    struct fixture *fixture = *state;
    fixture->adapter = &unmerged;
    fixture_reopen(fixture);
    int64_t row = fixture_create(fixture, fixture_account(fixture, "a"), "e", STATUS_RUNNING);
    uint64_t next = 0;
    for (int i = 0; i < 3; i++) {
        append_events(fixture, row, &next, 10);
        append_events(fixture, row, &next, 20000); // so many that it is time to store what is counted
    }
    fixture_reopen(fixture);
    fixture_execute(fixture, "DELETE FROM summaries"); // what was counted while it grew
    assert_int_equal(counted_by_a_round(fixture, row), next);
}

static void broken_summaries_are_counted_anew(void **state)
{
    struct fixture *fixture = *state;
    int64_t row = fixture_create(fixture, fixture_account(fixture, "a"), "e", STATUS_RUNNING);
    uint64_t next = 0;
    for (int i = 0; i < 4; i++)
        append_events(fixture, row, &next, 8000);
    fixture_await_merged(fixture);
    assert_true(stored_next(fixture) > 0);
    fixture_execute(fixture, "UPDATE summaries SET body = x'0100'");
    fixture_reopen(fixture);
    assert_counted(fixture, row, next);
    for (int i = 0; i < 4; i++)
        append_events(fixture, row, &next, 8000);
    fixture_await_merged(fixture);
    assert_int_equal(stored_next(fixture), next);
    fixture_reopen(fixture);
    assert_counted(fixture, row, next);
}

static void a_summary_of_a_newer_program_is_left_as_it_is(void **state)
{
    struct fixture *fixture = *state;
    int64_t row = fixture_create(fixture, fixture_account(fixture, "a"), "e", STATUS_RUNNING);
    uint64_t next = 0;
    append_events(fixture, row, &next, 8000);
    fixture_await_merged(fixture);
    fixture_execute(fixture, "UPDATE summaries SET body = x'ff00', next = 1");
    fixture_reopen(fixture);
    append_events(fixture, row, &next, 8000);
    fixture_await_merged(fixture);
    assert_counted(fixture, row, next);
    assert_int_equal(stored_next(fixture), 1);
}

static void plain_output_gets_a_summary_only_now_and_then(void **state)
{
    struct fixture *fixture = *state;
    int64_t row = fixture_create(fixture, fixture_account(fixture, "a"), "e", STATUS_RUNNING);
    uint64_t next = 0;
    for (int i = 0; i < 8; i++)
        fixture_append_next(fixture, row, &next, 3000, 80);
    fixture_await_merged(fixture);
    assert_int_equal(fixture_query(fixture, "SELECT count(*) FROM summaries"), 0);
    for (int i = 0; i < 32; i++)
        fixture_append_next(fixture, row, &next, 3000, 80);
    fixture_await_merged(fixture);
    assert_int_equal(fixture_query(fixture, "SELECT count(*) FROM summaries"), 1);
    fixture_reopen(fixture);
    CLEANUP(summary_release) struct summary summary;
    summarize(fixture, row, &summary);
    assert_int_equal(summary_records(&summary), next);
    assert_int_equal(summary_untyped(&summary), next);
}

static void the_summary_goes_with_its_log(void **state)
{
    struct fixture *fixture = *state;
    int64_t row = fixture_create(fixture, fixture_account(fixture, "a"), "e", STATUS_RUNNING);
    uint64_t next = 0;
    append_events(fixture, row, &next, 8000);
    fixture_await_merged(fixture);
    assert_int_equal(stored_next(fixture), next);
    struct store_complete end = {.op.kind = STORE_COMPLETE, .row = row, .status = STATUS_COMPLETED};
    assert_int_equal(fixture_run(fixture, &end.op), 0);
    store_op_release(&end.op);
    struct store_purge purge = {.op.kind = STORE_PURGE, .row = row};
    assert_int_equal(fixture_run(fixture, &purge.op), 0);
    assert_int_equal(fixture_query(fixture, "SELECT count(*) FROM summaries"), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        MERGING(the_stored_summary_never_counts_more_than_is_there),
        PLAIN(of_a_log_that_grows_only_the_end_is_counted_after_a_start),
        PLAIN(a_log_without_a_stored_summary_gets_one_when_it_is_asked_for),
        PLAIN(a_round_with_small_and_large_pieces_is_counted_whole),
        MERGING(broken_summaries_are_counted_anew),
        MERGING(a_summary_of_a_newer_program_is_left_as_it_is),
        MERGING(plain_output_gets_a_summary_only_now_and_then),
        MERGING(the_summary_goes_with_its_log),
    };
    cmocka_set_test_filter(getenv("TEST_FILTER")); // for tests/mutants
    return cmocka_run_group_tests(tests, NULL, NULL);
}
