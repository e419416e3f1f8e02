#include "model/demand.h"
#include "util/testing.h"

static void equal_demands_have_one_text(void **state)
{
    (void)state;
    struct demand demand = {.cpus_milli = 2000,
                            .memory_bytes = 1u << 30,
                            .executor = STR("process"),
                            .runtime = STR("python:3.11"),
                            .labels = {STR("ssd"), STR("gpu"), STR("ssd"), STR("gp")},
                            .label_count = 4,
                            .unconfined = true};
    CLEANUP(buf_release) struct buf out = {0};
    assert_true(demand_append(&demand, &out));
    assert_string_equal(
        buf_cstr(&out),
        "process runtime=python:3.11 cpus=2000 memory=1073741824 label=gp label=gpu label=ssd unconfined");
    struct demand read;
    CLEANUP(buf_release) struct buf again = {0};
    assert_true(demand_parse(buf_str(&out), &read));
    assert_int_equal(read.label_count, 3);
    assert_int_equal(read.cpus_milli, 2000);
    assert_str(read.runtime, "python:3.11");
    assert_true(read.unconfined);
    assert_true(demand_append(&read, &again));
    assert_string_equal(buf_cstr(&again), buf_cstr(&out));
}

static void the_least_demand_is_its_executor(void **state)
{
    (void)state;
    CLEANUP(buf_release) struct buf out = {0};
    assert_true(demand_append(&(struct demand){.executor = STR("container")}, &out));
    assert_string_equal(buf_cstr(&out), "container");
}

static void what_cannot_be_one_text_is_refused(void **state)
{
    (void)state;
    char wide[DEMAND_TEXT_MAX];
    memset(wide, 'x', sizeof(wide));
    const struct demand demands[] = {
        {.executor = STR("")},
        {.executor = STR("two words")},
        {.executor = STR("process"), .runtime = STR("a\nb")},
        {.executor = STR("process"), .labels = {STR("")}, .label_count = 1},
        {.executor = STR("process"), .labels = {STR("größer")}, .label_count = 1},
        {.executor = STR("process"), .label_count = DEMAND_LABELS_MAX + 1},
        {.executor = STR("process"), .labels = {{wide, sizeof(wide)}}, .label_count = 1},
    };
    CLEANUP(buf_release) struct buf out = {0};
    for (size_t i = 0; i < ARRAY_LEN(demands); i++) {
        assert_false(demand_append(&demands[i], &out));
        assert_int_equal(out.len, 0);
    }
}

static void texts_that_are_none_are_refused(void **state)
{
    (void)state;
    static const char *const texts[] = {"",
                                        " process",
                                        "process ",
                                        "process cpus",
                                        "process cpus=",
                                        "process cpus=x",
                                        "process cpus=4294967296",
                                        "process memory=-1",
                                        "process label=",
                                        "process unconfined=1",
                                        "process  cpus=1",
                                        "process colour=red"};
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        struct demand demand = {.cpus_milli = 4711};
        assert_false(demand_parse(str_of(texts[i]), &demand));
        assert_int_equal(demand.cpus_milli, 4711);
    }
    CLEANUP(buf_release) struct buf many = {0};
    struct demand demand;
    buf_append_text(&many, "process");
    for (int i = 0; i <= DEMAND_LABELS_MAX; i++)
        buf_printf(&many, " label=%d", i);
    assert_false(demand_parse(buf_str(&many), &demand));
}

static void an_offer_fits_or_says_what_is_missing(void **state)
{
    (void)state;
    static const struct str labels[] = {STR("gpu"), STR("ssd")}, executors[] = {STR("process")},
                            runtimes[] = {STR("python:3.11.2"), STR("bash")};
    const struct offer offer = {.slots = 4,
                                .slots_free = 1,
                                .cpus_milli = 4000,
                                .cpus_free = 1000,
                                .memory_bytes = 1000,
                                .memory_free = 100,
                                .labels = labels,
                                .executors = executors,
                                .runtimes = runtimes,
                                .label_count = 2,
                                .executor_count = 1,
                                .runtime_count = 2};
    static const struct {
        const char *demand;
        enum demand_fit fit;
    } cases[] = {
        {"process", DEMAND_FITS},
        {"process runtime=python:3.11 cpus=1000 memory=100 label=gpu label=ssd", DEMAND_FITS},
        {"process cpus=1001", DEMAND_BUSY},
        {"process memory=101", DEMAND_BUSY},
        {"process cpus=4001", DEMAND_TOO_LARGE},
        {"process memory=1001", DEMAND_TOO_LARGE},
        {"process label=gpu label=tpu", DEMAND_NO_LABEL},
        {"process runtime=python:3.12", DEMAND_NO_RUNTIME},
        {"container", DEMAND_NO_EXECUTOR},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct demand demand;
        struct str label = {0};
        assert_true(demand_parse(str_of(cases[i].demand), &demand));
        assert_int_equal(demand_fits(&demand, &offer, &label), cases[i].fit);
        if (cases[i].fit == DEMAND_NO_LABEL)
            assert_str(label, "tpu");
    }
    struct offer other = offer;
    struct demand demand;
    assert_true(demand_parse(STR("process"), &demand));
    other.slots_free = 0;
    assert_int_equal(demand_fits(&demand, &other, NULL), DEMAND_BUSY);
    other.confined_only = true;
    assert_int_equal(demand_fits(&demand, &other, NULL), DEMAND_NOT_TRUSTED);
    demand.unconfined = true;
    assert_int_equal(demand_fits(&demand, &other, NULL), DEMAND_BUSY);
}

static void of_several_offers_the_closest_says_what_is_missing(void **state)
{
    (void)state;
    static const struct str process[] = {{"process", 7}}, gpu[] = {{"gpu", 3}};
    const struct offer none = {.slots = 1, .slots_free = 1},
                       runs = {.slots = 1, .slots_free = 1, .executors = process, .executor_count = 1};
    struct offer fits = runs, busy;
    struct demand demand;
    struct demand_why why = DEMAND_WHY_NOBODY;
    fits.labels = gpu;
    fits.label_count = 1;
    busy = fits;
    busy.slots_free = 0;
    assert_true(demand_parse(STR("process label=gpu"), &demand));
    demand_why_add(&why, &demand, &none, false);
    assert_int_equal(why.fit, DEMAND_NO_EXECUTOR);
    demand_why_add(&why, &demand, &runs, false);
    demand_why_add(&why, &demand, &none, false); // what is further away changes nothing
    assert_int_equal(why.fit, DEMAND_NO_LABEL);
    assert_str(why.label, "gpu");
    demand_why_add(&why, &demand, &runs, true);
    assert_false(why.drains);
    demand_why_add(&why, &demand, &busy, true);
    assert_true(why.drains);
    assert_int_equal(why.fit, DEMAND_NO_LABEL); // it takes none
    demand_why_add(&why, &demand, &busy, false);
    assert_int_equal(why.fit, DEMAND_BUSY);
    demand_why_add(&why, &demand, &fits, false);
    assert_int_equal(why.fit, DEMAND_FITS);
}

static void a_runtime_wants_at_least_what_it_names(void **state)
{
    (void)state;
    static const struct {
        const char *wanted, *offered;
        bool matches;
    } cases[] = {
        {"", "python:3.11", true},
        {"python", "python", true},
        {"python", "python:3.11", true},
        {"python:3", "python:3.11.2", true},
        {"python:3.11", "python:3.11", true},
        {"python:3.11", "python:3.11.2", true},
        {"python:3.1", "python:3.11", false},
        {"python:3.11", "python", false},
        {"python", "python3", false},
        {"bash", "python:3.11", false},
        {"python:3.11.2", "python:3.11", false},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        assert_int_equal(runtime_matches(str_of(cases[i].wanted), str_of(cases[i].offered)), cases[i].matches);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(equal_demands_have_one_text),
        cmocka_unit_test(the_least_demand_is_its_executor),
        cmocka_unit_test(what_cannot_be_one_text_is_refused),
        cmocka_unit_test(texts_that_are_none_are_refused),
        cmocka_unit_test(an_offer_fits_or_says_what_is_missing),
        cmocka_unit_test(of_several_offers_the_closest_says_what_is_missing),
        cmocka_unit_test(a_runtime_wants_at_least_what_it_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
