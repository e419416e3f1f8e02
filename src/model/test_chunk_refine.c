// What a chunk holds beside its records: what is derived from them, and what other versions of this program know of.
#include "model/chunk_private.h"
#include "model/testing.h"
#include "model/token_filter.h"

#define LINES  3000
#define FUTURE 40 // the id of a section that this program does not know

static struct chunk *log_of(uint64_t seed, unsigned may, uint32_t count, int level)
{
    CLEANUP(chunk_builder_free) struct chunk_builder *builder = chunk_builder_new();
    for (uint32_t i = 0; i < count; i++) {
        struct random_record random;
        random_record_make(&seed, may, &random);
        assert_int_equal(chunk_builder_add(builder, &random.record), 0);
    }
    return chunk_builder_finish(builder, level);
}

static void assert_same_records(const struct chunk *a, const struct chunk *b)
{
    assert_int_equal(chunk_count(a), chunk_count(b));
    for (uint32_t i = 0; i < chunk_count(a); i++) {
        struct record left, right;
        chunk_record(a, i, &left);
        chunk_record(b, i, &right);
        assert_record_same(&left, &right);
    }
}

static struct chunk *stored(const struct chunk *chunk)
{
    struct chunk *again = NULL;
    struct str encoded = chunk_encoded(chunk);
    assert_int_equal(chunk_decode_stored(encoded.data, encoded.len, &again), 0);
    return again;
}

static struct chunk *outside(const struct chunk *chunk)
{
    struct chunk *again = NULL;
    struct str encoded = chunk_encoded(chunk);
    assert_int_equal(chunk_decode(encoded.data, encoded.len, 0, &again), 0);
    return again;
}

// --- Derived

static void a_refined_chunk_holds_the_same_records(void **state)
{
    (void)state;
    for (unsigned round = 0; round < 40; round++) {
        CLEANUP(chunk_unref) struct chunk *chunk = log_of(round, round % (RANDOM_ALL + 1), 400, (int)round % 2);
        CLEANUP(chunk_unref) struct chunk *refined = chunk_refine(chunk);
        CLEANUP(chunk_unref) struct chunk *again = stored(refined);
        CLEANUP(chunk_unref) struct chunk *twice = chunk_refine(again);
        assert_same_records(refined, chunk);
        assert_same_records(again, chunk);
        assert_int_equal(chunk_digest(again, 0), chunk_digest(chunk, 0));
        assert_int_equal(chunk_raw(again), chunk_raw(chunk));
        // Of random bytes all trigrams differ, and what is compressed leaves little room.
        if (round % 2 == 0 && !(round % (RANDOM_ALL + 1) & RANDOM_BYTES))
            assert_true(chunk_tokens(again).len > 0);
        assert_str_same(chunk_encoded(twice), chunk_encoded(refined));
    }
}

static void a_small_chunk_is_not_refined(void **state)
{
    (void)state;
    CLEANUP(chunk_unref) struct chunk *chunk = log_of(1, RANDOM_PARTIAL, 30, 1);
    CLEANUP(chunk_unref) struct chunk *refined = chunk_refine(chunk);
    assert_ptr_equal(refined, chunk);
}

// Lines as programs write them: the harder they are looked at, the smaller they become.
static struct chunk *requests(uint32_t count, int level)
{
    CLEANUP(chunk_builder_free) struct chunk_builder *builder = chunk_builder_new();
    uint64_t random = 1;
    for (uint32_t i = 0; i < count; i++) {
        char text[100];
        snprintf(text, sizeof(text), "GET /catalogue/%u?page=%u HTTP/1.1 200 in %u ms",
                 (unsigned)test_random(&random) % 90, i, (unsigned)test_random(&random) % 1000);
        const struct record record = {.time_ms = 1763202615123 + i, .message = str_of(text)};
        assert_int_equal(chunk_builder_add(builder, &record), 0);
    }
    return chunk_builder_finish(builder, level);
}

static void a_chunk_packed_anew_is_smaller_and_holds_the_same_records(void **state)
{
    (void)state;
    for (int level = 0; level < 2; level++) {
        CLEANUP(chunk_unref) struct chunk *chunk = requests(LINES, level);
        CLEANUP(chunk_unref) struct chunk *packed = chunk_repack(chunk, 9);
        CLEANUP(chunk_unref) struct chunk *again = stored(packed), *kept = chunk_repack(again, 1);
        assert_true(chunk_encoded(packed).len < chunk_encoded(chunk).len);
        assert_same_records(packed, chunk);
        assert_same_records(again, chunk);
        assert_int_equal(chunk_digest(again, 0), chunk_digest(chunk, 0));
        assert_ptr_equal(kept, again);
    }
}

static void what_is_derived_is_not_taken_from_outside(void **state)
{
    (void)state;
    CLEANUP(chunk_unref) struct chunk *chunk = log_of(3, RANDOM_ALL - RANDOM_BYTES, LINES, 1);
    CLEANUP(chunk_unref) struct chunk *refined = chunk_refine(chunk);
    struct chunk_names names;
    assert_true(chunk_names(refined, &names) && chunk_tokens(refined).len > 0);
    // A filter that says that nothing is there would hide everything.
    CLEANUP(chunk_unref) struct chunk *taken = outside(refined);
    assert_int_equal(chunk_tokens(taken).len, 0);
    assert_false(chunk_names(taken, &names));
    assert_str_same(chunk_encoded(taken), chunk_encoded(chunk));
    assert_same_records(taken, chunk);
}

static void a_closed_chunk_answers_by_its_header_and_can_be_opened(void **state)
{
    (void)state;
    CLEANUP(chunk_unref) struct chunk *chunk = log_of(4, RANDOM_ALL, LINES, 1);
    CLEANUP(chunk_unref) struct chunk *refined = chunk_refine(chunk);
    struct str encoded = chunk_encoded(refined);
    CLEANUP(chunk_unref) struct chunk *closed = NULL;
    assert_int_equal(chunk_decode_closed(encoded.data, encoded.len, &closed), 0);
    assert_false(chunk_is_open(closed));
    assert_int_equal(chunk_count(closed), LINES);
    assert_int_equal(chunk_raw(closed), chunk_raw(chunk));
    assert_int_equal(chunk_message_bytes(closed), chunk_message_bytes(chunk));
    assert_int_equal(chunk_extra_count(closed), chunk_extra_count(chunk));
    assert_str_same(chunk_tokens(closed), chunk_tokens(refined));
    assert_true(chunk_memory(closed) < encoded.len + 1000);
    assert_int_equal(chunk_open(&closed), 0);
    assert_true(chunk_is_open(closed));
    assert_same_records(closed, chunk);
    assert_int_equal(chunk_open(&closed), 0);
}

static void a_front_says_what_stands_before_the_payload_and_no_more(void **state)
{
    (void)state;
    CLEANUP(chunk_unref) struct chunk *chunk = log_of(4, RANDOM_ALL, LINES, 1);
    CLEANUP(chunk_unref) struct chunk *refined = chunk_refine(chunk);
    struct str encoded = chunk_encoded(refined), plain = chunk_encoded(chunk), column;
    size_t front_len = (size_t)refined->header.head_len + refined->header.plain_len;
    CLEANUP(chunk_unref) struct chunk *front = NULL;
    CLEANUP(buf_release) struct buf scratch = {0};
    assert_true(chunk_decode_front(encoded.data, front_len, encoded.len, &front));
    assert_true(chunk_is_front(front));
    assert_false(chunk_is_front(chunk));
    assert_int_equal(chunk_count(front), LINES);
    assert_int_equal(chunk_message_bytes(front), chunk_message_bytes(chunk));
    assert_int_equal(chunk_partial_count(front), chunk_partial_count(chunk));
    assert_str_same(chunk_tokens(front), chunk_tokens(refined));
    assert_int_equal(chunk_column(front, &scratch, &column), ERR_CORRUPT);
    assert_int_equal(chunk_open(&front), ERR_CORRUPT);
    assert_false(chunk_is_open(front));
    // Not enough bytes, and nothing that shows whether they are right.
    struct chunk *none = NULL;
    for (size_t len = 0; len < front_len; len++)
        assert_false(chunk_decode_front(encoded.data, len, encoded.len, &none));
    assert_false(chunk_decode_front(plain.data, plain.len, plain.len, &none));
}

static void a_damaged_front_is_not_believed(void **state)
{
    (void)state;
    CLEANUP(chunk_unref) struct chunk *chunk = log_of(4, RANDOM_ALL, LINES, 1);
    CLEANUP(chunk_unref) struct chunk *refined = chunk_refine(chunk);
    size_t len = (size_t)refined->header.head_len + refined->header.plain_len;
    CLEANUP(free_ptr) uint8_t *bytes = xmalloc(len);
    struct chunk *none = NULL;
    memcpy(bytes, chunk_encoded(refined).data, len);
    for (size_t at = CHUNK_FLAGS_AT; at < len; at++) {
        bytes[at] ^= 0x10;
        assert_false(chunk_decode_front(bytes, len, chunk_encoded(refined).len, &none));
        bytes[at] ^= 0x10;
    }
}

static void a_closed_chunk_with_a_broken_payload_stays_closed(void **state)
{
    (void)state;
    CLEANUP(chunk_unref) struct chunk *chunk = log_of(5, 0, 100, 0);
    struct str encoded = chunk_encoded(chunk);
    CLEANUP(free_ptr) uint8_t *bytes = xmalloc(encoded.len);
    memcpy(bytes, encoded.data, encoded.len);
    bytes[encoded.len - 1] = 'x'; // no newline ends the last message
    chunk_seal(bytes, encoded.len);
    CLEANUP(chunk_unref) struct chunk *closed = NULL;
    assert_int_equal(chunk_decode_closed(bytes, encoded.len, &closed), 0);
    assert_int_equal(chunk_open(&closed), ERR_CORRUPT);
    assert_false(chunk_is_open(closed));
}

// --- Fields

static struct chunk *events(unsigned types, unsigned nodes, uint32_t count)
{
    CLEANUP(chunk_builder_free) struct chunk_builder *builder = chunk_builder_new();
    for (uint32_t i = 0; i < count; i++) {
        char extra[300];
        snprintf(extra, sizeof(extra),
                 "\"event_type\":\"type_%u\",\"category\":\"%s\",\"node_id\":\"node %u\",\"node_name\":\"%s\","
                 "\"display_priority\":%u,\"is_milestone\":%s,\"data\":{\"node_id\":\"no\"}",
                 i % types, i % 2 ? "business" : "technical", i % nodes, i % 3 ? "a \\\"name\\\"" : "plain", 1 + i % 10,
                 i % 5 ? "false" : "true");
        struct record record = {.stream = STREAM_EVENT, .message = STR("m"), .extra = str_of(extra)};
        assert_int_equal(chunk_builder_add(builder, &record), 0);
    }
    return chunk_builder_finish(builder, 1);
}

static void assert_fields(const struct chunk *chunk, unsigned types, unsigned nodes)
{
    const struct chunk_names *names = chunk_fields_names(chunk);
    for (uint32_t i = 0; i < chunk_count(chunk); i++) {
        struct chunk_record_fields fields = chunk_record_fields(chunk, i);
        char type[20], node[20];
        snprintf(type, sizeof(type), "type_%u", i % types);
        snprintf(node, sizeof(node), "node %u", i % nodes);
        if (fields.event_type >= 0)
            assert_str(names->event_types.names[fields.event_type].name, type);
        else
            assert_true(fields.event_type == FIELD_OTHER && names->event_types.more);
        if (fields.node_id >= 0)
            assert_str(names->nodes.names[fields.node_id].name, node);
        else
            assert_true(fields.node_id == FIELD_OTHER && names->nodes.more);
        // One that is written with escapes is not in the dictionary.
        assert_true(i % 3 ? fields.node_name == FIELD_OTHER : fields.node_name >= 0);
        assert_int_equal(fields.priority, 1 + i % 10);
        assert_int_equal(fields.business, i % 2);
        assert_int_equal(fields.milestone, i % 5 == 0);
    }
}

static void fields_are_the_same_from_extras_and_from_columns(void **state)
{
    (void)state;
    static const unsigned sizes[][2] = {{3, 5}, {CHUNK_NAMES_MAX, 10}, {200, 300}};
    for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
        CLEANUP(chunk_unref) struct chunk *chunk = events(sizes[i][0], sizes[i][1], 600);
        CLEANUP(chunk_unref) struct chunk *refined = chunk_refine(chunk);
        CLEANUP(chunk_unref) struct chunk *again = stored(refined);
        assert_fields(chunk, sizes[i][0], sizes[i][1]);
        assert_fields(again, sizes[i][0], sizes[i][1]);
        assert_int_equal(chunk_memory(again), chunk_memory(refined));
    }
}

static void the_header_counts_event_types_and_nodes(void **state)
{
    (void)state;
    CLEANUP(chunk_unref) struct chunk *chunk = events(3, 5, 600);
    CLEANUP(chunk_unref) struct chunk *refined = chunk_refine(chunk);
    struct str encoded = chunk_encoded(refined);
    CLEANUP(chunk_unref) struct chunk *closed = NULL;
    struct chunk_names names;
    assert_false(chunk_names(chunk, &names));
    assert_int_equal(chunk_decode_closed(encoded.data, encoded.len, &closed), 0);
    assert_true(chunk_names(closed, &names));
    assert_int_equal(names.event_types.count, 3);
    assert_false(names.event_types.more);
    for (unsigned i = 0; i < 3; i++)
        assert_int_equal(names.event_types.names[i].count, 200);
    assert_int_equal(names.nodes.count, 6);
    assert_true(names.nodes.more);
    for (unsigned i = 0; i < names.nodes.count; i++)
        assert_int_equal(names.nodes.names[i].count, str_eq(names.nodes.names[i].name, STR("plain")) ? 200 : 120);
}

static void assert_fields_are_bounded(const struct chunk *chunk)
{
    for (uint32_t i = 0; i < chunk_count(chunk); i++) {
        struct chunk_record_fields fields = chunk_record_fields(chunk, i);
        assert_true(fields.event_type < (int)chunk_fields_names(chunk)->event_types.count);
        assert_true(fields.node_id < (int)chunk_fields_names(chunk)->nodes.count);
        assert_true(fields.node_name < (int)chunk_fields_names(chunk)->nodes.count);
    }
}

// Whatever a damaged or hostile store says there, it is either not believed or within the bounds.
static void forged_columns_of_fields_are_bounded(void **state)
{
    (void)state;
    CLEANUP(chunk_unref) struct chunk *chunk = events(3, 5, 60);
    CLEANUP(chunk_unref) struct chunk *refined = chunk_refine(chunk);
    struct str encoded = chunk_encoded(refined);
    CLEANUP(free_ptr) uint8_t *bytes = xmalloc(encoded.len);
    size_t from = refined->header.head_len, end = from + refined->header.plain_len;
    assert_true(end > from);
    for (size_t at = from; at < end; at++) {
        for (unsigned value = 0; value < 256; value += 5) {
            CLEANUP(chunk_unref) struct chunk *forged = NULL;
            struct chunk_names names;
            memcpy(bytes, encoded.data, encoded.len);
            bytes[at] = (uint8_t)value;
            chunk_seal(bytes, encoded.len);
            assert_int_equal(chunk_decode_stored(bytes, encoded.len, &forged), 0);
            chunk_names(forged, &names);
            assert_fields_are_bounded(forged);
        }
    }
}

// --- Other versions

struct bytes {
    uint8_t *data;
    size_t len;
};

static void bytes_release(struct bytes *bytes)
{
    free(bytes->data);
}

// The chunk, which is stored as it is, with one section more: as a newer program would write it.
static struct bytes with_section(const struct chunk *chunk, unsigned kind, const char *content)
{
    const struct chunk_header *header = &chunk->header;
    uint8_t entry[4], *entry_end = put_varint(entry, FUTURE << SECTION_ID_SHIFT | kind);
    size_t table = 1, content_len = strlen(content), head = header->head_len, front = head + header->plain_len;
    for (unsigned i = 0; i < SECTION_COUNT; i++) {
        uint8_t size[5];
        table += header->sizes[i] > 0 ? 1 + (size_t)(put_varint(size, header->sizes[i]) - size) : 0;
    }
    entry_end = put_varint(entry_end, content_len);
    struct bytes bytes = {.data = xmalloc(chunk->encoded_len + sizeof(entry) + content_len)};
    uint8_t *out = mempcpy(bytes.data, chunk->encoded, head);
    bytes.data[head - table]++;
    out = mempcpy(out, entry, (size_t)(entry_end - entry));
    out = mempcpy(out, chunk->encoded + head, header->plain_len);
    if (!(kind & SECTION_PACKED))
        out = mempcpy(out, content, content_len);
    out = mempcpy(out, chunk->encoded + front, chunk->encoded_len - front);
    if (kind & SECTION_PACKED)
        out = mempcpy(out, content, content_len);
    bytes.len = (size_t)(out - bytes.data);
    chunk_seal(bytes.data, bytes.len);
    return bytes;
}

static void unknown_sections_that_are_not_required_are_skipped(void **state)
{
    (void)state;
    CLEANUP(chunk_unref) struct chunk *chunk = log_of(6, RANDOM_ALL, 50, 0);
    static const unsigned kinds[] = {0, SECTION_PACKED};
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        CLEANUP(bytes_release) struct bytes bytes = with_section(chunk, kinds[i], "of the future");
        CLEANUP(chunk_unref) struct chunk *kept = NULL;
        CLEANUP(chunk_unref) struct chunk *taken = NULL;
        assert_int_equal(chunk_decode_stored(bytes.data, bytes.len, &kept), 0);
        assert_same_records(kept, chunk);
        assert_int_equal(chunk_encoded(kept).len, bytes.len); // it is somebody else's, and stays
        CLEANUP(chunk_unref) struct chunk *refined = chunk_refine(kept);
        assert_ptr_equal(refined, kept);
        // From outside it could say anything to those who will know it.
        assert_int_equal(chunk_decode(bytes.data, bytes.len, 0, &taken), 0);
        assert_str_same(chunk_encoded(taken), chunk_encoded(chunk));
        assert_same_records(taken, chunk);
    }
}

static void unknown_sections_that_are_required_are_too_new(void **state)
{
    (void)state;
    CLEANUP(chunk_unref) struct chunk *chunk = log_of(7, RANDOM_ALL, 50, 0);
    static const unsigned kinds[] = {SECTION_REQUIRED, SECTION_REQUIRED | SECTION_PACKED};
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        CLEANUP(bytes_release) struct bytes bytes = with_section(chunk, kinds[i], "of the future");
        struct chunk *taken = NULL;
        assert_int_equal(chunk_decode_stored(bytes.data, bytes.len, &taken), ERR_TOO_NEW);
        assert_int_equal(chunk_decode_closed(bytes.data, bytes.len, &taken), ERR_TOO_NEW);
        assert_int_equal(chunk_decode(bytes.data, bytes.len, 0, &taken), ERR_TOO_NEW);
        assert_null(taken);
    }
}

static int decode_changed(const struct chunk *chunk, size_t at, uint8_t value, bool sealed, struct chunk **ret)
{
    struct str encoded = chunk_encoded(chunk);
    CLEANUP(free_ptr) uint8_t *bytes = xmalloc(encoded.len);
    memcpy(bytes, encoded.data, encoded.len);
    bytes[at] = value;
    if (sealed)
        chunk_seal(bytes, encoded.len);
    return chunk_decode(bytes, encoded.len, 0, ret);
}

static void unknown_flags_are_ignored_or_too_new_as_they_say(void **state)
{
    (void)state;
    CLEANUP(chunk_unref) struct chunk *chunk = log_of(8, RANDOM_ALL, 50, 0);
    unsigned flags = (uint8_t)chunk_encoded(chunk).data[CHUNK_FLAGS_AT];
    for (unsigned bit = 2; bit < 8; bit++) {
        CLEANUP(chunk_unref) struct chunk *taken = NULL;
        int err = decode_changed(chunk, CHUNK_FLAGS_AT, (uint8_t)(flags | 1u << bit), true, &taken);
        assert_int_equal(err, bit < 4 ? ERR_TOO_NEW : 0);
        if (err == 0)
            assert_str_same(chunk_encoded(taken), chunk_encoded(chunk)); // without the flag
    }
}

static void a_flag_that_the_counters_deny_is_corrupt(void **state)
{
    (void)state;
    static const unsigned may[] = {RANDOM_ALL, RANDOM_ALL & ~(unsigned)RANDOM_PARTIAL};
    for (size_t i = 0; i < ARRAY_LEN(may); i++) {
        CLEANUP(chunk_unref) struct chunk *chunk = log_of(8, may[i], 50, 0);
        struct chunk *taken = NULL;
        unsigned flags = (uint8_t)chunk_encoded(chunk).data[CHUNK_FLAGS_AT];
        assert_int_equal(flags & CHUNK_MUST_CONTINUE, i == 0 ? CHUNK_MUST_CONTINUE : 0);
        int err = decode_changed(chunk, CHUNK_FLAGS_AT, (uint8_t)(flags ^ CHUNK_MUST_CONTINUE), true, &taken);
        assert_int_equal(err, ERR_CORRUPT);
    }
}

static void another_version_is_too_new_or_corrupt(void **state)
{
    (void)state;
    CLEANUP(chunk_unref) struct chunk *chunk = log_of(9, RANDOM_ALL, 50, 0);
    struct chunk *taken = NULL;
    for (unsigned version = 0; version < 256; version++) {
        if (version == CHUNK_VERSION)
            continue;
        int expected = version > CHUNK_VERSION ? ERR_TOO_NEW : ERR_CORRUPT;
        assert_int_equal(decode_changed(chunk, 2, (uint8_t)version, true, &taken), expected);
        // What was only damaged on its way is no news.
        assert_int_equal(decode_changed(chunk, 2, (uint8_t)version, false, &taken), ERR_CORRUPT);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_refined_chunk_holds_the_same_records),
        cmocka_unit_test(a_small_chunk_is_not_refined),
        cmocka_unit_test(a_chunk_packed_anew_is_smaller_and_holds_the_same_records),
        cmocka_unit_test(what_is_derived_is_not_taken_from_outside),
        cmocka_unit_test(a_closed_chunk_answers_by_its_header_and_can_be_opened),
        cmocka_unit_test(a_front_says_what_stands_before_the_payload_and_no_more),
        cmocka_unit_test(a_damaged_front_is_not_believed),
        cmocka_unit_test(a_closed_chunk_with_a_broken_payload_stays_closed),
        cmocka_unit_test(fields_are_the_same_from_extras_and_from_columns),
        cmocka_unit_test(the_header_counts_event_types_and_nodes),
        cmocka_unit_test(forged_columns_of_fields_are_bounded),
        cmocka_unit_test(unknown_sections_that_are_not_required_are_skipped),
        cmocka_unit_test(unknown_sections_that_are_required_are_too_new),
        cmocka_unit_test(unknown_flags_are_ignored_or_too_new_as_they_say),
        cmocka_unit_test(a_flag_that_the_counters_deny_is_corrupt),
        cmocka_unit_test(another_version_is_too_new_or_corrupt),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
