#include "model/filter_private.h"
#include "model/search.h"
#include "model/testing.h"

#include <string.h>

#define LOG_MAX 300
#define STEPS   100000000 // more than any of these takes

struct line_record {
    struct record record;
    char message[64], extra[64];
};

struct log {
    struct line_record records[LOG_MAX];
    size_t count;
    struct chunk *chunks[LOG_MAX];
    uint64_t firsts[LOG_MAX];
    size_t chunk_count;
};

static struct filter *filter_from(const char *const *parameters)
{
    CLEANUP(filter_builder_free) struct filter_builder *builder = filter_builder_new();
    struct filter *filter = NULL;
    const char *reason = NULL;
    bool taken;
    for (; *parameters; parameters += 2) {
        struct str name = str_of(parameters[0]), value = str_of(parameters[1]);
        assert_int_equal(filter_builder_offer(builder, name, value, &taken, &reason), 0);
        assert_true(taken);
    }
    assert_int_equal(filter_builder_finish(builder, &filter, &reason), 0);
    return filter;
}

// --- Random logs

static const char *const texts[] = {
    "",
    "needle",
    "a needle here",
    "nee",
    "dle",
    "Needle in CAPITALS",
    "foo  bar",
    "foo\tbar 12",
    "12-34",
    "foo",
    "bar",
    "x",
    "x\ny", // a message with a newline in it
    "foo\nbar",
    "caf\xc3\xa9 au lait",
    "bad \xff\xfe bytes needle",
    "\xff",
    "nee\xff dle",
    "[needle] {1,2}",
    "end with needle",
    "1234567890123456789012345678901234567890",
};

enum shape { SHAPE_PLAIN, SHAPE_GROUPS, SHAPE_PARTS, SHAPE_ALL, SHAPE_COUNT };

static void make_record(uint64_t *seed, enum shape shape, struct line_record *ret)
{
    static const char *const extras[] = {"\"event_type\":\"step_started\",\"node_id\":\"n1\"",
                                         "\"event_type\":\"other\",\"is_milestone\":true"};
    uint64_t dice = test_random(seed);
    const char *text = texts[dice % (shape == SHAPE_PLAIN && dice >> 60 ? 11 : ARRAY_LEN(texts))];
    bool parts = shape == SHAPE_PARTS || shape == SHAPE_ALL, groups = shape == SHAPE_GROUPS || shape == SHAPE_ALL;
    memcpy(ret->message, text, strlen(text) + 1);
    ret->record = (struct record){
        .time_ms = 1000 + (int64_t)(dice >> 8 & 1023),
        .stream = (enum record_stream)((dice >> 20 & 7) % STREAM_COUNT),
        .level = dice >> 24 & 1 ? LEVEL_UNSET : (enum record_level)((dice >> 28 & 7) % LEVEL_COUNT),
        .partial = parts && (dice >> 32 & 3) == 0,
        .continues = groups && dice >> 36 & 1,
        .message = str_of(ret->message),
    };
    if ((dice >> 40 & 3) == 0) {
        const char *extra = extras[dice >> 44 & 1];
        memcpy(ret->extra, extra, strlen(extra) + 1);
        ret->record.extra = str_of(ret->extra);
    }
}

static void log_make(uint64_t *seed, struct log *log)
{
    enum shape shape = (enum shape)(test_random(seed) % SHAPE_COUNT);
    size_t piece_max = 1 + test_random(seed) % 60;
    CLEANUP(chunk_builder_free) struct chunk_builder *builder = chunk_builder_new();
    *log = (struct log){.count = 1 + test_random(seed) % LOG_MAX};
    for (size_t i = 0; i < log->count; i++)
        make_record(seed, shape, &log->records[i]);
    for (size_t at = 0; at < log->count;) {
        size_t piece = 1 + test_random(seed) % piece_max, left = log->count - at;
        log->firsts[log->chunk_count] = at;
        for (size_t end = at + MIN(piece, left); at < end; at++)
            assert_int_equal(chunk_builder_add(builder, &log->records[at].record), 0);
        log->chunks[log->chunk_count++] = chunk_builder_finish(builder, (int)(test_random(seed) % 2));
    }
}

static void log_release(struct log *log)
{
    for (size_t i = 0; i < log->chunk_count; i++)
        chunk_unref(&log->chunks[i]);
}

// --- What is right, found record by record

// Sets which records begin a line that is a hit.
static void find_naively(const struct log *log, const struct filter *filter, bool hits[LOG_MAX])
{
    struct buf lines[STREAM_COUNT] = {0};
    size_t begins[STREAM_COUNT] = {0};
    bool open[STREAM_COUNT] = {0}, passes[LOG_MAX] = {0};
    struct filter_run run;
    filter_run_init(&run, filter, STEPS);
    memset(hits, 0, LOG_MAX);
    for (size_t i = 0; i < log->count; i++) {
        const struct record *record = &log->records[i].record;
        unsigned stream = record->stream;
        bool goes_on = i > 0 && record->continues && log->records[i - 1].record.stream == record->stream;
        passes[i] = goes_on ? passes[i - 1] : filter_match_fields(filter, &run, NULL, 0, record);
        if (!open[stream]) {
            begins[stream] = i;
            buf_reset(&lines[stream]);
        }
        buf_append_str(&lines[stream], record->message);
        open[stream] = record->partial;
        if (!open[stream] && passes[begins[stream]])
            hits[begins[stream]] = filter_match_text(filter, &run, buf_str(&lines[stream])) == 1;
    }
    for (size_t i = 0; i < STREAM_COUNT; i++) {
        if (open[i] && passes[begins[i]])
            hits[begins[i]] = filter_match_text(filter, &run, buf_str(&lines[i])) == 1;
        buf_release(&lines[i]);
    }
    filter_run_release(&run);
}

// --- Searches

static size_t chunk_at(const struct log *log, uint64_t sequence)
{
    size_t at = log->chunk_count - 1;
    while (log->firsts[at] > sequence)
        at--;
    return at;
}

static struct chunk *copy_of(const struct chunk *chunk, bool closed)
{
    struct str bytes = chunk_encoded(chunk);
    struct chunk *copy = NULL;
    int err =
        closed ? chunk_decode_closed(bytes.data, bytes.len, &copy) : chunk_decode_stored(bytes.data, bytes.len, &copy);
    assert_int_equal(err, 0);
    return copy;
}

// Feeds one chunk under a budget. One that is too small for a line is doubled.
static int feed(struct search *search, const struct log *log, const struct filter *filter, bool closed, uint64_t *steps)
{
    size_t at = chunk_at(log, search_next(search));
    uint64_t before = search_next(search);
    CLEANUP(chunk_unref) struct chunk *chunk = copy_of(log->chunks[at], closed);
    struct filter_run run;
    filter_run_init(&run, filter, *steps);
    int err = search_feed(search, &run, &chunk, log->firsts[at]);
    filter_run_release(&run);
    if (err == ERR_INVALID && search_next(search) == before)
        *steps *= 2;
    return err == ERR_INVALID ? 0 : err;
}

static void search_range(const struct log *log, const struct search_ask *ask, uint64_t *seed, struct search_found *all)
{
    struct search *search = search_new(ask, 0);
    uint64_t steps = test_random(seed) % 2 ? STEPS : 1 + test_random(seed) % 300;
    while (!search_done(search) && search_next(search) < log->count)
        assert_int_equal(feed(search, log, ask->filter, test_random(seed) % 2, &steps), 0);
    if (!search_done(search)) {
        struct filter_run run;
        filter_run_init(&run, ask->filter, STEPS);
        assert_int_equal(search_end(search, &run), 0);
        filter_run_release(&run);
    }
    search_found_add(all, ask, search_found(search));
    search_free(&search);
}

// In ranges, as several readers would do it.
static void search_log(const struct log *log, struct search_ask ask, uint64_t *seed, struct search_found *ret)
{
    *ret = (struct search_found){0};
    uint64_t end = ask.to;
    for (uint64_t at = ask.from; at < end; at = ask.to) {
        uint64_t to = at + 1 + test_random(seed) % LOG_MAX;
        ask.from = at;
        ask.to = MIN(end, to);
        search_range(log, &ask, seed, ret);
    }
}

static const char *const queries[][9] = {
    {"grep", "needle"},
    {"grep", "needle", "ignore_case", "true"},
    {"grep", "x"},
    {"grep", "foo\nbar"},
    {"grep", "\xff"},
    {"grep", "needle", "stream", "stdout,event"},
    {"grep", "needle", "min_level", "WARNING"},
    {"grep", "e", "level", "ERROR,INFO"},
    {"grep", "foo", "event_type", "step_started"},
    {"grep", "o", "node", "n1"},
    {"grep", "needle", "milestone", "true"},
    {"grep", "12", "start_time", "1970-01-01T00:00:01.200Z", "end_time", "1970-01-01T00:00:01.900Z"},
    {"regex", "needle"},
    {"regex", "^needle$"},
    {"regex", "^$"},
    {"regex", "x*"},
    {"regex", "foo\\s+bar"},
    {"regex", "foo[^x]*bar"},
    {"regex", "foo(?!.*bar)"},
    {"regex", "(?<=foo).bar"},
    {"regex", "^\\W"},
    {"regex", "\\D$"},
    {"regex", "[^0-9]$"},
    {"regex", "\\bdle\\b"},
    {"regex", "NEEDLE|B[A-Z]R", "ignore_case", "true"},
    {"regex", "(?i)capital"},
    {"regex", "caf. au"},
    {"regex", "\\d{2}-\\d{2}|needle$", "min_level", "ERROR"},
    {"regex", "(\\w)\\1", "stream", "stderr"},
    {"regex", "foo\\nbar"},
    {"regex", "\\Aneedle\\z"},
    {"regex", "[[:upper:]]{3}"},
    {"regex", "[^]x]+\\Z"},
    {"regex", "(?s)foo.bar"},
    {"regex", "[\\s,]\\w", "level", "INFO"},
    {"regex", "\\{1,2\\}"},
    {"regex", "e+$", "event_type", "other", "stream", "event"},
};

static void assert_hits(const struct search_found *found, const struct search_ask *ask, const bool hits[LOG_MAX])
{
    uint64_t count = 0, first = 0, last = 0, kept[LOG_MAX] = {0}, buckets[LOG_MAX] = {0};
    size_t kept_count = 0;
    for (uint64_t i = ask->from; i < ask->to; i++) {
        if (!hits[i])
            continue;
        first = count++ == 0 ? i : first;
        last = i;
        buckets[i / ask->width]++;
        if (i >= ask->keep_from && i < ask->keep_to)
            kept[kept_count++] = i;
    }
    size_t skipped = ask->keep_last ? kept_count - MIN(kept_count, ask->keep) : 0;
    assert_int_equal(found->count, count);
    assert_int_equal(found->first, first);
    assert_int_equal(found->last, last);
    assert_int_equal(found->kept, MIN(kept_count, ask->keep));
    for (size_t i = 0; i < found->kept; i++)
        assert_int_equal(found->hits[i], kept[skipped + i]);
    for (unsigned i = 0; i < ask->buckets; i++)
        assert_int_equal(found->buckets ? found->buckets[i] : 0, buckets[i]);
}

static void a_search_finds_what_a_look_at_each_record_finds(void **state)
{
    (void)state;
    uint64_t seed = 5;
    for (unsigned round = 0; round < 2000; round++) {
        static struct log log;
        bool hits[LOG_MAX];
        struct search_found found;
        log_make(&seed, &log);
        struct filter *filter = filter_from(queries[round % ARRAY_LEN(queries)]);
        find_naively(&log, filter, hits);
        struct search_ask ask = {
            .filter = filter,
            .to = log.count,
            .keep = 1 + (unsigned)(test_random(&seed) % 20),
            .keep_to = UINT64_MAX,
            .keep_last = test_random(&seed) % 2,
            .width = 7,
            .buckets = LOG_MAX / 7 + 1,
        };
        if (test_random(&seed) % 2) {
            ask.keep_from = test_random(&seed) % log.count;
            ask.keep_to = ask.keep_from + test_random(&seed) % LOG_MAX;
        }
        if (test_random(&seed) % 3 == 0)
            ask.from = test_random(&seed) % log.count;
        search_log(&log, ask, &seed, &found);
        assert_hits(&found, &ask, hits);
        search_found_release(&found);
        filter_unref(&filter);
        log_release(&log);
    }
}

// --- Columns

static void a_column_finds_the_lines_that_match_one_by_one(void **state)
{
    (void)state;
    uint64_t seed = 3;
    for (unsigned round = 0; round < 4000; round++) {
        struct buf column = {0};
        struct str line, expected[40];
        size_t starts[40], count = 0, lines = test_random(&seed) % 40;
        struct filter *filter = filter_from(queries[round % ARRAY_LEN(queries)]);
        struct filter_run run;
        filter_run_init(&run, filter, STEPS);
        for (size_t i = 0; i < lines; i++) {
            const char *text = texts[test_random(&seed) % ARRAY_LEN(texts)];
            if (strchr(text, '\n'))
                continue;
            bool match = filter_match_text(filter, &run, str_of(text)) == 1;
            starts[count] = column.len;
            expected[count] = str_of(text);
            count += match;
            buf_printf(&column, "%s\n", text);
        }
        const struct filter_column searched = filter_column_of(buf_str(&column));
        size_t at = 0, found = 0;
        while (filter_find_line(filter, &run, &searched, at, &line) == 1) {
            assert_true(found < count);
            assert_int_equal((size_t)(line.data - column.data), starts[found]);
            assert_str_same(line, expected[found]);
            found++;
            at = (size_t)(line.data - column.data) + line.len + 1;
        }
        assert_int_equal(found, count);
        filter_run_release(&run);
        filter_unref(&filter);
        buf_release(&column);
    }
}

static void an_expression_for_columns_is_made_only_where_it_is_known_how(void **state)
{
    (void)state;
    static const struct {
        const char *pattern, *column;
    } cases[] = {
        {"a.b$", "a.b$"},
        {"a\\sb", "a[^\\S\n]b"},
        {"\\D\\W\\d\\w", "[^\\d\n][^\\w\n]\\d\\w"},
        {"[^x\\s]+", "[^\nx\\s]+"},
        {"[a-z\\d]{2}", "[a-z\\d]{2}"},
        {"(?:a|b)(?!c)", "(?:a|b)(?!c)"},
        {"\\.\\[\\\\", "\\.\\[\\\\"},
        {"[\\s]", NULL},
        {"[^]x]", NULL},
        {"[^-x]", NULL},
        {"[[:space:]]", NULL},
        {"\\R", NULL},
        {"\\Aa\\z", NULL},
        {"(?s)a.b", NULL},
        {"(*CRLF)a", NULL},
        {"a\nb", NULL},
        {"\\x0a", NULL},
        {"\\n", NULL},
        {"\\Qa\\E", NULL},
        {"\\", NULL},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        CLEANUP(free_ptr) char *column = filter_column_pattern(str_of(cases[i].pattern));
        assert_int_equal(column != NULL, cases[i].column != NULL);
        if (column)
            assert_string_equal(column, cases[i].column);
    }
}

// --- Needles

static void a_needle_is_found_where_it_first_stands(void **state)
{
    (void)state;
    uint64_t seed = 9;
    char text[200], needle[20], folded[200];
    for (unsigned round = 0; round < 20000; round++) {
        size_t len = test_random(&seed) % sizeof(text), needle_len = 1 + test_random(&seed) % (sizeof(needle) - 1);
        bool ignore_case = test_random(&seed) % 2;
        for (size_t i = 0; i < len; i++)
            text[i] = "abAB@`\n"[test_random(&seed) % 7];
        for (size_t i = 0; i < needle_len; i++)
            needle[i] = (ignore_case ? "abab@`\n" : "abAB@`\n")[test_random(&seed) % 7];
        needle_len = test_random(&seed) % 2 ? MIN(needle_len, (size_t)3) : needle_len;
        for (size_t i = 0; i < len; i++)
            folded[i] = ignore_case ? ascii_lower(text[i]) : text[i];
        const char *expected = memmem(folded, len, needle, needle_len);
        struct needle made = needle_of(str_n(needle, needle_len), ignore_case);
        const char *found = needle_find(&made, text, text + len);
        assert_int_equal(found != NULL, expected != NULL);
        if (found)
            assert_int_equal(found - text, expected - folded);
        size_t newlines = 0;
        for (size_t i = 0; i < len; i++)
            newlines += text[i] == '\n';
        assert_int_equal(newlines_count(text, text + len), newlines);
    }
}

// --- Chunks with tokens

// A log of three chunks, of which only the last holds the word; and its last record but one begins a group.
static void chunks_that_cannot_match_are_passed_over_closed(void **state)
{
    (void)state;
    enum { LINES = 4000, CHUNKS = 3 };
    struct filter *filter = filter_from((const char *[]){"grep", "zebra crossing", NULL});
    const struct search_ask ask = {.filter = filter, .to = UINT64_MAX, .keep = 5, .keep_to = UINT64_MAX};
    struct search *search = search_new(&ask, 0);
    struct filter_run run;
    filter_run_init(&run, filter, STEPS);
    for (unsigned c = 0; c < CHUNKS; c++) {
        CLEANUP(chunk_builder_free) struct chunk_builder *builder = chunk_builder_new();
        for (unsigned i = 0; i < LINES; i++) {
            bool hit = c == CHUNKS - 1 && i == 17;
            struct record record = {.message = hit ? STR("a zebra crossing the road") : STR("a line as many others")};
            assert_int_equal(chunk_builder_add(builder, &record), 0);
        }
        CLEANUP(chunk_unref) struct chunk *plain = chunk_builder_finish(builder, 0);
        CLEANUP(chunk_unref) struct chunk *refined = chunk_refine(plain);
        CLEANUP(chunk_unref) struct chunk *closed = copy_of(refined, true);
        assert_int_equal(search_feed(search, &run, &closed, c * LINES), 0);
        assert_false(chunk_is_open(closed)); // its text was unpacked at most
    }
    struct search_found *found = search_found(search);
    assert_int_equal(found->count, 1);
    assert_int_equal(found->hits[0], (CHUNKS - 1) * LINES + 17);
    assert_int_equal(found->skipped, 2 * LINES * 22);
    assert_int_equal(found->scanned, (LINES - 1) * 22 + 26);
    search_free(&search);
    filter_run_release(&run);
    filter_unref(&filter);
}

// A line that goes on into a chunk may match together with it, whatever its front says.
static void a_front_is_refused_where_a_line_goes_on_into_it(void **state)
{
    (void)state;
    enum { LINES = 4000 };
    struct filter *filter = filter_from((const char *[]){"grep", "zebra crossing", NULL});
    const struct search_ask ask = {.filter = filter, .to = UINT64_MAX, .keep = 5, .keep_to = UINT64_MAX};
    struct search *search = search_new(&ask, 0);
    struct filter_run run;
    filter_run_init(&run, filter, STEPS);
    CLEANUP(chunk_builder_free) struct chunk_builder *builder = chunk_builder_new();
    struct record begins = {.message = STR("zebra cross"), .partial = true};
    assert_int_equal(chunk_builder_add(builder, &begins), 0);
    CLEANUP(chunk_unref) struct chunk *before = chunk_builder_finish(builder, 0);
    for (unsigned i = 0; i < LINES; i++) {
        struct record record = {.message = i == 0 ? STR("ing") : STR("a line as many others")};
        assert_int_equal(chunk_builder_add(builder, &record), 0);
    }
    CLEANUP(chunk_unref) struct chunk *plain = chunk_builder_finish(builder, 0);
    CLEANUP(chunk_unref) struct chunk *refined = chunk_refine(plain);
    CLEANUP(chunk_unref) struct chunk *closed = copy_of(refined, true), *front = NULL;
    struct str encoded = chunk_encoded(refined);
    assert_true(chunk_decode_front(encoded.data, encoded.len, encoded.len, &front));
    assert_int_equal(search_feed(search, &run, &before, 0), 0);
    assert_int_equal(search_feed(search, &run, &front, 1), SEARCH_WANTS_ALL);
    assert_int_equal(search_next(search), 1);
    assert_int_equal(search_feed(search, &run, &closed, 1), 0);
    assert_int_equal(search_next(search), 1 + LINES);
    assert_int_equal(search_feed(search, &run, &front, 1 + LINES), 0); // no line is open any more
    struct search_found *found = search_found(search);
    assert_int_equal(found->count, 1);
    assert_int_equal(found->hits[0], 0);
    assert_int_equal(found->skipped, (LINES - 1) * 22 + 4);
    search_free(&search);
    filter_run_release(&run);
    filter_unref(&filter);
}

// With a rule for fields, the group of a record is that of the one it continues, also if that stands in a chunk that
// was passed over.
static void a_group_is_known_behind_a_chunk_that_was_passed_over(void **state)
{
    (void)state;
    enum { LINES = 4000 };
    struct filter *filter = filter_from((const char *[]){"grep", "zebra", "level", "ERROR", NULL});
    const struct search_ask ask = {.filter = filter, .to = UINT64_MAX, .keep = 5, .keep_to = UINT64_MAX};
    for (unsigned is_error = 0; is_error < 2; is_error++) {
        CLEANUP(chunk_builder_free) struct chunk_builder *builder = chunk_builder_new();
        for (unsigned i = 0; i < LINES; i++) {
            bool head = i == LINES - 1 && is_error;
            struct record record = {.level = head || i == 5 ? LEVEL_ERROR : LEVEL_UNSET, .message = STR("other")};
            assert_int_equal(chunk_builder_add(builder, &record), 0);
        }
        CLEANUP(chunk_unref) struct chunk *plain = chunk_builder_finish(builder, 0);
        CLEANUP(chunk_unref) struct chunk *refined = chunk_refine(plain);
        struct record more = {.continues = true, .message = STR("the zebra")};
        assert_int_equal(chunk_builder_add(builder, &more), 0);
        CLEANUP(chunk_unref) struct chunk *second = chunk_builder_finish(builder, 0);
        CLEANUP(chunk_unref) struct chunk *closed = copy_of(refined, true);
        struct search *search = search_new(&ask, 0);
        struct filter_run run;
        filter_run_init(&run, filter, STEPS);
        assert_int_equal(search_feed(search, &run, &closed, 0), 0);
        assert_int_equal(search_feed(search, &run, &second, LINES), 0);
        assert_int_equal(search_found(search)->count, is_error);
        search_free(&search);
        filter_run_release(&run);
    }
    filter_unref(&filter);
}

// --- Bounds

static void a_line_that_takes_more_than_a_budget_is_refused_and_the_place_is_told(void **state)
{
    (void)state;
    struct filter *filter = filter_from((const char *[]){"regex", "^(a+)+$", NULL});
    const struct search_ask ask = {.filter = filter, .to = UINT64_MAX};
    CLEANUP(chunk_builder_free) struct chunk_builder *builder = chunk_builder_new();
    struct record good = {.message = STR("aaa")}, bad = {.message = STR("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab")};
    for (unsigned i = 0; i < 3; i++)
        assert_int_equal(chunk_builder_add(builder, i == 1 ? &bad : &good), 0);
    CLEANUP(chunk_unref) struct chunk *chunk = chunk_builder_finish(builder, 0);
    struct search *search = search_new(&ask, 0);
    for (unsigned i = 0; i < 2; i++) {
        struct filter_run run;
        filter_run_init(&run, filter, 100000);
        assert_int_equal(search_feed(search, &run, &chunk, 0), ERR_INVALID);
        assert_int_equal(search_next(search), 1);
        assert_int_equal(search_found(search)->count, 1);
        filter_run_release(&run);
    }
    search_free(&search);
    filter_unref(&filter);
}

static void what_retention_has_cut_off_is_passed(void **state)
{
    (void)state;
    struct filter *filter = filter_from((const char *[]){"grep", "a", NULL});
    const struct search_ask ask = {.filter = filter, .to = 12, .keep = 5, .keep_to = UINT64_MAX};
    CLEANUP(chunk_builder_free) struct chunk_builder *builder = chunk_builder_new();
    struct record part = {.message = STR("a"), .partial = true}, rest = {.message = STR("b")};
    assert_int_equal(chunk_builder_add(builder, &part), 0);
    CLEANUP(chunk_unref) struct chunk *early = chunk_builder_finish(builder, 0);
    assert_int_equal(chunk_builder_add(builder, &rest), 0);
    CLEANUP(chunk_unref) struct chunk *late = chunk_builder_finish(builder, 0);
    struct search *search = search_new(&ask, 0);
    struct filter_run run;
    filter_run_init(&run, filter, STEPS);
    assert_int_equal(search_feed(search, &run, &early, 0), 0);
    search_skip(search, 11);
    assert_int_equal(search_next(search), 11);
    assert_int_equal(search_feed(search, &run, &late, 11), 0);
    assert_true(search_done(search));
    assert_int_equal(search_found(search)->count, 0); // the line's end alone does not match
    filter_run_release(&run);
    search_free(&search);
    filter_unref(&filter);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_search_finds_what_a_look_at_each_record_finds),
        cmocka_unit_test(a_column_finds_the_lines_that_match_one_by_one),
        cmocka_unit_test(an_expression_for_columns_is_made_only_where_it_is_known_how),
        cmocka_unit_test(a_needle_is_found_where_it_first_stands),
        cmocka_unit_test(chunks_that_cannot_match_are_passed_over_closed),
        cmocka_unit_test(a_front_is_refused_where_a_line_goes_on_into_it),
        cmocka_unit_test(a_group_is_known_behind_a_chunk_that_was_passed_over),
        cmocka_unit_test(a_line_that_takes_more_than_a_budget_is_refused_and_the_place_is_told),
        cmocka_unit_test(what_retention_has_cut_off_is_passed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
