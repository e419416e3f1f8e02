#include "store/sqlite/log/pack.h"
#include "util/error.h"
#include "util/testing.h"

#define ENTRIES    400
#define BODY_BYTES 400

// Entries as unlike each other as they can be; their strings are static.
static struct pack_entry random_entry(uint64_t *random)
{
    static const char *const names[] = {"", "runner", "runner", "exec_01hx.resumed", "p"};
    struct pack_entry entry = {
        .row = test_random(random) % 8 ? (int64_t)(test_random(random) % 9) : INT64_MAX,
        .piece = {.first = test_random(random) >> test_random(random) % 64,
                  .count = 1 + (uint32_t)(test_random(random) % 1000),
                  .raw = (uint32_t)(test_random(random) % 300),
                  .stored = (uint32_t)(test_random(random) % 3 ? test_random(random) % 300 : 0),
                  .time_max = test_random(random) % 16 ? 1763200000000 : INT64_MIN},
        .state = {.digest = test_random(random), .message_bytes = test_random(random) >> 20},
        .producer = str_of(names[test_random(random) % ARRAY_LEN(names)]),
    };
    entry.state.next = entry.piece.first + entry.piece.count;
    if (entry.producer.len > 0) {
        entry.producer_state = (struct producer_state){
            .sequence.last_hash = test_random(random),
            .sequence.digest = test_random(random) % 2 ? entry.state.digest : test_random(random),
            .sequence.digest_unknown = test_random(random) % 4 == 0,
            .last_counter = test_random(random) >> 30,
            .last_sequence = entry.piece.first,
        };
        entry.producer_state.sequence.next = entry.producer_state.last_counter + entry.piece.count;
    }
    return entry;
}

static void random_body(uint64_t *random, size_t len, char *ret)
{
    for (size_t i = 0; i < len; i++)
        ret[i] = (char)('a' + test_random(random) % 4);
}

struct fixture {
    struct pack_entry entries[ENTRIES];
    struct buf bodies, meta, body; // bodies: of all, as they were put in
};

static void make(struct fixture *fixture, size_t count, uint64_t random)
{
    struct pack_builder builder = {0};
    // What was gathered and given up before leaves nothing behind.
    struct pack_entry dropped = random_entry(&random);
    pack_builder_add(&builder, &dropped, STR("dropped"));
    pack_builder_reset(&builder);
    for (size_t i = 0; i < count; i++) {
        struct pack_entry *entry = &fixture->entries[i];
        char body[300];
        *entry = random_entry(&random);
        entry->piece.id = 77;
        entry->piece.offset = pack_builder_offset(&builder);
        random_body(&random, entry->piece.stored, body);
        pack_builder_add(&builder, entry, str_n(body, entry->piece.stored));
        buf_append(&fixture->bodies, body, entry->piece.stored);
    }
    pack_builder_finish(&builder, &fixture->meta, &fixture->body);
    pack_builder_release(&builder);
}

static int set_up(void **state)
{
    struct fixture *fixture = xcalloc(1, sizeof(*fixture));
    *state = fixture;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;
    buf_release(&fixture->bodies);
    buf_release(&fixture->meta);
    buf_release(&fixture->body);
    free(fixture);
    return 0;
}

static void assert_entry(const struct pack_entry *got, const struct pack_entry *put)
{
    assert_int_equal(got->row, put->row);
    assert_int_equal(got->piece.id, put->piece.id);
    assert_int_equal(got->piece.first, put->piece.first);
    assert_int_equal(got->piece.count, put->piece.count);
    assert_int_equal(got->piece.raw, put->piece.raw);
    assert_int_equal(got->piece.offset, put->piece.offset);
    assert_int_equal(got->piece.stored, put->piece.stored);
    assert_int_equal(got->piece.time_max, put->piece.time_max);
    assert_memory_equal(&got->state, &put->state, sizeof(put->state));
    assert_int_equal(got->producer.len, put->producer.len);
    if (put->producer.len > 0)
        assert_memory_equal(got->producer.data, put->producer.data, put->producer.len);
    const struct producer_state *state = &got->producer_state, *expected = &put->producer_state;
    assert_int_equal(state->last_counter, expected->last_counter);
    assert_int_equal(state->last_sequence, expected->last_sequence);
    assert_int_equal(state->sequence.next, expected->sequence.next);
    assert_int_equal(state->sequence.last_hash, expected->sequence.last_hash);
    assert_int_equal(state->sequence.digest_unknown, expected->sequence.digest_unknown);
    if (!expected->sequence.digest_unknown)
        assert_int_equal(state->sequence.digest, expected->sequence.digest);
}

static void assert_whole(const struct fixture *fixture, size_t count)
{
    struct pack_reader reader;
    struct pack_entry entry;
    assert_int_equal(pack_reader_init(&reader, 77, buf_str(&fixture->meta)), 0);
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(pack_reader_next(&reader, &entry), 1);
        assert_entry(&entry, &fixture->entries[i]);
    }
    assert_int_equal(pack_reader_next(&reader, &entry), 0);
    pack_reader_release(&reader);
    CLEANUP(buf_release) struct buf unpacked = {0};
    assert_int_equal(pack_body_unpack(buf_str(&fixture->body), &unpacked), 0);
    assert_int_equal(unpacked.len, fixture->bodies.len);
    if (unpacked.len > 0)
        assert_memory_equal(unpacked.data, fixture->bodies.data, unpacked.len);
}

static void what_is_put_in_comes_out(void **state)
{
    struct fixture *fixture = *state;
    static const size_t counts[] = {1, 2, 3, 20, ENTRIES};
    for (size_t i = 0; i < ARRAY_LEN(counts); i++) {
        buf_reset(&fixture->bodies);
        make(fixture, counts[i], i + 1);
        assert_whole(fixture, counts[i]);
    }
}

static void a_pack_of_before_there_were_digests_is_read_without_them(void **state)
{
    CLEANUP(buf_release) struct buf meta = {0};
    struct pack_reader reader;
    struct pack_entry entry;
    (void)state;
    buf_append_byte(&meta, 0); // not compressed
    buf_append_svarint(&meta, 5);
    for (uint64_t value = 1; value <= 4; value++) // first, count, raw, stored
        buf_append_varint(&meta, value);
    buf_append_svarint(&meta, 7);
    buf_append_varint(&meta, 3);
    buf_append_le64(&meta, 77);
    buf_append_varint(&meta, 2 + 1);
    buf_append_text(&meta, "p");
    buf_append_varint(&meta, 9);
    buf_append_varint(&meta, 2);
    buf_append_le64(&meta, 88);
    assert_int_equal(pack_reader_init(&reader, 77, buf_str(&meta)), 0);
    assert_int_equal(pack_reader_next(&reader, &entry), 1);
    assert_int_equal(entry.state.digest, 77);
    assert_int_equal(entry.producer_state.sequence.next, 11);
    assert_int_equal(entry.producer_state.sequence.last_hash, 88);
    assert_true(entry.producer_state.sequence.digest_unknown);
    assert_int_equal(pack_reader_next(&reader, &entry), 0);
    pack_reader_release(&reader);
}

// --- What is compressed

static void add(struct pack_builder *builder, uint32_t raw)
{
    char body[BODY_BYTES];
    memset(body, 'a', sizeof(body));
    struct pack_entry entry = {
        .row = 1,
        .piece = {.first = builder->count, .count = 1, .raw = raw, .stored = BODY_BYTES},
    };
    pack_builder_add(builder, &entry, str_n(body, sizeof(body)));
}

// Returns the length of the body column.
static size_t body_column_of(const struct pack_builder *builder)
{
    CLEANUP(buf_release) struct buf meta = {0}, body = {0}, unpacked = {0};
    pack_builder_finish(builder, &meta, &body);
    assert_int_equal(pack_body_unpack(buf_str(&body), &unpacked), 0);
    assert_true(str_eq(buf_str(&unpacked), buf_str(&builder->body)));
    return body.len;
}

static void chunks_that_are_as_they_were_are_compressed_together(void **state)
{
    (void)state;
    CLEANUP(pack_builder_release) struct pack_builder builder = {0};
    add(&builder, BODY_BYTES - 30);
    add(&builder, BODY_BYTES - 30);
    assert_true(body_column_of(&builder) < BODY_BYTES);
}

static void compressed_chunks_are_not_compressed_again(void **state)
{
    (void)state;
    CLEANUP(pack_builder_release) struct pack_builder builder = {0};
    for (int i = 0; i < 8; i++)
        add(&builder, 4 * BODY_BYTES);
    assert_int_equal(body_column_of(&builder), 8 * BODY_BYTES + 1);
    add(&builder, BODY_BYTES - 30);
    assert_int_equal(body_column_of(&builder), 9 * BODY_BYTES + 1);
}

static void enough_loose_chunks_among_them_are_worth_it(void **state)
{
    (void)state;
    CLEANUP(pack_builder_release) struct pack_builder builder = {0};
    add(&builder, 4 * BODY_BYTES);
    add(&builder, BODY_BYTES - 30);
    assert_true(body_column_of(&builder) < BODY_BYTES);
    pack_builder_reset(&builder);
    add(&builder, 4 * BODY_BYTES);
    add(&builder, 4 * BODY_BYTES);
    assert_int_equal(body_column_of(&builder), 2 * BODY_BYTES + 1);
}

// --- Damage

static void read_all(const struct buf *meta, const struct buf *body)
{
    struct pack_reader reader;
    struct pack_entry entry;
    if (pack_reader_init(&reader, 77, buf_str(meta)) == 0) {
        int rc;
        while ((rc = pack_reader_next(&reader, &entry)) == 1)
            assert_in_range(entry.piece.offset + (uint64_t)entry.piece.stored, 0, PACK_BODY_MAX);
        assert_true(rc == 0 || rc == ERR_CORRUPT);
        pack_reader_release(&reader);
    }
    CLEANUP(buf_release) struct buf unpacked = {0};
    int err = pack_body_unpack(buf_str(body), &unpacked);
    assert_true(err == 0 || err == ERR_CORRUPT);
}

// The sanitizers watch what the reader touches.
static void damaged_bytes_are_refused_or_read_within_bounds(void **state)
{
    struct fixture *fixture = *state;
    uint64_t random = 3;
    for (size_t count = 1; count <= 3; count += 2) {
        buf_reset(&fixture->bodies);
        make(fixture, count, count);
        for (int i = 0; i < 20000; i++) {
            struct buf *damaged = i % 2 ? &fixture->meta : &fixture->body;
            char *byte = &damaged->data[test_random(&random) % damaged->len], kept = *byte;
            size_t len = damaged->len;
            *byte = (char)test_random(&random);
            damaged->len = test_random(&random) % 4 ? len : test_random(&random) % len;
            read_all(&fixture->meta, &fixture->body);
            damaged->len = len;
            *byte = kept;
        }
        assert_whole(fixture, count);
    }
}

static void a_piece_outside_of_its_body_is_corrupt(void **state)
{
    (void)state;
    static const struct hot_piece pieces[] = {
        {.offset = 5}, {.offset = 0, .stored = 5}, {.offset = 4, .stored = UINT32_MAX}};
    CLEANUP(buf_release) struct buf body = {0};
    buf_append_text(&body, "RC..");
    for (size_t i = 0; i < ARRAY_LEN(pieces); i++) {
        struct chunk *chunk = NULL;
        assert_int_equal(pack_chunk(&body, &pieces[i], &chunk), ERR_CORRUPT);
        assert_null(chunk);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_is_put_in_comes_out, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_pack_of_before_there_were_digests_is_read_without_them, set_up, tear_down),
        cmocka_unit_test(chunks_that_are_as_they_were_are_compressed_together),
        cmocka_unit_test(compressed_chunks_are_not_compressed_again),
        cmocka_unit_test(enough_loose_chunks_among_them_are_worth_it),
        cmocka_unit_test_setup_teardown(damaged_bytes_are_refused_or_read_within_bounds, set_up, tear_down),
        cmocka_unit_test(a_piece_outside_of_its_body_is_corrupt),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
