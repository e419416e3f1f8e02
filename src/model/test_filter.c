#include "model/filter.h"
#include "model/testing.h"

#include <stdlib.h>
#include <string.h>

#define STEPS 10000000 // more than any but the hostile expressions take

struct parameter {
    const char *name, *value;
};

// The filter of up to four parameters.
static struct filter *filter_of(const struct parameter parameters[4])
{
    CLEANUP(filter_builder_free) struct filter_builder *builder = filter_builder_new();
    struct filter *filter;
    for (size_t i = 0; i < 4 && parameters[i].name; i++) {
        bool taken = false;
        const char *reason = NULL;
        assert_int_equal(
            filter_builder_offer(builder, str_of(parameters[i].name), str_of(parameters[i].value), &taken, &reason), 0);
        assert_true(taken);
        assert_null(reason);
    }
    const char *finish_reason;
    assert_int_equal(filter_builder_finish(builder, &filter, &finish_reason), 0);
    return filter;
}

// Matches the fields and the text of a record that is a whole line.
static int filter_match(const struct filter *filter, struct filter_run *run, const struct record *record)
{
    struct chunk_builder *builder = chunk_builder_new();
    if (chunk_builder_add(builder, record) < 0)
        abort();
    struct chunk *chunk = chunk_builder_finish(builder, 0);
    bool fields = filter_match_fields(filter, run, chunk, 0, record);
    if (fields != filter_match_fields(filter, run, NULL, 0, record))
        abort();
    chunk_unref(&chunk);
    chunk_builder_free(&builder);
    return fields ? filter_match_text(filter, run, record->message) : 0;
}

static int match(const struct filter *filter, const struct record *record)
{
    struct filter_run run;
    filter_run_init(&run, filter, STEPS);
    int result = filter_match(filter, &run, record);
    filter_run_release(&run);
    return result;
}

#define EVENT(fields)                                                     \
    {                                                                     \
        .stream = STREAM_EVENT, .message = STR("m"), .extra = STR(fields) \
    }

static void each_parameter_picks_its_records(void **state)
{
    (void)state;
    static const struct {
        struct parameter parameters[4];
        struct record yes, no;
    } cases[] = {
        {{{"stream", "stderr"}}, {.stream = STREAM_STDERR}, {.stream = STREAM_STDOUT}},
        {{{"stream", "stderr"}, {"stream", "event"}}, {.stream = STREAM_EVENT}, {.stream = STREAM_STDOUT}},
        {{{"stream", "stderr,event"}}, {.stream = STREAM_STDERR}, {.stream = STREAM_STDOUT}},
        {{{"level", "info"}}, {.level = LEVEL_UNSET}, {.level = LEVEL_DEBUG}},
        {{{"level", "ERROR,warn"}}, {.level = LEVEL_WARNING}, {.level = LEVEL_CRITICAL}},
        {{{"min_level", "INFO"}}, {.level = LEVEL_UNSET}, {.level = LEVEL_DEBUG}},
        {{{"min_level", "WARNING"}}, {.level = LEVEL_CRITICAL}, {.level = LEVEL_UNSET}},
        {{{"min_level", "WARNING"}, {"level", "ERROR"}}, {.level = LEVEL_ERROR}, {.level = LEVEL_WARNING}},
        {{{"category", "technical"}}, {.message = STR("m")}, EVENT("\"category\":\"business\"")},
        {{{"category", "technical"}}, EVENT("\"node_id\":\"n\""), EVENT("\"category\":\"business\"")},
        {{{"category", "business"}}, EVENT("\"category\":\"business\""), EVENT("\"category\":\"technical\"")},
        {{{"event_type", "a,b"}}, EVENT("\"event_type\":\"b\""), EVENT("\"event_type\":\"ab\"")},
        {{{"event_type", "a"}}, EVENT("\"event_type\":\"a\""), {.stream = STREAM_STDOUT}},
        {{{"node", "n1"}}, EVENT("\"node_id\":\"n1\""), EVENT("\"node_id\":\"n2\"")},
        {{{"node", "N \"1\""}}, EVENT("\"node_name\":\"N \\\"1\\\"\""), EVENT("\"data\":{\"node_id\":\"N\"}")},
        {{{"milestone", "true"}}, EVENT("\"is_milestone\":true"), EVENT("\"is_milestone\":false")},
        {{{"min_priority", "5"}}, {.message = STR("m")}, EVENT("\"display_priority\":4")},
        {{{"min_priority", "6"}}, EVENT("\"display_priority\":10"), {.message = STR("m")}},
        {{{"start_time", "1970-01-01T00:00:05Z"}}, {.time_ms = 5000}, {.time_ms = 4999}},
        {{{"end_time", "1970-01-01T00:00:05Z"}}, {.time_ms = 5000}, {.time_ms = 5001}},
        {{{"grep", "a,b"}}, {.message = STR("xa,by")}, {.message = STR("ab")}},
        {{{"grep", "long"}}, {.message = STR("long")}, {.message = STR("")}},
        {{{"regex", "^a.c$"}}, {.message = STR("abc")}, {.message = STR("abcd")}},
        {{{"regex", "\xc3\xa9+$"}}, {.message = STR("\xff\xc3\xa9\xc3\xa9")}, {.message = STR("\xff\xc3")}},
        {{{"regex", "^$"}}, {.message = {NULL, 0}}, {.message = STR("x")}},
        {{{"stream", "stderr"}, {"grep", "x"}}, {.stream = STREAM_STDERR, .message = STR("x")}, {.message = STR("x")}},
        {{{"grep", "x"}, {"invert", "true"}}, {.message = STR("y")}, {.message = STR("x")}},
        {{{"grep", "a"}, {"regex", "b"}, {"invert", "true"}}, {.message = STR("a")}, {.message = STR("ab")}},
        {{{"grep", "Ab"}, {"ignore_case", "true"}}, {.message = STR("xaB")}, {.message = STR("a b")}},
        {{{"regex", "^\xc3\xa9X"}, {"ignore_case", "true"}}, {.message = STR("\xc3\x89x")}, {.message = STR("x")}},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct filter *filter = filter_of(cases[i].parameters);
        assert_non_null(filter);
        assert_int_equal(match(filter, &cases[i].yes), 1);
        assert_int_equal(match(filter, &cases[i].no), 0);
        filter_unref(&filter);
    }
}

static void what_filters_nothing_is_no_filter(void **state)
{
    (void)state;
    const struct parameter none[4] = {{NULL, NULL}}, idle[4] = {{"stream", "stdout,stderr,event"},
                                                                {"min_level", "DEBUG"},
                                                                {"milestone", "false"},
                                                                {"min_priority", "1"}};
    assert_null(filter_of(none));
    assert_null(filter_of(idle));
    struct record record = {0};
    assert_int_equal(match(NULL, &record), 1);
    assert_false(filter_needs_text(NULL));
}

static void other_names_are_left_alone_and_bad_values_refused(void **state)
{
    (void)state;
    CLEANUP(filter_builder_free) struct filter_builder *builder = filter_builder_new();
    bool taken = true;
    const char *reason = NULL;
    assert_int_equal(filter_builder_offer(builder, STR("limit"), STR("5"), &taken, &reason), 0);
    assert_false(taken);
    const struct parameter bad[] = {{"stream", "stdin"},   {"stream", ""},         {"stream", "stdout,"},
                                    {"level", "loud"},     {"min_level", ""},      {"category", "x"},
                                    {"event_type", ""},    {"node", "a,,b"},       {"milestone", "yes"},
                                    {"min_priority", "0"}, {"min_priority", "11"}, {"start_time", "now"},
                                    {"end_time", ""},      {"grep", ""},           {"regex", ""},
                                    {"invert", "1"},       {"ignore_case", ""}};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        CLEANUP(filter_builder_free) struct filter_builder *fresh = filter_builder_new();
        reason = NULL;
        assert_int_equal(filter_builder_offer(fresh, str_of(bad[i].name), str_of(bad[i].value), &taken, &reason),
                         ERR_INVALID);
        assert_true(taken);
        assert_non_null(reason);
    }
}

// What shows only when all is known.
static void what_does_not_go_together_is_refused_at_the_end(void **state)
{
    (void)state;
    static const struct parameter bad[] = {
        {"regex", "("}, {"regex", "\\C"}, {"invert", "true"}, {"ignore_case", "true"}};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        CLEANUP(filter_builder_free) struct filter_builder *builder = filter_builder_new();
        struct filter *filter = NULL;
        bool taken;
        const char *reason = NULL;
        assert_int_equal(filter_builder_offer(builder, str_of(bad[i].name), str_of(bad[i].value), &taken, &reason), 0);
        assert_int_equal(filter_builder_finish(builder, &filter, &reason), ERR_INVALID);
        assert_non_null(reason);
        assert_null(filter);
    }
}

// What the library does not count shows in the time that it takes.
static void a_regex_that_is_slow_without_steps_ends_with_its_budget(void **state)
{
    (void)state;
    const struct parameter parameters[4] = {{"regex", "a*+[bc]"}};
    struct filter *filter = filter_of(parameters);
    CLEANUP(free_ptr) char *text = xmalloc(1024 * 1024);
    memset(text, 'a', 1024 * 1024);
    struct record record = {.message = {text, 1024 * 1024}};
    struct filter_run run;
    filter_run_init(&run, filter, 1000000);
    assert_int_equal(filter_match(filter, &run, &record), ERR_INVALID);
    filter_run_release(&run);
    filter_unref(&filter);
}

// Tried in slices, a text matches as it does whole.
static void a_long_text_is_matched_wherever_the_match_is(void **state)
{
    (void)state;
    static const struct {
        const char *regex;
        bool matches;
    } cases[] = {
        {"needle$", true},  {"^.x.*needle", true}, {"\xc3\xa9needle", true},        {"(?<=\xc3\xa9)needle", true},
        {"^needle", false}, {"y", false},          {"(x|\xc3\xa9){3}needle", true}, {"x{20}needle", false}};
    CLEANUP(buf_release) struct buf text = {0};
    for (unsigned i = 0; i < 50000; i++)
        buf_append_text(&text, i % 10 == 0 ? "\xc3\xa9" : "x");
    buf_append_text(&text, "\xc3\xa9needle");
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        const struct parameter parameters[4] = {{"regex", cases[i].regex}};
        struct filter *filter = filter_of(parameters);
        struct record record = {.message = buf_str(&text)};
        struct filter_run run;
        filter_run_init(&run, filter, STEPS * 100ull);
        assert_int_equal(filter_match(filter, &run, &record), cases[i].matches);
        filter_run_release(&run);
        filter_unref(&filter);
    }
}

static void values_are_bounded_in_number_and_length(void **state)
{
    (void)state;
    CLEANUP(filter_builder_free) struct filter_builder *builder = filter_builder_new();
    bool taken;
    const char *reason;
    char long_text[1025];
    memset(long_text, 'x', sizeof(long_text));
    assert_int_equal(filter_builder_offer(builder, STR("grep"), str_n(long_text, 1025), &taken, &reason), ERR_INVALID);
    for (unsigned i = 0; i < 64; i++)
        assert_int_equal(filter_builder_offer(builder, STR("node"), STR("n"), &taken, &reason), 0);
    assert_int_equal(filter_builder_offer(builder, STR("node"), STR("n"), &taken, &reason), ERR_INVALID);
    assert_int_equal(filter_builder_offer(builder, STR("regex"), STR("a"), &taken, &reason), 0);
    assert_int_equal(filter_builder_offer(builder, STR("regex"), STR("b"), &taken, &reason), ERR_INVALID);
}

static void a_hostile_regex_ends_with_its_budget(void **state)
{
    (void)state;
    const struct parameter parameters[4] = {{"regex", "^(a+)+$"}};
    struct filter *filter = filter_of(parameters);
    struct record record = {.message = STR("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab")};
    struct filter_run run;
    filter_run_init(&run, filter, 100000);
    assert_int_equal(filter_match(filter, &run, &record), ERR_INVALID);
    assert_int_equal(run.steps_left, 0);
    assert_int_equal(filter_match(filter, &run, &record), ERR_INVALID);
    filter_run_release(&run);
    filter_unref(&filter);
}

static void easy_lines_cost_little_of_the_budget(void **state)
{
    (void)state;
    const struct parameter parameters[4] = {{"regex", "error: \\d+ of"}};
    struct filter *filter = filter_of(parameters);
    struct filter_run run;
    filter_run_init(&run, filter, STEPS);
    struct record hit = {.message = STR("2025-11-15 worker-3 error: 451 of 1000 could not be read from the queue")};
    struct record miss = {.message = STR("2025-11-15 worker-3 processed 451 of 1000 messages from the queue")};
    // The budget counts the thread's time too, and sanitizers take ten times as much of it: a tenth of what it lasts
    // for.
    for (unsigned i = 0; i < 5000; i++) {
        assert_int_equal(filter_match(filter, &run, &hit), 1);
        assert_int_equal(filter_match(filter, &run, &miss), 0);
    }
    filter_run_release(&run);
    filter_unref(&filter);
}

// The header alone never says "none" of a chunk that has a match.
static void a_chunk_that_is_excluded_has_no_match(void **state)
{
    (void)state;
    static const struct parameter filters[][4] = {
        {{"stream", "event"}},   {{"stream", "stderr"}},     {{"level", "CRITICAL"}},
        {{"level", "INFO"}},     {{"min_level", "ERROR"}},   {{"event_type", "step_started"}},
        {{"milestone", "true"}}, {{"category", "business"}}, {{"category", "technical"}},
        {{"min_priority", "9"}}, {{"min_priority", "2"}},    {{"start_time", "2025-11-15T10:30:15.900Z"}},
        {{"node", "n1"}},        {{"grep", "ab"}},           {{"end_time", "2025-11-15T10:30:14.300Z"}},
    };
    uint64_t seed = 1;
    unsigned excluded = 0, kept = 0, told = 0;
    for (unsigned round = 0; round < 2000; round++) {
        CLEANUP(chunk_builder_free) struct chunk_builder *builder = chunk_builder_new();
        struct random_record made;
        unsigned may = (unsigned)test_random(&seed) & RANDOM_ALL, count = 1 + (unsigned)(test_random(&seed) % 3);
        for (unsigned i = 0; i < count; i++) {
            random_record_make(&seed, may, &made);
            assert_int_equal(chunk_builder_add(builder, &made.record), 0);
        }
        CLEANUP(chunk_unref) struct chunk *chunk = chunk_builder_finish(builder, 0);
        struct filter *filter = filter_of(filters[round % ARRAY_LEN(filters)]);
        uint32_t matching = 0, told_count;
        for (uint32_t i = 0; i < chunk_count(chunk); i++) {
            struct record record;
            chunk_record(chunk, i, &record);
            matching += match(filter, &record) == 1;
        }
        bool any = matching > 0;
        if (filter_tells_count(filter, chunk, &told_count)) {
            assert_int_equal(told_count, matching);
            told += matching > 0;
        }
        bool excludes = filter_excludes_chunk(filter, chunk);
        assert_false(excludes && any);
        excluded += excludes;
        kept += !excludes;
        filter_unref(&filter);
    }
    assert_true(excluded > 100 && kept > 100 && told > 20);
}

static void only_text_and_structured_fields_need_a_look(void **state)
{
    (void)state;
    const struct parameter cheap[4] = {{"stream", "stderr"}, {"level", "INFO"}, {"start_time", "2025-01-01T00:00:00Z"}};
    struct filter *filter = filter_of(cheap);
    assert_false(filter_needs_text(filter));
    filter_unref(&filter);
    const struct parameter costly[][4] = {{{"grep", "x"}}, {{"regex", "x"}}, {{"node", "x"}}, {{"min_priority", "3"}}};
    for (size_t i = 0; i < ARRAY_LEN(costly); i++) {
        filter = filter_of(costly[i]);
        assert_true(filter_needs_text(filter));
        filter_unref(&filter);
    }
}

// --- Chunks that are passed over by the tokens of their texts

// Of a query whose values have no '&'. NULL if the regular expression is none.
static struct filter *filter_from_or_null(const char *query)
{
    CLEANUP(filter_builder_free) struct filter_builder *builder = filter_builder_new();
    struct filter *filter = NULL;
    struct str rest = str_of(query);
    const char *reason = NULL;
    while (rest.len > 0) {
        struct str value = str_split(&rest, '&'), name = str_split(&value, '=');
        bool taken;
        assert_int_equal(filter_builder_offer(builder, name, value, &taken, &reason), 0);
        assert_true(taken);
    }
    return filter_builder_finish(builder, &filter, &reason) == 0 ? filter : NULL;
}

static struct chunk *log_chunk(void)
{
    CLEANUP(chunk_builder_free) struct chunk_builder *builder = chunk_builder_new();
    for (unsigned i = 0; i < 800; i++) {
        char text[100];
        snprintf(text, sizeof(text), "INFO worker-%u processed item %08x of order-%u in %u ms", i % 8, i * 2654435761u,
                 70000 + i, i % 250);
        const struct record record = {.time_ms = i, .message = str_of(text)};
        assert_int_equal(chunk_builder_add(builder, &record), 0);
    }
    const struct record last = {.message = STR("stra\xc3\x9f"
                                               "e: ke\xc5\xbf"
                                               "sel, Kelvin 300\xe2\x84\xaa")};
    assert_int_equal(chunk_builder_add(builder, &last), 0);
    CLEANUP(chunk_unref) struct chunk *plain = chunk_builder_finish(builder, 1);
    struct chunk *chunk = chunk_refine(plain);
    assert_true(chunk_tokens(chunk).len > 0);
    return chunk;
}

static bool any_matches(const struct filter *filter, const struct chunk *chunk)
{
    struct filter_run run;
    bool any = false;
    filter_run_init(&run, filter, STEPS);
    for (uint32_t i = 0; i < chunk_count(chunk) && !any; i++) {
        struct record record;
        chunk_record(chunk, i, &record);
        any = filter_match_text(filter, &run, record.message) == 1;
    }
    filter_run_release(&run);
    return any;
}

static void chunks_that_lack_a_needed_text_are_passed_over(void **state)
{
    (void)state;
    static const struct {
        const char *query;
        bool passed_over;
    } cases[] = {
        {"grep=OutOfMemory", true},
        {"grep=processed item", false},
        {"grep=PROCESSED&ignore_case=true", false},
        {"grep=TIMEOUT&ignore_case=true", true},
        {"grep=OutOfMemory&invert=true", false},
        {"grep=zz", false}, // too short to be known
        {"regex=OutOfMemory", true},
        {"regex=timeout|OutOfMemory", true},
        {"regex=timeout|processed", false},
        {"regex=^INFO.*timeout", true},
        {"regex=(timeout|processed)", false}, // groups are not looked into
        {"regex=(?:x)?timeout", true},
        {"regex=(?x) time out", false},
        {"regex=(?i)timeout", false},
        {"regex=timeou[t]", true},
        {"regex=timeoutt?", true},
        {"regex=timeout{0}", true},
        {"regex=(timeout)?processed", false},
        {"regex=\\Qtimeout\\E|\\Qabort(\\E", true},
        {"regex=\\Qorder-\\E7", false},
        {"regex=\\x70rocessed", false},
        {"regex=\\.timeout", true},
        {"regex=\\d+ ms$", false},
        {"regex=timeout&ignore_case=true", true},
        {"regex=KESSEL&ignore_case=true", false}, // the long s is an S
        {"regex=300k&ignore_case=true", false},   // and the Kelvin sign a K
        {"regex=pro[^]c]?cessed", false},
        {"regex=a*b+c?", false},
    };
    CLEANUP(chunk_unref) struct chunk *chunk = log_chunk();
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct filter *filter = filter_from_or_null(cases[i].query);
        if (filter_excludes_texts(filter, chunk) != cases[i].passed_over)
            fail_msg("%s", cases[i].query);
        if (cases[i].passed_over)
            assert_false(any_matches(filter, chunk));
        filter_unref(&filter);
    }
}

// Expressions put together at random from parts that mostly match.
static void what_matches_is_never_passed_over(void **state)
{
    (void)state;
    static const char *const parts[] = {
        "proc", "essed", " item ", "order-7", ".", ".*", "\\d",  "\\w+", "(?:of )",      "(in|on) ", "[a-z]",  "s+",
        "e?",   "x*",    "|",      "\\Q-\\E", "^", "$",  "INFO", "\\.",  "stra\xc3\x9f", "k",        "0{1,3}", "worker",
    };
    uint64_t seed = 5;
    unsigned passed_over = 0, matched = 0;
    CLEANUP(chunk_unref) struct chunk *chunk = log_chunk();
    for (unsigned round = 0; round < 6000; round++) {
        CLEANUP(buf_release) struct buf query = {0};
        buf_append_text(&query, "regex=");
        for (uint64_t left = 1 + test_random(&seed) % 4; left > 0; left--)
            buf_append_text(&query, parts[test_random(&seed) % ARRAY_LEN(parts)]);
        if (round % 3 == 0)
            buf_append_text(&query, "&ignore_case=true");
        struct filter *filter = filter_from_or_null(buf_cstr(&query));
        if (!filter)
            continue;
        bool excludes = filter_excludes_texts(filter, chunk), matches = any_matches(filter, chunk);
        if (excludes && matches)
            fail_msg("%s", buf_cstr(&query));
        passed_over += excludes;
        matched += matches;
        filter_unref(&filter);
    }
    assert_true(passed_over > 50 && matched > 50);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_parameter_picks_its_records),
        cmocka_unit_test(what_filters_nothing_is_no_filter),
        cmocka_unit_test(other_names_are_left_alone_and_bad_values_refused),
        cmocka_unit_test(what_does_not_go_together_is_refused_at_the_end),
        cmocka_unit_test(a_regex_that_is_slow_without_steps_ends_with_its_budget),
        cmocka_unit_test(a_long_text_is_matched_wherever_the_match_is),
        cmocka_unit_test(values_are_bounded_in_number_and_length),
        cmocka_unit_test(a_hostile_regex_ends_with_its_budget),
        cmocka_unit_test(easy_lines_cost_little_of_the_budget),
        cmocka_unit_test(a_chunk_that_is_excluded_has_no_match),
        cmocka_unit_test(chunks_that_lack_a_needed_text_are_passed_over),
        cmocka_unit_test(what_matches_is_never_passed_over),
        cmocka_unit_test(only_text_and_structured_fields_need_a_look),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
