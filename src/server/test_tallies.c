#include "server/tallies.h"
#include "util/testing.h"

static void init(struct tally tallies[TALLY_KINDS])
{
    for (unsigned i = 0; i < TALLY_KINDS; i++)
        tally_init(&tallies[i]);
}

static void release(struct tally tallies[TALLY_KINDS])
{
    for (unsigned i = 0; i < TALLY_KINDS; i++)
        tally_release(&tallies[i]);
}

static void what_is_written_is_read_and_added_up(void **state)
{
    (void)state;
    CLEANUP(buf_release) struct buf text = {0};
    struct tally said[TALLY_KINDS], heard[TALLY_KINDS];
    init(said);
    init(heard);
    tally_add_id(&said[TALLY_FOLLOWERS], 7, 900);
    tally_add_id(&said[TALLY_RUNNING], 7, 3);
    tally_add(&said[TALLY_FAILED_LOGINS], STR("[2001:db8::1]"), 12);
    tally_add(&said[TALLY_FAILED_LOGINS], STR("10.0.0.1"), UINT64_MAX);
    tallies_write(said, &text);
    tallies_read(buf_str(&text), heard);
    tallies_read(buf_str(&text), heard); // another server says the same
    assert_int_equal(tally_get_id(&heard[TALLY_FOLLOWERS], 7), 1800);
    assert_int_equal(tally_get_id(&heard[TALLY_RUNNING], 7), 6);
    assert_int_equal(tally_get(&heard[TALLY_FAILED_LOGINS], STR("[2001:db8::1]")), 24);
    assert_true(tally_get(&heard[TALLY_FAILED_LOGINS], STR("10.0.0.1")) == UINT64_MAX);
    release(said);
    release(heard);
}

static void what_is_not_understood_is_let_go(void **state)
{
    (void)state;
    struct tally heard[TALLY_KINDS];
    init(heard);
    tallies_read(STR("z 5 7\nf 7\nf x 7\nf -1 7\nff 1 7\n\nf 2 \n 3 7\nf 4 7"), heard);
    assert_int_equal(tally_get_id(&heard[TALLY_FOLLOWERS], 7), 4);
    assert_int_equal(heard[TALLY_FOLLOWERS].by_name.count, 1);
    assert_int_equal(heard[TALLY_RUNNING].by_name.count + heard[TALLY_FAILED_LOGINS].by_name.count, 0);
    release(heard);
}

static void no_more_is_said_than_there_is_room_for(void **state)
{
    (void)state;
    CLEANUP(buf_release) struct buf text = {0};
    struct tally said[TALLY_KINDS], heard[TALLY_KINDS];
    init(said);
    init(heard);
    for (int i = 0; i < 20000; i++)
        tally_add_id(&said[TALLY_FAILED_LOGINS], i, 1);
    tallies_write(said, &text);
    assert_in_range(text.len, TALLY_MAX / 2, TALLY_MAX);
    tallies_read(buf_str(&text), heard);
    size_t whole = 0;
    for (int i = 0; i < 20000; i++)
        whole += tally_get_id(&heard[TALLY_FAILED_LOGINS], i) == 1;
    assert_int_equal(whole, heard[TALLY_FAILED_LOGINS].by_name.count); // no name was cut
    release(said);
    release(heard);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_written_is_read_and_added_up),
        cmocka_unit_test(what_is_not_understood_is_let_go),
        cmocka_unit_test(no_more_is_said_than_there_is_room_for),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
