#include "model/summary.h"
#include "model/testing.h"

#define NOW 1763202615000

// As STR, in a constant.
#define TEXT(literal)                  \
    {                                  \
        (literal), sizeof(literal) - 1 \
    }

static void add(struct chunk_builder *builder, struct record record)
{
    assert_int_equal(chunk_builder_add(builder, &record), 0);
}

static void assert_buf(const struct buf *buf, const char *expected)
{
    assert_str(buf_str(buf), expected);
}

// The same bytes: the encoding holds all of a summary.
static void assert_summaries_same(const struct summary *a, const struct summary *b)
{
    CLEANUP(buf_release) struct buf of_a = {0}, of_b = {0};
    summary_encode(a, &of_a);
    summary_encode(b, &of_b);
    assert_str_same(buf_str(&of_a), buf_str(&of_b));
}

// --- A story

static const struct record story[] = {
    {.time_ms = NOW + 5, .message = TEXT("plain")},
    {.time_ms = NOW, .stream = STREAM_STDERR, .level = LEVEL_WARNING, .message = TEXT("careful")},
    {.time_ms = NOW + 10,
     .stream = STREAM_EVENT,
     .level = LEVEL_INFO,
     .message = TEXT("begin"),
     .extra = TEXT("\"event_type\":\"node_started\",\"node_id\":\"a\",\"node_name\":\"Fetch\",\"node_type\":\"http\","
                   "\"step_number\":1")},
    {.time_ms = NOW + 11,
     .stream = STREAM_EVENT,
     .level = LEVEL_ERROR,
     .message = TEXT("503"),
     .extra = TEXT("\"event_type\":\"node_failed\",\"category\":\"technical\",\"node_id\":\"a\"")},
    {.time_ms = NOW + 20,
     .stream = STREAM_EVENT,
     .extra = TEXT("\"event_type\":\"node_started\",\"node_id\":\"a\",\"step_number\":2")},
    {.time_ms = NOW + 30,
     .stream = STREAM_EVENT,
     .level = LEVEL_INFO,
     .message = TEXT("200"),
     .extra = TEXT(
         "\"event_type\":\"node_completed\",\"category\":\"business\",\"node_id\":\"a\",\"node_name\":\"Fetch it\","
         "\"user_friendly_message\":\"All \\\"fetched\\\"\",\"is_milestone\":true,\"data\":{\"node_id\":\"no\"}")},
    {.time_ms = NOW + 40, .stream = STREAM_EVENT, .message = TEXT("alone"), .extra = TEXT("\"node_name\":\"No id\"")},
};

static struct chunk *chunk_of(const struct record *records, size_t count)
{
    CLEANUP(chunk_builder_free) struct chunk_builder *builder = chunk_builder_new();
    for (size_t i = 0; i < count; i++)
        add(builder, records[i]);
    return chunk_builder_finish(builder, 1);
}

static void a_story_is_counted_as_it_was(void **state)
{
    (void)state;
    CLEANUP(chunk_unref) struct chunk *chunk = chunk_of(story, ARRAY_LEN(story));
    CLEANUP(summary_release) struct summary summary;
    summary_init(&summary, 100);
    assert_int_equal(summary_add(&summary, chunk, 100), 0);
    assert_int_equal(summary.first, 100);
    assert_int_equal(summary.next, 107);
    assert_int_equal(summary_records(&summary), 7);
    assert_int_equal(summary_untyped(&summary), 3);
    assert_int_equal(summary.streams[STREAM_STDOUT], 1);
    assert_int_equal(summary.streams[STREAM_STDERR], 1);
    assert_int_equal(summary.streams[STREAM_EVENT], 5);
    assert_int_equal(summary.levels[LEVEL_UNSET], 2);
    assert_int_equal(summary.levels[LEVEL_INFO], 3); // one by its event type
    assert_int_equal(summary.levels[LEVEL_WARNING], 1);
    assert_int_equal(summary.levels[LEVEL_ERROR], 1);
    assert_int_equal(summary.business, 1);
    assert_int_equal(summary.first_error, 103);
    assert_int_equal(summary.first_ms, NOW);
    assert_int_equal(summary.last_ms, NOW + 40);
    assert_int_equal(summary.event_type_count, 3);
    assert_buf(&summary.event_types[0].name, "node_started");
    assert_int_equal(summary.event_types[0].count, 2);
    assert_buf(&summary.event_types[2].name, "node_completed");
    assert_int_equal(summary.milestone_count, 1);
    assert_int_equal(summary.milestones_kept, 1);
    assert_int_equal(summary.milestones[0].sequence_number, 105);
    assert_int_equal(summary.milestones[0].time_ms, NOW + 30);
    assert_buf(&summary.milestones[0].message, "All \"fetched\"");
    assert_buf(&summary.milestones[0].event_type, "node_completed");
}

static void a_node_is_what_its_events_say(void **state)
{
    (void)state;
    CLEANUP(chunk_unref) struct chunk *chunk = chunk_of(story, ARRAY_LEN(story));
    CLEANUP(summary_release) struct summary summary;
    summary_init(&summary, 0);
    assert_int_equal(summary_add(&summary, chunk, 0), 0);
    assert_int_equal(summary.node_count, 2);
    const struct summary_node *node = summary_node_find(&summary, STR("a"));
    assert_ptr_equal(node, &summary.nodes[0]);
    assert_buf(&node->name, "Fetch it");
    assert_buf(&node->type, "http");
    assert_buf(&node->last_line, "All \"fetched\"");
    assert_int_equal(node->progress.state, NODE_COMPLETED);
    assert_int_equal(node->progress.attempts, 2);
    assert_int_equal(node->progress.times.started_ms, NOW + 20);
    assert_int_equal(node->progress.times.ended_ms, NOW + 30);
    assert_int_equal(node->records, 4);
    assert_int_equal(node->levels[LEVEL_ERROR], 1);
    assert_int_equal(node->levels[LEVEL_INFO], 3);
    assert_true(node->has_step_number);
    assert_int_equal(node->step_number, 2);
    assert_int_equal(node->first_ms, NOW + 10);
    assert_int_equal(node->last_sequence, 5);
    const struct summary_node *named = summary_node_find(&summary, STR("No id"));
    assert_non_null(named);
    assert_buf(&named->name, "No id");
    assert_int_equal(named->progress.state, NODE_RUNNING);
    assert_false(named->has_step_number);
    assert_null(summary_node_find(&summary, STR("no")));
    assert_null(summary_node_find(&summary, STR("")));
}

// --- Progress and attempts

static const struct record tries[] = {
    {.time_ms = NOW, .extra = TEXT("\"event_type\":\"node_queued\",\"node_id\":\"a\"")},
    {.time_ms = NOW + 5, .extra = TEXT("\"event_type\":\"node_started\",\"node_id\":\"a\"")},
    {.time_ms = NOW + 6,
     .extra = TEXT("\"event_type\":\"node_progress\",\"node_id\":\"a\",\"step_number\":2,\"total_steps\":7,"
                   "\"progress_percentage\":30.5")},
    {.time_ms = NOW + 7, .message = TEXT("tells nothing"), .extra = TEXT("\"node_id\":\"a\"")},
    {.time_ms = NOW + 9, .extra = TEXT("\"event_type\":\"node_failed\",\"node_id\":\"a\"")},
    {.time_ms = NOW + 20, .extra = TEXT("\"event_type\":\"node_queued\",\"node_id\":\"a\"")},
    {.time_ms = NOW + 30, .extra = TEXT("\"event_type\":\"node_started\",\"node_id\":\"a\"")},
    {.time_ms = NOW + 40,
     .extra = TEXT("\"event_type\":\"node_completed\",\"node_id\":\"a\",\"progress_percentage\":100")},
    {.time_ms = NOW + 50, .extra = TEXT("\"event_type\":\"node_started\",\"node_id\":\"a\"")},
};

static void count_tries(struct summary *summary, size_t count)
{
    CLEANUP(chunk_unref) struct chunk *chunk = chunk_of(tries, count);
    summary_init(summary, 0);
    assert_int_equal(summary_add(summary, chunk, 0), 0);
}

static void a_node_tells_how_far_its_attempt_is(void **state)
{
    (void)state;
    // after so many records: the percentage in hundredths; -1: none
    static const int percents[ARRAY_LEN(tries) + 1] = {-1, -1, -1, 3050, 3050, 3050, 3050, -1, 10000, -1};
    for (size_t count = 1; count <= ARRAY_LEN(tries); count++) {
        CLEANUP(summary_release) struct summary summary;
        count_tries(&summary, count);
        const struct summary_node *node = &summary.nodes[0];
        assert_int_equal(node->has_percent ? node->percent : -1, percents[count]);
        assert_int_equal(node->has_total_steps ? node->total_steps : 0, count < 3 ? 0 : 7);
        assert_int_equal(node->has_step_number ? node->step_number : 0, count < 3 ? 0 : 2);
    }
}

static void assert_attempt(const struct summary_attempt *attempt, enum node_state state, int64_t queued,
                           int64_t started, int64_t ended)
{
    assert_int_equal(attempt->state, state);
    assert_int_equal(attempt->times.queued_ms, queued);
    assert_int_equal(attempt->times.started_ms, started);
    assert_int_equal(attempt->times.ended_ms, ended);
}

static void earlier_attempts_are_kept_as_they_ended(void **state)
{
    (void)state;
    static const size_t earlier[ARRAY_LEN(tries) + 1] = {0, 0, 0, 0, 0, 0, 1, 1, 1, 2};
    for (size_t count = 1; count <= ARRAY_LEN(tries); count++) {
        CLEANUP(summary_release) struct summary summary;
        count_tries(&summary, count);
        const struct summary_node *node = &summary.nodes[0];
        assert_int_equal(node->earlier_count, earlier[count]);
        if (node->earlier_count > 0)
            assert_attempt(&node->earlier[0], NODE_FAILED, NOW, NOW + 5, NOW + 9);
        if (node->earlier_count > 1)
            assert_attempt(&node->earlier[1], NODE_COMPLETED, NOW + 20, NOW + 30, NOW + 40);
    }
}

static void only_the_latest_of_many_attempts_are_kept(void **state)
{
    (void)state;
    CLEANUP(chunk_builder_free) struct chunk_builder *builder = chunk_builder_new();
    const unsigned count = SUMMARY_EARLIER_MAX + 5;
    for (unsigned i = 0; i < count; i++) {
        struct record begin = tries[1], end = tries[4];
        begin.time_ms = end.time_ms = NOW + i;
        add(builder, begin);
        add(builder, end);
    }
    CLEANUP(chunk_unref) struct chunk *chunk = chunk_builder_finish(builder, 1);
    CLEANUP(summary_release) struct summary summary;
    summary_init(&summary, 0);
    assert_int_equal(summary_add(&summary, chunk, 0), 0);
    const struct summary_node *node = &summary.nodes[0];
    assert_int_equal(node->progress.attempts, count);
    assert_int_equal(node->earlier_count, SUMMARY_EARLIER_MAX);
    int64_t last = NOW + count - 2, first = last - SUMMARY_EARLIER_MAX + 1;
    assert_attempt(&node->earlier[0], NODE_FAILED, 0, first, first);
    assert_attempt(&node->earlier[SUMMARY_EARLIER_MAX - 1], NODE_FAILED, 0, last, last);
}

// --- Limits

// Records whose extras are `before`, their number, and `behind`.
static struct chunk *events(unsigned count, const char *before, const char *behind)
{
    CLEANUP(chunk_builder_free) struct chunk_builder *builder = chunk_builder_new();
    for (unsigned i = 0; i < count; i++) {
        CLEANUP(free_ptr) char *extra = xasprintf("%s%u%s", before, i, behind);
        add(builder, (struct record){.time_ms = NOW, .stream = STREAM_EVENT, .extra = str_of(extra)});
    }
    return chunk_builder_finish(builder, 1);
}

static void summarize(struct summary *summary, const struct chunk *chunk)
{
    summary_init(summary, 0);
    assert_int_equal(summary_add(summary, chunk, 0), 0);
    CLEANUP(buf_release) struct buf bytes = {0};
    CLEANUP(summary_release) struct summary decoded;
    summary_encode(summary, &bytes);
    assert_true(bytes.len <= SUMMARY_ENCODED_MAX);
    assert_int_equal(summary_decode(buf_str(&bytes), &decoded), 0);
    assert_summaries_same(&decoded, summary);
}

static void what_is_too_much_for_a_list_is_still_counted(void **state)
{
    (void)state;
    CLEANUP(summary_release) struct summary types, nodes, milestones;
    CLEANUP(chunk_unref) struct chunk *of_types = events(SUMMARY_EVENT_TYPES_MAX + 3, "\"event_type\":\"t", "\"");
    summarize(&types, of_types);
    assert_int_equal(types.event_type_count, SUMMARY_EVENT_TYPES_MAX);
    assert_int_equal(types.other_events, 3);
    assert_int_equal(summary_untyped(&types), 0);
    CLEANUP(chunk_unref) struct chunk *of_nodes = events(SUMMARY_NODES_MAX + 5, "\"node_id\":\"", "\"");
    summarize(&nodes, of_nodes);
    assert_int_equal(nodes.node_count, SUMMARY_NODES_MAX);
    assert_int_equal(nodes.other_nodes, 5);
    assert_non_null(summary_node_find(&nodes, STR("9999")));
    assert_null(summary_node_find(&nodes, STR("10000")));
    CLEANUP(chunk_unref)
    struct chunk *of_milestones = events(SUMMARY_MILESTONES_MAX + 7, "\"step_number\":", ",\"is_milestone\":true");
    summarize(&milestones, of_milestones);
    assert_int_equal(milestones.milestones_kept, SUMMARY_MILESTONES_MAX);
    assert_int_equal(milestones.milestone_count, SUMMARY_MILESTONES_MAX + 7);
    assert_int_equal(milestones.milestones[0].sequence_number, 0);
}

static void a_long_message_is_cut_between_characters(void **state)
{
    (void)state;
    char message[SUMMARY_LINE_MAX + 10];
    memset(message, 'a', sizeof(message));
    memcpy(message + SUMMARY_LINE_MAX - 1, "\xc3\xa4", 2);
    const struct record record = {.time_ms = NOW,
                                  .stream = STREAM_EVENT,
                                  .message = {message, sizeof(message)},
                                  .extra = TEXT("\"node_id\":\"n\",\"is_milestone\":true")};
    struct record whole = record;
    whole.extra.len = strlen(whole.extra.data);
    CLEANUP(chunk_unref) struct chunk *chunk = chunk_of(&whole, 1);
    CLEANUP(summary_release) struct summary summary;
    summarize(&summary, chunk);
    assert_int_equal(summary.nodes[0].last_line.len, SUMMARY_LINE_MAX - 1);
    assert_int_equal(summary.milestones[0].message.len, SUMMARY_LINE_MAX - 1);
}

// --- Going on

static void records_are_counted_once_and_none_is_left_out(void **state)
{
    (void)state;
    CLEANUP(chunk_unref) struct chunk *chunk = chunk_of(story, ARRAY_LEN(story));
    CLEANUP(summary_release) struct summary summary, whole;
    summarize(&whole, chunk);
    summary_init(&summary, 0);
    assert_int_equal(summary_add(&summary, chunk, 1), ERR_GAP);
    assert_int_equal(summary_records(&summary), 0);
    assert_int_equal(summary_add(&summary, chunk, 0), 0);
    assert_false(summary_wants_open(&summary, chunk, 0));
    assert_int_equal(summary_add(&summary, chunk, 0), 0);
    assert_summaries_same(&summary, &whole);
    assert_int_equal(summary_add(&summary, chunk, 5), 0);
    assert_int_equal(summary.next, 12);
    assert_int_equal(summary_records(&summary), 12);
    assert_int_equal(summary.nodes[0].records, 4 + 4);
}

static void what_was_cut_off_is_passed_over(void **state)
{
    (void)state;
    CLEANUP(chunk_unref) struct chunk *chunk = chunk_of(story, 2);
    CLEANUP(summary_release) struct summary summary;
    summarize(&summary, chunk);
    summary_skip(&summary, 50);
    summary_skip(&summary, 10);
    assert_int_equal(summary.next, 50);
    assert_int_equal(summary_add(&summary, chunk, 50), 0);
    assert_int_equal(summary_records(&summary), 4);
    assert_int_equal(summary.next, 52);
}

static struct chunk *closed(const struct chunk *chunk)
{
    struct chunk *closed;
    struct str bytes = chunk_encoded(chunk);
    assert_int_equal(chunk_decode_closed(bytes.data, bytes.len, &closed), 0);
    return closed;
}

static void plain_output_is_counted_by_the_header_alone(void **state)
{
    (void)state;
    static const struct record lines[] = {
        {.time_ms = NOW, .message = TEXT("a")},
        {.time_ms = NOW + 1, .stream = STREAM_STDERR, .level = LEVEL_ERROR, .message = TEXT("b")},
    };
    CLEANUP(summary_release) struct summary summary;
    summary_init(&summary, 0);
    CLEANUP(chunk_unref) struct chunk *plain = chunk_of(lines, 1), *closed_plain = closed(plain);
    assert_false(summary_wants_open(&summary, closed_plain, 0));
    assert_int_equal(summary_add(&summary, closed_plain, 0), 0);
    CLEANUP(chunk_unref) struct chunk *error = chunk_of(lines, 2), *closed_error = closed(error);
    assert_true(summary_wants_open(&summary, closed_error, 1)); // for the number of the first error
    assert_int_equal(summary_add(&summary, error, 1), 0);
    assert_int_equal(summary.first_error, 2);
    assert_false(summary_wants_open(&summary, closed_error, 3));
    assert_true(summary_wants_open(&summary, closed_error, 2)); // it was counted in part
    assert_int_equal(summary_add(&summary, closed_error, 3), 0);
    assert_int_equal(summary.streams[STREAM_STDERR], 2);
    assert_int_equal(summary.last_ms, NOW + 1);
}

// --- Random logs

#define RECORDS 400

static struct record random_one(uint64_t *seed, struct random_record *room, char extra[200])
{
    static const char *const types[] = {
        "node_started", "node_completed", "node_failed",  "node_queued",    "node_progress",
        "step_output",  "step_error",     "node_skipped", "node_cancelled", "log"};
    random_record_make(seed, RANDOM_ALL, room);
    uint64_t dice = test_random(seed);
    if (dice % 3 > 0) {
        snprintf(extra, 200,
                 "\"event_type\":\"%s\",\"node_id\":\"n%u\",\"node_name\":\"%s\",\"step_number\":%u,\"total_steps\":%u,"
                 "\"progress_percentage\":%u.5,\"is_milestone\":%s",
                 types[dice / 3 % ARRAY_LEN(types)], (unsigned)(dice >> 16 & 31), dice >> 24 & 1 ? "A" : "\\u00e4 B",
                 (unsigned)(dice >> 36 & 7), (unsigned)(dice >> 40 & 15), (unsigned)(dice >> 44 & 127),
                 dice >> 32 & 7 ? "false" : "true");
        room->record.extra = str_of(extra);
    }
    return room->record;
}

static struct chunk *random_log(uint64_t *seed)
{
    CLEANUP(chunk_builder_free) struct chunk_builder *builder = chunk_builder_new();
    for (unsigned i = 0; i < RECORDS; i++) {
        struct random_record room;
        char extra[200];
        add(builder, random_one(seed, &room, extra));
    }
    return chunk_builder_finish(builder, 1);
}

// Cuts it anywhere; pieces overlap, are refined or closed, and the summary is stored or copied in between.
static void add_in_pieces(uint64_t *seed, const struct chunk *log, struct summary *summary)
{
    for (uint32_t at = 0; at < RECORDS;) {
        uint32_t back = (uint32_t)(test_random(seed) % 3), count = 1 + (uint32_t)(test_random(seed) % 40);
        back = MIN(back, at);
        count = MIN(count + back, RECORDS - (at - back));
        CLEANUP(chunk_unref) struct chunk *slice = chunk_slice(log, at - back, count, 1);
        CLEANUP(chunk_unref) struct chunk *refined = chunk_refine(slice), *shut = closed(refined);
        bool open = summary_wants_open(summary, shut, at - back);
        assert_int_equal(summary_add(summary, open ? refined : shut, at - back), 0);
        at = at - back + count;
        assert_int_equal(summary->next, at);
        CLEANUP(buf_release) struct buf bytes = {0};
        struct summary next;
        summary_encode(summary, &bytes);
        if (test_random(seed) % 2)
            assert_int_equal(summary_decode(buf_str(&bytes), &next), 0);
        else
            summary_copy(summary, &next);
        summary_release(summary);
        *summary = next;
    }
}

static void however_a_log_is_cut_its_summary_is_the_same(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 30; seed++) {
        uint64_t random = seed;
        CLEANUP(chunk_unref) struct chunk *log = random_log(&random);
        CLEANUP(summary_release) struct summary whole, pieces;
        summarize(&whole, log);
        summary_init(&pieces, 0);
        add_in_pieces(&random, log, &pieces);
        assert_summaries_same(&pieces, &whole);
        assert_true(summary_memory(&pieces) > sizeof(pieces));
    }
}

// --- Bytes of an earlier version

// The story as version 1 wrote it.
static const char story_1[] =
    "01000701010502000301010001000004b09b86f1d066809c86f1d066030c6e6f64655f73746172746564020b6e6f64655f66"
    "61696c6564010e6e6f64655f636f6d706c6574656401010105ec9b86f1d0660d416c6c202266657463686564220e6e6f6465"
    "5f636f6d706c6574656402016108466574636820697404687474700d416c6c20226665746368656422030200d89b86f1d066"
    "ec9b86f1d066040000030001000102c49b86f1d06605054e6f206964054e6f2069640005616c6f6e65010100809c86f1d066"
    "00010100000000000000809c86f1d06606";

static struct str story_as_1(char bytes[sizeof(story_1) / 2])
{
    size_t len = (sizeof(story_1) - 1) / 2;
    for (size_t i = 0; i < len; i++) {
        const char digits[3] = {story_1[2 * i], story_1[2 * i + 1], 0};
        bytes[i] = (char)strtoul(digits, NULL, 16);
    }
    return str_n(bytes, len);
}

static void what_an_earlier_version_has_stored_is_read_and_gone_on_with(void **state)
{
    (void)state;
    CLEANUP(chunk_unref) struct chunk *of_story = chunk_of(story, ARRAY_LEN(story)), *of_tries = chunk_of(tries, 3);
    CLEANUP(summary_release) struct summary old, now;
    char bytes[sizeof(story_1) / 2];
    struct str encoded = story_as_1(bytes);
    assert_int_equal(summary_decode(encoded, &old), 0);
    summarize(&now, of_story);
    assert_int_equal(now.nodes[0].earlier_count, 1);
    now.nodes[0].earlier_count = 0; // which version 1 did not keep
    assert_summaries_same(&old, &now);
    assert_int_equal(summary_add(&old, of_tries, old.next), 0);
    const struct summary_node *node = summary_node_find(&old, STR("a"));
    assert_int_equal(node->records, 4 + 3);
    assert_int_equal(node->percent, 3050);
    assert_int_equal(node->earlier_count, 1);
    assert_attempt(&node->earlier[0], NODE_COMPLETED, 0, NOW + 20, NOW + 30);
    for (size_t len = 0; len < encoded.len; len++) {
        CLEANUP(summary_release) struct summary cut;
        assert_int_equal(summary_decode(str_n(encoded.data, len), &cut), ERR_CORRUPT);
    }
}

// --- Bytes that are not ours

static void broken_bytes_are_refused(void **state)
{
    (void)state;
    uint64_t seed = 7;
    CLEANUP(chunk_unref) struct chunk *log = random_log(&seed);
    CLEANUP(summary_release) struct summary summary, decoded;
    summarize(&summary, log);
    CLEANUP(buf_release) struct buf bytes = {0};
    summary_encode(&summary, &bytes);
    for (size_t len = 0; len < bytes.len; len++) {
        assert_int_equal(summary_decode(str_n(bytes.data, len), &decoded), ERR_CORRUPT);
        assert_int_equal(decoded.next, 0);
    }
    buf_append_byte(&bytes, 0);
    assert_int_equal(summary_decode(buf_str(&bytes), &decoded), ERR_CORRUPT);
    bytes.len--;
    bytes.data[0]++;
    assert_int_equal(summary_decode(buf_str(&bytes), &decoded), ERR_TOO_NEW);
    bytes.data[0] = 0;
    assert_int_equal(summary_decode(buf_str(&bytes), &decoded), ERR_CORRUPT);
    bytes.data[0] = 2;
    bytes.data[4] ^= 1; // one line of output more than there are levels
    assert_int_equal(summary_decode(buf_str(&bytes), &decoded), ERR_CORRUPT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_story_is_counted_as_it_was),
        cmocka_unit_test(a_node_is_what_its_events_say),
        cmocka_unit_test(a_node_tells_how_far_its_attempt_is),
        cmocka_unit_test(earlier_attempts_are_kept_as_they_ended),
        cmocka_unit_test(only_the_latest_of_many_attempts_are_kept),
        cmocka_unit_test(what_is_too_much_for_a_list_is_still_counted),
        cmocka_unit_test(a_long_message_is_cut_between_characters),
        cmocka_unit_test(records_are_counted_once_and_none_is_left_out),
        cmocka_unit_test(what_was_cut_off_is_passed_over),
        cmocka_unit_test(plain_output_is_counted_by_the_header_alone),
        cmocka_unit_test(however_a_log_is_cut_its_summary_is_the_same),
        cmocka_unit_test(what_an_earlier_version_has_stored_is_read_and_gone_on_with),
        cmocka_unit_test(broken_bytes_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
