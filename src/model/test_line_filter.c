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
    bool continues;
    enum record_level level;
};

#define R(stream_, partial_, message_)                                           \
    {                                                                            \
        .stream = STREAM_##stream_, .partial = (partial_), .message = (message_) \
    }

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
    return (struct record){.stream = from->stream,
                           .partial = from->partial,
                           .continues = from->continues,
                           .level = from->level,
                           .message = str_of(from->message)};
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
        R(STDOUT, true, "first nee"),  R(STDERR, false, "nothing"), R(STDOUT, true, "dle here"),
        R(STDOUT, false, ", its end"), R(STDOUT, false, "needle"),  R(STDERR, true, "needl"),
        R(STDOUT, false, "e"),         R(STDERR, false, "x"),       R(STDERR, true, "ends open"),
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
    static const struct log_record begin[] = {R(STDOUT, true, "a"), R(STDERR, false, "b")};
    static const struct log_record end[] = {R(STDOUT, false, "c")};
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
    static const struct log_record prompt[] = {R(STDOUT, true, "Pass"), R(STDOUT, true, "word: ")};
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
    static const struct log_record log[] = {R(STDOUT, true, "one "), R(STDOUT, false, "two")};
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
        log[i] = (struct log_record)R(STDOUT, i % 4 != 3, "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab");
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
    const struct log_record log[] = {R(STDOUT, true, long_text), R(STDOUT, false, "y")};
    struct filter_run run;
    filter_run_init(&run, filter, STEPS);
    feed(lines, &run, log, 2, 0);
    line_filter_settle_group(lines);
    assert_int_equal(line_filter_decided(lines), 2);
    assert_false(line_filter_match(lines, 0) || line_filter_match(lines, 1));
    filter_run_release(&run);
    filter_unref(&filter);
}

// A line whose end does not come holds nothing up for ever.
static void an_open_line_is_waited_for_up_to_its_bound(void **state)
{
    (void)state;
    static const struct log_record open = R(STDOUT, true, "open"), other = R(STDERR, false, "other");
    struct filter *filter = filter_from("regex=other");
    CLEANUP(line_filter_free) struct line_filter *lines = line_filter_new(filter, 0, 0);
    struct filter_run run;
    filter_run_init(&run, filter, STEPS);
    feed(lines, &run, &open, 1, 0);
    for (uint64_t i = 1; i <= LINE_SPAN_MAX; i++) {
        assert_int_equal(line_filter_decided(lines), 0);
        feed(lines, &run, &other, 1, i);
    }
    line_filter_settle_group(lines);
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
        records[i] = (struct log_record){.stream = (enum record_stream)(test_random(seed) % STREAM_COUNT),
                                         .partial = test_random(seed) % 3 == 0,
                                         .message = texts[test_random(seed) % ARRAY_LEN(texts)]};
    return count;
}

// Some records continue others, in runs as tracebacks are.
static void random_groups(uint64_t *seed, struct log_record *records, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        records[i].level = test_random(seed) % 3 == 0 ? LEVEL_ERROR : LEVEL_UNSET;
        records[i].partial &= test_random(seed) % 4 == 0;
        records[i].continues = test_random(seed) % 2 == 0;
        if (i > 0 && test_random(seed) % 2 == 0)
            records[i].stream = records[i - 1].stream;
    }
}

// Whether a record goes on with the group of the one before it.
static bool goes_on(const struct log_record *records, size_t i)
{
    return i > 0 && records[i].continues && records[i].stream == records[i - 1].stream;
}

// What is looked at as one: the group of each record as the number of its first one. Lines belong to it as wholes.
static void reference_groups(const struct log_record *records, size_t count, size_t *ret_group)
{
    size_t last[STREAM_COUNT];
    memset(last, 0xff, sizeof(last));
    for (size_t i = 0; i < count; i++) {
        size_t before = last[records[i].stream];
        bool joined = before != SIZE_MAX && (records[before].partial || goes_on(records, i));
        ret_group[i] = joined ? ret_group[before] : i;
        last[records[i].stream] = i;
    }
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

static bool text_matches(const struct filter *filter, struct filter_run *run, const struct log_record *records,
                         size_t count, const size_t *line, size_t first)
{
    CLEANUP(buf_release) struct buf text = {0};
    for (size_t j = 0; j < count; j++)
        if (line[j] == first)
            buf_append_text(&text, records[j].message);
    return filter_match_text(filter, run, buf_str(&text)) == 1;
}

// A group matches if one of its lines does; inverted, if all do. Its first record decides for those that continue it.
static void reference_matches(const struct filter *filter, const struct log_record *records, size_t count,
                              const size_t *line, const size_t *group, bool inverted, bool *ret_match)
{
    CLEANUP(chunk_unref) struct chunk *chunk = chunk_of(records, count);
    struct filter_run run;
    bool passes[LOG_MAX];
    filter_run_init(&run, filter, STEPS);
    for (size_t i = 0; i < count; i++) {
        struct record record = record_of(&records[i]);
        passes[i] =
            goes_on(records, i) ? passes[i - 1] : filter_match_fields(filter, &run, chunk, (uint32_t)i, &record);
        bool any = false, all = true;
        for (size_t j = 0; j < count; j++) {
            if (group[j] != group[i] || line[j] != j)
                continue;
            bool match = text_matches(filter, &run, records, count, line, j);
            any |= match;
            all &= match;
        }
        ret_match[i] = passes[i] && (inverted ? all : any);
    }
    filter_run_release(&run);
}

static const char *const queries[] = {"grep=ab",
                                      "grep=aa&invert=true",
                                      "regex=^a",
                                      "regex=b$&stream=stdout",
                                      "stream=stderr",
                                      "regex=^(a|b)+$",
                                      "regex=^$",
                                      "",
                                      "level=error",
                                      "level=error&grep=ab",
                                      "level=error&grep=a&invert=true"};

static bool is_inverted(const char *query)
{
    return strstr(query, "invert") != NULL;
}

// Cuts the log into chunks of a few records each. Returns how many; ends[i] is the end of chunk i.
static size_t cut(size_t count, uint64_t *seed, size_t *ends)
{
    size_t chunks = 0;
    for (size_t at = 0; at < count; chunks++) {
        size_t piece = 1 + test_random(seed) % 20;
        at = ends[chunks] = MIN(at + piece, count);
    }
    return chunks;
}

// The chunk with record `next`; *ret_first is its first record.
static size_t chunk_with(const size_t *ends, uint64_t next, size_t *ret_first)
{
    size_t i = 0;
    while (ends[i] <= next)
        i++;
    *ret_first = i > 0 ? ends[i - 1] : 0;
    return i;
}

static void feed_all(struct line_filter *lines, struct filter_run *run, const struct log_record *records, size_t count,
                     uint64_t *seed)
{
    size_t ends[LOG_MAX], first;
    cut(count, seed, ends);
    for (unsigned turns = 0; line_filter_next(lines) < count; turns++) {
        uint64_t next = line_filter_next(lines);
        size_t chunk = chunk_with(ends, next, &first);
        // Sometimes not all of the chunk is asked for at once.
        uint64_t limit = test_random(seed) % 4 ? UINT64_MAX : next + 1 + test_random(seed) % 5;
        CLEANUP(chunk_unref) struct chunk *it = chunk_of(records + first, ends[chunk] - first);
        assert_int_equal(line_filter_feed(lines, run, it, first, limit), 0);
        line_filter_forget(lines, line_filter_decided(lines) - MIN(line_filter_decided(lines), (uint64_t)LOG_MAX));
        assert_true(turns < 10 * LOG_MAX);
    }
}

static void in_whatever_pieces_it_comes_the_same_is_let_through(void **state)
{
    (void)state;
    uint64_t seed = 7;
    for (unsigned round = 0; round < 2000; round++) {
        struct log_record records[LOG_MAX];
        size_t line[LOG_MAX], group[LOG_MAX], count = random_log(&seed, records), from = test_random(&seed) % count;
        bool expected[LOG_MAX];
        const char *query = queries[round % ARRAY_LEN(queries)];
        struct filter *filter = filter_from(query);
        CLEANUP(line_filter_free) struct line_filter *lines = line_filter_new(filter, from, 0);
        struct filter_run run;
        filter_run_init(&run, filter, STEPS);
        if (round / ARRAY_LEN(queries) % 2)
            random_groups(&seed, records, count);
        reference_lines(records, count, line);
        reference_groups(records, count, group);
        reference_matches(filter, records, count, line, group, is_inverted(query), expected);
        feed_all(lines, &run, records, count, &seed);
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

// Whether it is the first record of its group that matches.
static bool first_match(const size_t *group, const bool *match, size_t i)
{
    for (size_t j = group[i]; j < i; j++)
        if (group[j] == group[i] && match[j])
            return false;
    return match[i];
}

static void the_last_lines_begin_where_the_reference_says(void **state)
{
    (void)state;
    uint64_t seed = 11;
    for (unsigned round = 0; round < 2000; round++) {
        struct log_record records[LOG_MAX];
        size_t line[LOG_MAX], group[LOG_MAX], count = random_log(&seed, records);
        uint64_t wanted = 1 + test_random(&seed) % 8, left = wanted, expected = UINT64_MAX, found;
        bool match[LOG_MAX], output_only = test_random(&seed) % 2 == 0;
        const char *query = queries[round % ARRAY_LEN(queries)];
        struct filter *filter = filter_from(query);
        if (round / ARRAY_LEN(queries) % 2)
            random_groups(&seed, records, count);
        reference_lines(records, count, line);
        reference_groups(records, count, group);
        reference_matches(filter, records, count, line, group, is_inverted(query), match);
        for (size_t i = count; i-- > 0 && left > 0;) {
            bool counts = !(output_only && records[i].stream == STREAM_EVENT) && first_match(group, match, i);
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

// A chunk that was passed over, as its header says that no text of it matches, may end with the beginning of a group
// that does.
static void a_group_that_begins_in_a_chunk_that_was_passed_over_is_whole(void **state)
{
    (void)state;
    enum { COUNT = 4000 };
    static const struct log_record behind[] = {
        {.stream = STREAM_STDOUT, .message = "the needle", .continues = true},
        {.stream = STREAM_STDOUT, .message = "and its end", .continues = true},
        {.stream = STREAM_STDERR, .message = "nothing", .continues = true},
    };
    CLEANUP(free_ptr) struct log_record *log = xcalloc(COUNT, sizeof(*log));
    for (size_t i = 0; i < COUNT; i++)
        log[i] = (struct log_record){.message = "a line of which nobody wants to know anything"};
    CLEANUP(chunk_unref) struct chunk *plain = chunk_of(log, COUNT);
    CLEANUP(chunk_unref) struct chunk *refined = chunk_refine(plain);
    CLEANUP(chunk_unref) struct chunk *last = chunk_of(behind, ARRAY_LEN(behind));
    struct filter *filter = filter_from("grep=needle");
    CLEANUP(line_filter_free) struct line_filter *lines = line_filter_new(filter, 0, 0);
    struct filter_run run;
    filter_run_init(&run, filter, STEPS);
    assert_true(line_filter_passes_over(lines, refined));
    assert_int_equal(line_filter_feed(lines, NULL, refined, 0, UINT64_MAX), 0);
    assert_int_equal(line_filter_next(lines), COUNT);
    assert_int_equal(line_filter_decided(lines), COUNT - 1);
    assert_int_equal(line_filter_feed(lines, &run, last, COUNT, UINT64_MAX), 0);
    assert_int_equal(line_filter_next(lines), COUNT - 1); // it goes back to see with what the group begins
    assert_false(line_filter_passes_over(lines, refined));
    assert_int_equal(line_filter_feed(lines, &run, refined, 0, UINT64_MAX), 0);
    assert_int_equal(line_filter_feed(lines, &run, last, COUNT, UINT64_MAX), 0);
    line_filter_settle_group(lines);
    assert_int_equal(line_filter_decided(lines), COUNT + 3);
    for (uint64_t i = 0; i < COUNT + 3; i++)
        assert_int_equal(line_filter_match(lines, i), i >= COUNT - 1 && i < COUNT + 2);
    filter_run_release(&run);
    filter_unref(&filter);
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
        cmocka_unit_test(a_group_that_begins_in_a_chunk_that_was_passed_over_is_whole),
        cmocka_unit_test(lines_of_a_chunk_in_which_none_goes_on_need_no_look_before_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
