// Picks: what a front shows of a chunk's records is what the chunk holds.
#include "model/chunk_private.h"
#include "model/line_filter.h"
#include "model/testing.h"

#include <endian.h>
#include <xxhash.h>

#define LINES   800u
#define STEPS   10000000
#define SUM_LEN 8

struct made {
    unsigned rare;  // of so many records one is rare
    unsigned types; // of usual events; rare ones have another
    uint32_t first;
    bool lines; // instead of events
    bool goes_on_first;
};

static void add(struct chunk_builder *builder, const struct made *made, uint32_t i)
{
    bool rare = (made->first + i) % made->rare == made->rare - 1;
    char extra[300], message[100];
    snprintf(message, sizeof(message), "the message of number %u: %08x", made->first + i,
             (made->first + i) * 2654435761u);
    snprintf(extra, sizeof(extra),
             "\"event_type\":\"type_%u\",\"category\":\"%s\",\"node_id\":\"%s\",\"node_name\":\"node %u\","
             "\"display_priority\":%u%s",
             rare ? made->types : i % made->types, rare ? "business" : "technical", rare ? "rare" : "usual", i % 3,
             rare ? 9 : 2 + i % 2, i % (made->rare / 2) == 1 ? ",\"is_milestone\":true" : "");
    const struct record record = {
        .time_ms = 1763202615123 + i,
        .stream = !made->lines ? STREAM_EVENT
                  : rare       ? STREAM_STDERR
                               : STREAM_STDOUT,
        .level = rare ? LEVEL_ERROR : LEVEL_UNSET,
        .continues = i == 0 && made->goes_on_first,
        .message = str_of(message),
        .extra = str_of(made->lines ? "" : extra),
    };
    assert_int_equal(chunk_builder_add(builder, &record), 0);
}

static struct chunk *refined(struct made made)
{
    CLEANUP(chunk_builder_free) struct chunk_builder *builder = chunk_builder_new();
    for (uint32_t i = 0; i < LINES; i++)
        add(builder, &made, i);
    for (uint32_t i = LINES; chunk_builder_raw(builder) < (size_t)40 * 1024; i++)
        add(builder, &made, i);
    CLEANUP(chunk_unref) struct chunk *plain = chunk_builder_finish(builder, 1);
    return chunk_refine(plain);
}

static struct chunk *front_of(const struct chunk *chunk)
{
    struct str encoded = chunk_encoded(chunk);
    struct chunk *front = NULL;
    assert_true(chunk_decode_front(encoded.data, CHUNK_FRONT_BYTES, encoded.len, &front));
    return front;
}

static bool is_picked(const struct chunk *front, uint32_t i)
{
    struct record record;
    uint32_t place;
    return chunk_pick_next(front, i, &place, &record) && place == i;
}

static void a_front_shows_the_records_of_which_there_are_few(void **state)
{
    (void)state;
    CLEANUP(chunk_unref) struct chunk *chunk = refined((struct made){.rare = 600, .types = 3});
    CLEANUP(chunk_unref) struct chunk *front = front_of(chunk);
    struct chunk_kinds kinds;
    unsigned picks = 0;
    assert_false(chunk_picks_all(chunk, &kinds));
    assert_true(chunk_picks_all(front, &kinds));
    assert_int_equal(kinds.levels, (1u << LEVEL_COUNT) - 1 - (1u << LEVEL_UNSET));
    assert_int_equal(kinds.streams, 1u << STREAM_STDOUT | 1u << STREAM_STDERR);
    assert_int_equal(kinds.traits, 1u << CHUNK_BUSINESS | 1u << CHUNK_MILESTONE);
    assert_int_equal(kinds.priorities & 0x7ffu, 0x7ffu - (1u << 2) - (1u << 3));
    assert_int_equal(kinds.event_types & 7, 0);
    for (uint32_t i = 0; i < chunk_count(chunk); i++) {
        struct record record, picked;
        uint32_t place;
        chunk_record(chunk, i, &record);
        assert_int_equal(is_picked(front, i), record.level == LEVEL_ERROR || i % 300 == 1);
        if (!is_picked(front, i))
            continue;
        chunk_pick_next(front, i, &place, &picked);
        assert_record_same(&picked, &record);
        picks++;
    }
    assert_in_range(picks, 4, 8);
}

static void what_is_not_rare_or_has_no_room_is_not_picked(void **state)
{
    (void)state;
    static const struct made plenty[] = {{.rare = 20, .types = 3}, {.rare = 50, .types = 3, .lines = true}};
    for (size_t i = 0; i < ARRAY_LEN(plenty); i++) {
        CLEANUP(chunk_unref) struct chunk *chunk = refined(plenty[i]);
        CLEANUP(chunk_unref) struct chunk *front = front_of(chunk);
        struct chunk_kinds kinds;
        if (chunk_picks_all(front, &kinds))
            assert_int_equal(kinds.levels & 1u << LEVEL_ERROR, 0);
        assert_false(is_picked(front, 19) || is_picked(front, 49));
    }
}

static struct filter *filter_from(const char *name, const char *value)
{
    CLEANUP(filter_builder_free) struct filter_builder *builder = filter_builder_new();
    struct filter *filter = NULL;
    const char *reason;
    bool taken;
    assert_int_equal(filter_builder_offer(builder, str_of(name), str_of(value), &taken, &reason), 0);
    assert_true(taken);
    assert_int_equal(filter_builder_finish(builder, &filter, &reason), 0);
    return filter;
}

// How many records match, by the chunks as fronts where the filter wants no more, or as they are.
static unsigned matches(struct filter *filter, struct chunk *const *chunks, size_t count, bool by_fronts,
                        unsigned *ret_fronts)
{
    struct line_filter *lines = line_filter_new(filter, 0, 0);
    struct filter_run run;
    unsigned found = 0;
    uint64_t first = 0;
    filter_run_init(&run, filter, STEPS);
    *ret_fronts = 0;
    for (size_t i = 0; i < count; i++) {
        CLEANUP(chunk_unref) struct chunk *chunk = by_fronts ? front_of(chunks[i]) : chunk_ref(chunks[i]);
        uint64_t end = first + chunk_count(chunk);
        bool enough = line_filter_passes_over(lines, chunk) || line_filter_wants_picks(lines, chunk);
        assert_true(!enough || !by_fronts || filter_wants_front(filter, chunk));
        *ret_fronts += by_fronts && enough;
        while (line_filter_next(lines) < end && line_filter_next(lines) >= first)
            assert_int_equal(line_filter_feed(lines, &run, by_fronts && enough ? chunk : chunks[i], first, end), 0);
        assert_int_equal(line_filter_next(lines), end);
        first = end;
    }
    line_filter_settle_group(lines);
    for (uint64_t i = 0; i < first; i++)
        found += line_filter_match(lines, i);
    filter_run_release(&run);
    line_filter_free(&lines);
    return found;
}

static void filters_find_in_picks_what_they_find_in_chunks(void **state)
{
    (void)state;
    static const char *const filters[][2] = {
        {"level", "error"},       {"min_level", "error"}, {"milestone", "true"}, {"category", "business"},
        {"event_type", "type_3"}, {"node", "rare"},       {"min_priority", "9"}, {"stream", "stderr"},
        {"level", "info"},        {"node", "usual"},
    };
    unsigned fronts, none, with_fronts = 0;
    for (unsigned lines = 0; lines < 2; lines++) {
        struct chunk *chunks[3];
        for (uint32_t i = 0; i < 3; i++)
            chunks[i] = refined((struct made){.rare = 600, .types = 3, .first = 1000 * i, .lines = lines});
        for (size_t i = 0; i < ARRAY_LEN(filters); i++) {
            struct filter *filter = filter_from(filters[i][0], filters[i][1]);
            unsigned expected = matches(filter, chunks, 3, false, &none);
            assert_int_equal(matches(filter, chunks, 3, true, &fronts), expected);
            with_fronts += fronts > 0 && expected > 0;
            filter_unref(&filter);
        }
        for (size_t i = 0; i < 3; i++)
            chunk_unref(&chunks[i]);
    }
    assert_true(with_fronts >= 8); // else it has not been tried
}

static void what_continues_a_record_of_a_front_is_looked_at_with_it(void **state)
{
    (void)state;
    struct filter *filter = filter_from("level", "error");
    CLEANUP(chunk_unref) struct chunk *chunk = refined((struct made){.rare = 600, .types = 3});
    CLEANUP(chunk_unref) struct chunk *next = refined((struct made){.rare = 600, .types = 3, .goes_on_first = true});
    CLEANUP(chunk_unref) struct chunk *front = front_of(chunk), *next_front = front_of(next);
    struct line_filter *lines = line_filter_new(filter, 0, 0);
    struct filter_run run;
    struct chunk_kinds kinds;
    uint64_t end = chunk_count(chunk);
    filter_run_init(&run, filter, STEPS);
    assert_false(chunk_picks_all(next_front, &kinds)); // some of its records belong to others
    assert_true(line_filter_wants_picks(lines, front));
    assert_int_equal(line_filter_feed(lines, &run, front, 0, end), 0);
    assert_int_equal(line_filter_next(lines), end);
    // How its last record ended is not known, so that is looked at once more; and then with its payload.
    assert_int_equal(line_filter_feed(lines, &run, next, end, end + 10), 0);
    assert_int_equal(line_filter_next(lines), end - 1);
    assert_false(line_filter_wants_picks(lines, front) || line_filter_passes_over(lines, front));
    filter_run_release(&run);
    line_filter_free(&lines);
    filter_unref(&filter);
}

static void a_damaged_section_is_not_believed(void **state)
{
    (void)state;
    CLEANUP(chunk_unref) struct chunk *chunk = refined((struct made){.rare = 600, .types = 3});
    size_t at = chunk->header.head_len + chunk_section_offset(&chunk->header, SECTION_PICKS);
    size_t end = at + chunk->header.sizes[SECTION_PICKS], len = chunk_encoded(chunk).len;
    CLEANUP(free_ptr) uint8_t *bytes = xmalloc(end);
    memcpy(bytes, chunk_encoded(chunk).data, end);
    assert_true(end > at + SUM_LEN);
    for (size_t i = at; i < end; i++) {
        struct chunk *none = NULL;
        bytes[i] ^= 0x10;
        assert_false(chunk_decode_front(bytes, end, len, &none));
        bytes[i] ^= 0x10;
    }
}

// Whatever a damaged or hostile store says there, it is either not believed or within the bounds.
static void forged_picks_are_bounded(void **state)
{
    (void)state;
    CLEANUP(chunk_unref) struct chunk *chunk = refined((struct made){.rare = 600, .types = 3});
    size_t at = chunk->header.head_len + chunk_section_offset(&chunk->header, SECTION_PICKS);
    size_t end = at + chunk->header.sizes[SECTION_PICKS], len = chunk_encoded(chunk).len;
    CLEANUP(free_ptr) uint8_t *bytes = xmalloc(end);
    for (size_t i = at + SUM_LEN; i < end; i++) {
        for (unsigned value = 0; value < 256; value += 5) {
            CLEANUP(chunk_unref) struct chunk *forged = NULL;
            struct chunk_kinds kinds;
            struct record record;
            uint32_t place = 0;
            memcpy(bytes, chunk_encoded(chunk).data, end);
            bytes[i] = (uint8_t)value;
            uint64_t sum = htole64(XXH3_64bits(bytes + at + SUM_LEN, end - at - SUM_LEN));
            memcpy(bytes + at, &sum, SUM_LEN);
            assert_true(chunk_decode_front(bytes, end, len, &forged));
            chunk_picks_all(forged, &kinds);
            for (uint32_t from = 0; chunk_pick_next(forged, from, &place, &record); from = place + 1)
                assert_true(place >= from && place < chunk_count(forged));
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_front_shows_the_records_of_which_there_are_few),
        cmocka_unit_test(what_is_not_rare_or_has_no_room_is_not_picked),
        cmocka_unit_test(filters_find_in_picks_what_they_find_in_chunks),
        cmocka_unit_test(what_continues_a_record_of_a_front_is_looked_at_with_it),
        cmocka_unit_test(a_damaged_section_is_not_believed),
        cmocka_unit_test(forged_picks_are_bounded),
    };
    cmocka_set_test_filter(getenv("TEST_FILTER")); // for tests/mutants
    return cmocka_run_group_tests(tests, NULL, NULL);
}
