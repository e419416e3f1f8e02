#include "model/line_filter.h"
#include "model/line_tail.h"
#include "model/testing.h"

#include <string.h>

#define LOG_MAX 200
#define STEPS   10000000 // more than any of these takes

struct log_record {
    enum record_stream stream;
    bool partial;
    const char *message;
};

static struct filter *filter_from(const char *query)
{
    CLEANUP(filter_builder_free) struct filter_builder *builder = filter_builder_new();
    struct filter *filter = NULL;
    struct str rest = str_of(query);
    const char *reason;
    while (rest.len > 0) {
        struct str value = str_split(&rest, '&'), name = str_split(&value, '=');
        bool taken;
        assert_int_equal(filter_builder_offer(builder, name, value, &taken, &reason), 0);
        assert_true(taken);
    }
    assert_int_equal(filter_builder_finish(builder, &filter, &reason), 0);
    return filter;
}

static struct record record_of(const struct log_record *from)
{
    return (struct record){.stream = from->stream, .partial = from->partial, .message = str_of(from->message)};
}

static struct chunk *chunk_of(const struct log_record *records, size_t count)
{
    CLEANUP(chunk_builder_free) struct chunk_builder *builder = chunk_builder_new();
    for (size_t i = 0; i < count; i++) {
        struct record record = record_of(&records[i]);
        assert_int_equal(chunk_builder_add(builder, &record), 0);
    }
    return chunk_builder_finish(builder, 0);
}

static void feed(struct line_filter *lines, struct filter_run *run, const struct log_record *records, size_t count,
                 uint64_t first)
{
    CLEANUP(chunk_unref) struct chunk *chunk = chunk_of(records, count);
    assert_int_equal(line_filter_feed(lines, run, chunk, first, UINT64_MAX), 0);
}

// What is let through, as a text of '1' and '0'.
static void assert_lets_through(const char *query, const struct log_record *records, size_t count, const char *expected)
{
    struct filter *filter = filter_from(query);
    CLEANUP(line_filter_free) struct line_filter *lines = line_filter_new(filter, 0, 0);
    struct filter_run run;
    char seen[LOG_MAX + 1] = {0};
    filter_run_init(&run, filter, STEPS);
    feed(lines, &run, records, count, 0);
    assert_int_equal(line_filter_settle(lines, &run), 0);
    assert_int_equal(line_filter_decided(lines), count);
    for (size_t i = 0; i < count; i++)
        seen[i] = line_filter_match(lines, i) ? '1' : '0';
    assert_string_equal(seen, expected);
    filter_run_release(&run);
    filter_unref(&filter);
}

static void a_line_that_matches_brings_all_its_records(void **state)
{
    (void)state;
    static const struct log_record log[] = {
        {STREAM_STDOUT, true, "first nee"},  {STREAM_STDERR, false, "nothing"}, {STREAM_STDOUT, true, "dle here"},
        {STREAM_STDOUT, false, ", its end"}, {STREAM_STDOUT, false, "needle"},  {STREAM_STDERR, true, "needl"},
        {STREAM_STDOUT, false, "e"},         {STREAM_STDERR, false, "x"},       {STREAM_STDERR, true, "ends open"},
    };
    assert_lets_through("grep=needle", log, ARRAY_LEN(log), "101110000");
    assert_lets_through("regex=^first.*end$", log, ARRAY_LEN(log), "101100000");
    assert_lets_through("regex=^dle", log, ARRAY_LEN(log), "000000000");
    assert_lets_through("regex=^n", log, ARRAY_LEN(log), "010011010");
    assert_lets_through("grep=needle&stream=stderr", log, ARRAY_LEN(log), "000000000");
    assert_lets_through("grep=needle&invert=true", log, ARRAY_LEN(log), "010001111");
    assert_lets_through("grep=NEEDLE&ignore_case=true", log, ARRAY_LEN(log), "101110000");
    assert_lets_through("regex=FIRST&ignore_case=true", log, ARRAY_LEN(log), "101100000");
    assert_lets_through("grep=open", log, ARRAY_LEN(log), "000000001");
}

static void a_record_is_decided_when_its_line_is(void **state)
{
    (void)state;
    static const struct log_record begin[] = {{STREAM_STDOUT, true, "a"}, {STREAM_STDERR, false, "b"}};
    static const struct log_record end[] = {{STREAM_STDOUT, false, "c"}};
    struct filter *filter = filter_from("regex=ac|b");
    CLEANUP(line_filter_free) struct line_filter *lines = line_filter_new(filter, 0, 0);
    struct filter_run run;
    filter_run_init(&run, filter, STEPS);
    feed(lines, &run, begin, 1, 0);
    assert_int_equal(line_filter_decided(lines), 0);
    assert_false(line_filter_holds_up(lines));
    feed(lines, &run, begin, 2, 0);
    assert_true(line_filter_holds_up(lines));
    feed(lines, &run, end, 1, 2);
    assert_int_equal(line_filter_decided(lines), 3);
    assert_true(line_filter_match(lines, 0) && line_filter_match(lines, 1) && line_filter_match(lines, 2));
    filter_run_release(&run);
    filter_unref(&filter);
}

static void grep_knows_a_match_before_the_line_has_ended(void **state)
{
    (void)state;
    static const struct log_record prompt[] = {{STREAM_STDOUT, true, "Pass"}, {STREAM_STDOUT, true, "word: "}};
    struct filter *filter = filter_from("grep=Password");
    CLEANUP(line_filter_free) struct line_filter *lines = line_filter_new(filter, 0, 0);
    struct filter_run run;
    filter_run_init(&run, filter, STEPS);
    feed(lines, &run, prompt, 2, 0);
    assert_int_equal(line_filter_decided(lines), 2);
    assert_true(line_filter_match(lines, 0) && line_filter_match(lines, 1));
    filter_run_release(&run);
    filter_unref(&filter);
}

static void what_was_settled_early_is_judged_with_what_comes(void **state)
{
    (void)state;
    static const struct log_record log[] = {{STREAM_STDOUT, true, "one "}, {STREAM_STDOUT, false, "two"}};
    struct filter *filter = filter_from("regex=^one two$");
    CLEANUP(line_filter_free) struct line_filter *lines = line_filter_new(filter, 0, 0);
    struct filter_run run;
    filter_run_init(&run, filter, STEPS);
    feed(lines, &run, log, 1, 0);
    assert_int_equal(line_filter_settle(lines, &run), 0);
    assert_int_equal(line_filter_decided(lines), 1);
    assert_false(line_filter_match(lines, 0));
    feed(lines, &run, log + 1, 1, 1);
    assert_true(line_filter_match(lines, 1));
    filter_run_release(&run);
    filter_unref(&filter);
}

static void a_spent_budget_goes_on_where_it_was(void **state)
{
    (void)state;
    struct log_record log[64];
    for (size_t i = 0; i < ARRAY_LEN(log); i++)
        log[i] = (struct log_record){STREAM_STDOUT, i % 4 != 3, "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab"};
    struct filter *filter = filter_from("regex=b$");
    CLEANUP(line_filter_free) struct line_filter *lines = line_filter_new(filter, 0, 0);
    CLEANUP(chunk_unref) struct chunk *chunk = chunk_of(log, ARRAY_LEN(log));
    unsigned runs = 0;
    for (int err = ERR_INVALID; err == ERR_INVALID; runs++) {
        struct filter_run run;
        uint64_t before = line_filter_next(lines);
        filter_run_init(&run, filter, 300);
        err = line_filter_feed(lines, &run, chunk, 0, UINT64_MAX);
        assert_true(line_filter_next(lines) > before);
        filter_run_release(&run);
    }
    assert_true(runs > 5);
    for (size_t i = 0; i < ARRAY_LEN(log); i++)
        assert_true(line_filter_match(lines, i));
    filter_unref(&filter);
}

static void a_line_is_joined_up_to_its_bound(void **state)
{
    (void)state;
    struct filter *filter = filter_from("grep=xy");
    CLEANUP(line_filter_free) struct line_filter *lines = line_filter_new(filter, 0, 0);
    CLEANUP(free_ptr) char *long_text = xmalloc(LINE_TEXT_MAX + 1);
    memset(long_text, '.', LINE_TEXT_MAX);
    long_text[LINE_TEXT_MAX - 1] = 'x';
    long_text[LINE_TEXT_MAX] = '\0';
    const struct log_record log[] = {{STREAM_STDOUT, true, long_text}, {STREAM_STDOUT, false, "y"}};
    struct filter_run run;
    filter_run_init(&run, filter, STEPS);
    feed(lines, &run, log, 2, 0);
    assert_int_equal(line_filter_decided(lines), 2);
    assert_false(line_filter_match(lines, 0) || line_filter_match(lines, 1));
    filter_run_release(&run);
    filter_unref(&filter);
}

// A line whose end does not come holds nothing up for ever.
static void an_open_line_is_waited_for_up_to_its_bound(void **state)
{
    (void)state;
    static const struct log_record open = {STREAM_STDOUT, true, "open"}, other = {STREAM_STDERR, false, "other"};
    struct filter *filter = filter_from("regex=other");
    CLEANUP(line_filter_free) struct line_filter *lines = line_filter_new(filter, 0, 0);
    struct filter_run run;
    filter_run_init(&run, filter, STEPS);
    feed(lines, &run, &open, 1, 0);
    for (uint64_t i = 1; i <= LINE_SPAN_MAX; i++) {
        assert_int_equal(line_filter_decided(lines), 0);
        feed(lines, &run, &other, 1, i);
    }
    assert_int_equal(line_filter_decided(lines), LINE_SPAN_MAX + 1);
    filter_run_release(&run);
    filter_unref(&filter);
}

// --- Against a plain reference

static size_t random_log(uint64_t *seed, struct log_record *records)
{
    static const char *const texts[] = {"a", "b", "ab", "", "c", "ba"};
    size_t count = 1 + test_random(seed) % LOG_MAX;
    for (size_t i = 0; i < count; i++)
        records[i] = (struct log_record){(enum record_stream)(test_random(seed) % STREAM_COUNT),
                                         test_random(seed) % 3 == 0, texts[test_random(seed) % ARRAY_LEN(texts)]};
    return count;
}

// The line of each record as the number of its first one.
static void reference_lines(const struct log_record *records, size_t count, size_t *ret_line)
{
    size_t open[STREAM_COUNT];
    memset(open, 0xff, sizeof(open));
    for (size_t i = 0; i < count; i++) {
        enum record_stream stream = records[i].stream;
        ret_line[i] = open[stream] == SIZE_MAX ? i : open[stream];
        open[stream] = records[i].partial ? ret_line[i] : SIZE_MAX;
    }
}

static void reference_matches(const struct filter *filter, const struct log_record *records, size_t count,
                              const size_t *line, bool *ret_match)
{
    CLEANUP(chunk_unref) struct chunk *chunk = chunk_of(records, count);
    struct filter_run run;
    filter_run_init(&run, filter, STEPS);
    for (size_t i = 0; i < count; i++) {
        CLEANUP(buf_release) struct buf text = {0};
        for (size_t j = 0; j < count; j++)
            if (line[j] == line[i])
                buf_append_text(&text, records[j].message);
        struct record record = record_of(&records[i]);
        ret_match[i] = filter_match_fields(filter, &run, chunk, (uint32_t)i, &record) &&
                       filter_match_text(filter, &run, buf_str(&text)) == 1;
    }
    filter_run_release(&run);
}

static const char *const queries[] = {"grep=ab",       "grep=aa&invert=true", "regex=^a", "regex=b$&stream=stdout",
                                      "stream=stderr", "regex=^(a|b)+$",      "regex=^$", ""};

static void in_whatever_pieces_it_comes_the_same_is_let_through(void **state)
{
    (void)state;
    uint64_t seed = 7;
    for (unsigned round = 0; round < 3000; round++) {
        struct log_record records[LOG_MAX];
        size_t line[LOG_MAX], count = random_log(&seed, records), from = test_random(&seed) % count;
        bool expected[LOG_MAX];
        struct filter *filter = filter_from(queries[round % ARRAY_LEN(queries)]);
        CLEANUP(line_filter_free) struct line_filter *lines = line_filter_new(filter, from, 0);
        struct filter_run run;
        filter_run_init(&run, filter, STEPS);
        reference_lines(records, count, line);
        reference_matches(filter, records, count, line, expected);
        for (size_t at = line_filter_next(lines); at < count;) {
            size_t piece = 1 + test_random(&seed) % 20;
            piece = MIN(piece, count - at);
            feed(lines, &run, records + at, piece, at);
            at += piece;
            line_filter_forget(lines, MIN(from, line_filter_decided(lines)));
        }
        assert_int_equal(line_filter_settle(lines, &run), 0);
        assert_int_equal(line_filter_decided(lines), count);
        for (size_t i = from; i < count; i++)
            assert_int_equal(line_filter_match(lines, i), expected[i]);
        filter_run_release(&run);
        filter_unref(&filter);
    }
}

// The log as chunks of a few records each, looked at by their headers first.
static void take_back(struct line_tail *tail, struct filter_run *run, const struct log_record *records, size_t count,
                      uint64_t *seed)
{
    for (size_t end = count; end > 0 && !line_tail_settled(tail);) {
        size_t piece = 1 + test_random(seed) % 12;
        size_t first = end - MIN(end, piece);
        CLEANUP(chunk_unref) struct chunk *chunk = chunk_of(records + first, end - first);
        int rc = line_tail_take_header(tail, run, chunk, first);
        assert_true(rc >= 0);
        for (size_t i = end; rc == 0 && i-- > first && !line_tail_settled(tail);)
            assert_int_equal(line_tail_take(tail, run, i, chunk, (uint32_t)(i - first)), 0);
        end = first;
    }
}

static void the_last_lines_begin_where_the_reference_says(void **state)
{
    (void)state;
    uint64_t seed = 11;
    for (unsigned round = 0; round < 3000; round++) {
        struct log_record records[LOG_MAX];
        size_t line[LOG_MAX], count = random_log(&seed, records);
        uint64_t wanted = 1 + test_random(&seed) % 8, left = wanted, expected = UINT64_MAX, found;
        bool match[LOG_MAX], output_only = test_random(&seed) % 2 == 0;
        struct filter *filter = filter_from(queries[round % ARRAY_LEN(queries)]);
        reference_lines(records, count, line);
        reference_matches(filter, records, count, line, match);
        for (size_t i = count; i-- > 0 && left > 0;) {
            bool counts = line[i] == i && match[i] && !(output_only && records[i].stream == STREAM_EVENT);
            expected = counts ? i : expected;
            left -= counts;
        }
        CLEANUP(line_tail_free) struct line_tail *tail = line_tail_new(filter, wanted, output_only);
        struct filter_run run;
        filter_run_init(&run, filter, STEPS);
        take_back(tail, &run, records, count, &seed);
        assert_int_equal(line_tail_finish(tail, &run), 0);
        assert_int_equal(line_tail_found(tail, &found), expected != UINT64_MAX);
        if (expected != UINT64_MAX)
            assert_int_equal(found, expected);
        filter_run_release(&run);
        filter_unref(&filter);
    }
}

static void lines_of_a_chunk_in_which_none_goes_on_need_no_look_before_it(void **state)
{
    (void)state;
    struct log_record records[6] = {0};
    for (size_t i = 0; i < ARRAY_LEN(records); i++)
        records[i] = (struct log_record){.stream = i == 4 ? STREAM_STDERR : STREAM_STDOUT, .message = "x"};
    CLEANUP(chunk_unref) struct chunk *early = chunk_of(records, 4), *late = chunk_of(records + 3, 3);
    CLEANUP(line_tail_free) struct line_tail *tail = line_tail_new(NULL, 2, false);
    struct filter_run run;
    uint64_t found;
    filter_run_init(&run, NULL, STEPS);
    assert_int_equal(line_tail_take_header(tail, &run, late, 20003), 0); // they are to be counted
    for (uint32_t i = 3; i-- > 0;)
        assert_int_equal(line_tail_take(tail, &run, 20003 + i, late, i), 0);
    assert_false(line_tail_settled(tail));                                // the line on stderr may have begun before
    assert_int_equal(line_tail_take_header(tail, &run, early, 19999), 1); // not here, as it has nothing on stderr
    assert_false(line_tail_settled(tail));
    assert_int_equal(line_tail_take_header(tail, &run, late, 19996), 1); // it has, and that does not go on
    assert_true(line_tail_settled(tail));
    assert_true(line_tail_found(tail, &found));
    assert_int_equal(found, 20004);
    filter_run_release(&run);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_line_that_matches_brings_all_its_records),
        cmocka_unit_test(a_record_is_decided_when_its_line_is),
        cmocka_unit_test(grep_knows_a_match_before_the_line_has_ended),
        cmocka_unit_test(what_was_settled_early_is_judged_with_what_comes),
        cmocka_unit_test(a_spent_budget_goes_on_where_it_was),
        cmocka_unit_test(a_line_is_joined_up_to_its_bound),
        cmocka_unit_test(an_open_line_is_waited_for_up_to_its_bound),
        cmocka_unit_test(in_whatever_pieces_it_comes_the_same_is_let_through),
        cmocka_unit_test(the_last_lines_begin_where_the_reference_says),
        cmocka_unit_test(lines_of_a_chunk_in_which_none_goes_on_need_no_look_before_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
