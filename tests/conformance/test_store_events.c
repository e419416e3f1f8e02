// Events of late sources: each is in a log once. What is sorted and left out is tested beside model/late.c.
#include "store/store_fixture.h"

#define EVENTS 4

// As many records as keys: from `first` on.
struct offered {
    struct late_event events[EVENTS];
    struct late_key keys[EVENTS];
    struct chunk *chunk;
};

static struct offered offered_of(unsigned first, uint32_t count)
{
    struct offered it = {.chunk = fixture_chunk(first, count, 40, 1000)};
    for (uint32_t i = 0; i < count; i++) {
        char id[16];
        snprintf(id, sizeof(id), "%u", first + i);
        it.events[i].key = it.keys[i] = late_key_of(str_of(id), &(struct record){0}, 0);
    }
    return it;
}

static int append(struct fixture *fixture, int64_t row, unsigned first, uint32_t count, uint64_t *ret_first)
{
    struct offered it = offered_of(first, count);
    struct store_append append = {
        .op.kind = STORE_APPEND, .row = row, .events = it.keys, .event_count = count, .chunk = it.chunk};
    int err = fixture_run(fixture, &append.op);
    *ret_first = append.ret_first_sequence;
    store_op_release(&append.op);
    chunk_unref(&it.chunk);
    return err;
}

static unsigned known_of(struct fixture *fixture, int64_t row, unsigned first, uint32_t count)
{
    struct offered it = offered_of(first, count);
    bool known[EVENTS];
    unsigned bits = 0;
    struct store_events_known query = {
        .op.kind = STORE_EVENTS_KNOWN, .row = row, .events = it.events, .count = count, .ret_known = known};
    assert_int_equal(fixture_run(fixture, &query.op), 0);
    for (uint32_t i = 0; i < count; i++)
        bits |= (unsigned)known[i] << i;
    chunk_unref(&it.chunk);
    return bits;
}

static void an_event_is_known_once_it_is_in_the_log(void **state)
{
    struct fixture *fixture = *state;
    int64_t account = fixture_account(fixture, "a");
    int64_t row = fixture_create(fixture, account, "one", STATUS_RUNNING),
            other = fixture_create(fixture, account, "other", STATUS_RUNNING);
    uint64_t first;
    assert_int_equal(append(fixture, row, 1, 2, &first), 0);
    assert_int_equal(first, 0);
    fixture_reopen(fixture);
    assert_int_equal(known_of(fixture, row, 0, 4), 0b0110);
    assert_int_equal(known_of(fixture, other, 0, 4), 0);
    assert_int_equal(append(fixture, row, 3, 1, &first), 0);
    assert_int_equal(first, 2);
}

static void nothing_of_a_batch_is_written_if_one_of_it_is_known(void **state)
{
    struct fixture *fixture = *state;
    int64_t account = fixture_account(fixture, "a"), row = fixture_create(fixture, account, "one", STATUS_RUNNING);
    uint64_t first;
    assert_int_equal(append(fixture, row, 2, 1, &first), 0);
    assert_int_equal(append(fixture, row, 0, 3, &first), ERR_CONFLICT);
    assert_int_equal(known_of(fixture, row, 0, 4), 0b0100);
    struct execution got = fixture_get(fixture, account, "one");
    assert_int_equal(got.next_sequence, 1);
    execution_release(&got);
}

static void a_sealed_log_takes_no_events_and_still_knows_its_own(void **state)
{
    struct fixture *fixture = *state;
    int64_t account = fixture_account(fixture, "a"), row = fixture_create(fixture, account, "one", STATUS_RUNNING);
    uint64_t first;
    assert_int_equal(append(fixture, row, 0, 2, &first), 0);
    assert_int_equal(fixture_complete_err(fixture, row, "", -1), 0);
    assert_int_equal(append(fixture, row, 2, 1, &first), ERR_SEALED);
    assert_int_equal(known_of(fixture, row, 0, 4), 0b0011);
    struct store_purge purge = {.op.kind = STORE_PURGE, .row = row};
    assert_int_equal(fixture_run(fixture, &purge.op), 0);
    assert_int_equal(append(fixture, row, 2, 1, &first), ERR_EXPIRED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ON_EACH(an_event_is_known_once_it_is_in_the_log),
        ON_EACH(nothing_of_a_batch_is_written_if_one_of_it_is_known),
        ON_EACH(a_sealed_log_takes_no_events_and_still_knows_its_own),
    };
    return FIXTURE_EACH(tests);
}
