#include "model/roster_entry.h"
#include "util/error.h"
#include "util/testing.h"

struct seen {
    unsigned count;
    struct roster_entry last;
    char worker_id[64], instance[64];
    enum demand_fit fit;
    struct demand demand;
};

static void see(void *arg, const struct roster_entry *entry)
{
    struct seen *seen = arg;
    seen->count++;
    seen->last = *entry;
    str_put(seen->worker_id, sizeof(seen->worker_id), entry->worker_id);
    str_put(seen->instance, sizeof(seen->instance), entry->instance);
    seen->fit = demand_fits(&seen->demand, &entry->offer, NULL);
}

static void a_worker_is_read_with_what_it_offers(void **state)
{
    (void)state;
    static const char text[] =
        "[{\"account\":7,\"instance\":\"abc\",\"trusted_only\":false,\"cpus_free\":1000,\"memory_free\":50,"
        "\"worker\":{\"worker_id\":\"w1\",\"slots\":4,\"slots_free\":2,\"cpus_milli\":4000,"
        "\"memory_bytes\":100,\"draining\":true,\"connected_at\":\"2026-01-01T00:00:00.250Z\","
        "\"labels\":[\"gpu\"],\"executors\":[\"process\"],\"runtimes\":[\"python:3.11\"]}}]";
    struct seen seen = {0};
    assert_true(demand_parse(STR("process runtime=python cpus=1000 memory=50 label=gpu"), &seen.demand));
    assert_int_equal(roster_read(STR(text), see, &seen), 0);
    assert_int_equal(seen.count, 1);
    assert_int_equal(seen.last.account, 7);
    assert_string_equal(seen.worker_id, "w1");
    assert_string_equal(seen.instance, "abc");
    assert_true(seen.last.drains);
    assert_int_equal(seen.last.since_ms, 1767225600250);
    assert_int_equal(seen.fit, DEMAND_FITS);
    seen.demand.cpus_milli = 1001;
    assert_int_equal(roster_read(STR(text), see, &seen), 0);
    assert_int_equal(seen.fit, DEMAND_BUSY);
}

static void what_an_older_server_does_not_tell_is_taken_for_the_whole(void **state)
{
    (void)state;
    struct seen seen = {0};
    assert_true(demand_parse(STR("process cpus=4000 memory=100"), &seen.demand));
    assert_int_equal(roster_read(STR("[{\"account\":0,\"worker\":{\"worker_id\":\"w1\",\"slots_free\":1,"
                                     "\"cpus_milli\":4000,\"memory_bytes\":100,\"executors\":[\"process\"]}}]"),
                                 see, &seen),
                     0);
    assert_int_equal(seen.fit, DEMAND_FITS);
    assert_string_equal(seen.instance, "");
    assert_int_equal(seen.last.since_ms, 0);
}

static void what_is_no_roster_is_said_to_be_none(void **state)
{
    (void)state;
    static const char *const texts[] = {"", "{", "{}", "[{}]", "[1]", "[{\"worker\":{\"worker_id\":1}}]"};
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        struct seen seen = {0};
        assert_int_equal(roster_read(str_of(texts[i]), see, &seen), ERR_MALFORMED);
        assert_int_equal(seen.count, 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_worker_is_read_with_what_it_offers),
        cmocka_unit_test(what_an_older_server_does_not_tell_is_taken_for_the_whole),
        cmocka_unit_test(what_is_no_roster_is_said_to_be_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
