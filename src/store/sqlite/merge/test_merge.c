// Merging while lines come and are read.
#include "store/sqlite/sqlite_fixture.h"

#define EXECUTIONS 30

static void random_appends_with_merges_give_exactly_the_sequences(void **state)
{
    struct fixture *fixture = *state;
    uint64_t random = 42, next[EXECUTIONS] = {0};
    int64_t account = fixture_account(fixture, "a"), rows[EXECUTIONS];
    for (int i = 0; i < EXECUTIONS; i++) {
        CLEANUP(free_ptr) char *id = xasprintf("e%d", i);
        rows[i] = fixture_create(fixture, account, id, STATUS_RUNNING);
    }
    for (int step = 0; step < 1500; step++) {
        size_t i = test_random(&random) % EXECUTIONS;
        // Some chunks are large enough to go to their place at once, between others that do not.
        bool large = test_random(&random) % 16 == 0;
        fixture_append_next(fixture, rows[i], &next[i], (uint32_t)(1 + test_random(&random) % (large ? 3000 : 20)), 60);
        if (test_random(&random) % 8 == 0) {
            size_t j = test_random(&random) % EXECUTIONS;
            uint64_t from = next[j] > 0 ? test_random(&random) % next[j] : 0;
            assert_int_equal(
                fixture_read(fixture, rows[j], from, 1 + test_random(&random) % 100000, fixture_check_record, NULL),
                next[j]);
        }
        if (test_random(&random) % 400 == 0)
            fixture_reopen(fixture);
    }
    for (int pass = 0; pass < 2; pass++) {
        for (int i = 0; i < EXECUTIONS; i++)
            assert_int_equal(fixture_read(fixture, rows[i], 0, 1 << 20, fixture_check_record, NULL), next[i]);
        fixture_await_merged(fixture);
    }
    assert_int_equal(fixture_query(fixture, "SELECT count(*) FROM meta WHERE name = 'merge_marker'"), 0);
    for (int i = 0; i < EXECUTIONS; i++)
        fixture_complete_with_digest(fixture, rows[i], next[i]);
}

static void small_chunks_become_few_large_ones(void **state)
{
    struct fixture *fixture = *state;
    int64_t row = fixture_create(fixture, fixture_account(fixture, "a"), "e", STATUS_RUNNING);
    uint64_t next = 0;
    for (int i = 0; i < 1000; i++)
        fixture_append_next(fixture, row, &next, 10, 100);
    struct store_complete end = {.op.kind = STORE_COMPLETE, .row = row, .status = STATUS_COMPLETED};
    assert_int_equal(fixture_run(fixture, &end.op), 0);
    store_op_release(&end.op);
    fixture_await_merged(fixture);
    // A megabyte: at best four of 256 KiB; rounds that end early leave somewhat smaller ones.
    assert_in_range(fixture_query(fixture, "SELECT count(*) FROM chunks"), 4, 40);
    assert_int_equal(fixture_read(fixture, row, 0, 1 << 20, fixture_check_record, NULL), next);
}

// Those that came whole, too, which are not merged with others.
static void merged_chunks_carry_what_searches_need(void **state)
{
    struct fixture *fixture = *state;
    int64_t row = fixture_create(fixture, fixture_account(fixture, "a"), "e", STATUS_RUNNING);
    uint64_t next = 0;
    fixture_append_next(fixture, row, &next, 2000, 100);
    for (int i = 0; i < 100; i++)
        fixture_append_next(fixture, row, &next, 10, 100);
    fixture_append_next(fixture, row, &next, 3000, 100);
    struct store_complete end = {.op.kind = STORE_COMPLETE, .row = row, .status = STATUS_COMPLETED};
    assert_int_equal(fixture_run(fixture, &end.op), 0);
    store_op_release(&end.op);
    fixture_await_merged(fixture);
    struct store_read read = {.op.kind = STORE_READ, .row = row, .max_bytes = 1 << 20, .closed = true};
    assert_int_equal(fixture_run(fixture, &read.op), 0);
    unsigned whole = 0;
    for (size_t i = 0; i < read.ret_count; i++) {
        struct record record;
        struct store_segment *segment = &read.ret_segments[i];
        assert_false(chunk_is_open(segment->chunk));
        whole += chunk_count(segment->chunk) == 2000 || chunk_count(segment->chunk) == 3000;
        if (chunk_raw(segment->chunk) >= (size_t)64 * 1024)
            assert_true(chunk_tokens(segment->chunk).len > 0);
        assert_int_equal(chunk_open(&segment->chunk), 0);
        chunk_record(segment->chunk, 0, &record);
        fixture_check_record(NULL, segment->first, &record);
    }
    assert_int_equal(whole, 2);
    store_op_release(&read.op);
    assert_int_equal(fixture_read(fixture, row, 0, 1 << 20, fixture_check_record, NULL), next);
}

// Lines that become smaller the harder they are looked at.
static struct chunk *texts(uint32_t count)
{
    static const char *const words[] = {"accepted", "processed", "rejected", "queued", "retried", "flushed"};
    CLEANUP(chunk_builder_free) struct chunk_builder *builder = chunk_builder_new();
    for (uint32_t i = 0; i < count; i++) {
        char text[100];
        snprintf(text, sizeof(text), "%s the file %u of part %u, which was %s by worker %u", words[i % 6], i * 7 % 1013,
                 i * i % 37, words[i * i % 5], i % 11);
        const struct record record = {.message = str_of(text)};
        assert_int_equal(chunk_builder_add(builder, &record), 0);
    }
    return chunk_builder_finish(builder, 1);
}

static void a_chunk_that_came_whole_is_packed_better(void **state)
{
    struct fixture *fixture = *state;
    int64_t row = fixture_create(fixture, fixture_account(fixture, "a"), "e", STATUS_RUNNING);
    CLEANUP(chunk_unref) struct chunk *chunk = texts(3000);
    struct store_append append = fixture_append(fixture, row, "p", 0, chunk);
    assert_int_equal(append.op.err, 0);
    fixture_await_merged(fixture);
    struct store_read read = {.op.kind = STORE_READ, .row = row, .max_bytes = 1 << 20};
    assert_int_equal(fixture_run(fixture, &read.op), 0);
    assert_int_equal(read.ret_count, 1);
    const struct chunk *kept = read.ret_segments[0].chunk;
    assert_true(chunk_encoded(kept).len - chunk_tokens(kept).len < chunk_encoded(chunk).len);
    assert_int_equal(chunk_digest(kept, 0), chunk_digest(chunk, 0));
    store_op_release(&read.op);
}

static struct filter *filter_for(const char *text)
{
    CLEANUP(filter_builder_free) struct filter_builder *builder = filter_builder_new();
    struct filter *filter = NULL;
    const char *reason;
    bool taken;
    assert_int_equal(filter_builder_offer(builder, STR("grep"), str_of(text), &taken, &reason), 0);
    assert_int_equal(filter_builder_finish(builder, &filter, &reason), 0);
    return filter;
}

// Of merged chunks a read that skims leaves out the payload just where the text cannot be.
static void a_read_that_skims_has_fronts_of_chunks_without_the_text(void **state)
{
    struct fixture *fixture = *state;
    int64_t row = fixture_create(fixture, fixture_account(fixture, "a"), "e", STATUS_RUNNING);
    uint64_t next = 0;
    fixture_append_next(fixture, row, &next, 3000, 100);
    fixture_append_next(fixture, row, &next, 3000, 100);
    fixture_await_merged(fixture);
    fixture_append_next(fixture, row, &next, 10, 100); // still hot
    for (unsigned held = 0; held < 2; held++) {
        struct filter *filter = filter_for(held ? "line" : "zebra crossing");
        struct store_read read = {
            .op.kind = STORE_READ, .row = row, .max_bytes = 1 << 20, .closed = true, .skim = filter};
        assert_int_equal(fixture_run(fixture, &read.op), 0);
        assert_int_equal(read.ret_count, 3);
        uint64_t at = 0;
        for (size_t i = 0; i < read.ret_count; i++) {
            struct store_segment *segment = &read.ret_segments[i];
            assert_int_equal(segment->first, at);
            assert_int_equal(chunk_is_front(segment->chunk), !held && i < 2);
            at += chunk_count(segment->chunk);
        }
        assert_int_equal(at, next);
        store_op_release(&read.op);
        filter_unref(&filter);
    }
}

#define ROUND_OPS 64

// `before` records were committed when the read was asked for.
static void assert_whole_sequence(const struct store_read *read, uint64_t before)
{
    assert_int_equal(read->op.err, 0);
    assert_true(read->ret_next >= before);
    if (before > 0 && !read->backward)
        assert_true(read->ret_count > 0 && read->ret_segments[0].first <= read->from);
    for (size_t i = 0; i < read->ret_count; i++) {
        struct record record;
        const struct store_segment *segment = &read->ret_segments[i];
        chunk_record(segment->chunk, 0, &record);
        fixture_check_record(NULL, segment->first, &record);
        if (i > 0)
            assert_int_equal(segment->first, segment[-1].first + chunk_count(segment[-1].chunk));
    }
}

// Reads run on four threads while appends and merges go on.
static void readers_see_a_whole_sequence_during_merges(void **state)
{
    struct fixture *fixture = *state;
    int64_t account = fixture_account(fixture, "a"), rows[4];
    uint64_t next[4] = {0}, random = 7;
    for (int i = 0; i < 4; i++) {
        CLEANUP(free_ptr) char *id = xasprintf("e%d", i);
        rows[i] = fixture_create(fixture, account, id, STATUS_RUNNING);
    }
    struct store_append *appends = xcalloc(ROUND_OPS, sizeof(*appends));
    struct store_read *reads = xcalloc(ROUND_OPS, sizeof(*reads));
    for (int round = 0; round < 60; round++) {
        struct store_op *ops[2 * ROUND_OPS];
        uint64_t before[4];
        memcpy(before, next, sizeof(before));
        for (size_t i = 0; i < ROUND_OPS; i++) {
            size_t e = i % 4;
            uint32_t count = (uint32_t)(1 + test_random(&random) % 8);
            appends[i] = (struct store_append){.op.kind = STORE_APPEND,
                                               .row = rows[e],
                                               .producer = STR("p"),
                                               .first = next[e],
                                               .chunk = fixture_chunk(next[e], count, 60, 1000)};
            next[e] += count;
            reads[i] = (struct store_read){.op.kind = STORE_READ,
                                           .row = rows[e],
                                           .from = before[e] > 0 ? test_random(&random) % before[e] : 0,
                                           .max_bytes = 1 + test_random(&random) % 50000,
                                           .backward = test_random(&random) % 4 == 0};
            ops[2 * i] = &appends[i].op;
            ops[2 * i + 1] = &reads[i].op;
        }
        fixture_run_all(fixture, ops, ARRAY_LEN(ops));
        for (size_t i = 0; i < ROUND_OPS; i++) {
            assert_int_equal(appends[i].op.err, 0);
            chunk_unref(&appends[i].chunk);
            assert_whole_sequence(&reads[i], before[i % 4]);
            store_op_release(&reads[i].op);
        }
    }
    for (int i = 0; i < 4; i++)
        assert_int_equal(fixture_read(fixture, rows[i], 0, 1 << 20, fixture_check_record, NULL), next[i]);
    free(appends);
    free(reads);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        MERGING(random_appends_with_merges_give_exactly_the_sequences),
        MERGING(small_chunks_become_few_large_ones),
        MERGING(merged_chunks_carry_what_searches_need),
        MERGING(a_chunk_that_came_whole_is_packed_better),
        MERGING(a_read_that_skims_has_fronts_of_chunks_without_the_text),
        MERGING(readers_see_a_whole_sequence_during_merges),
    };
    cmocka_set_test_filter(getenv("TEST_FILTER")); // for tests/mutants
    return cmocka_run_group_tests(tests, NULL, NULL);
}
