#include "model/retention_parts.h"
#include "util/testing.h"

#define SECOND INT64_C(1000)
#define DAY    (24 * 3600 * SECOND)
#define NOW    INT64_C(1763200000000)

static struct retention rules(const char *text)
{
    struct retention retention = {0};
    assert_true(retention_parse(str_of(text), &retention));
    return retention;
}

static struct retention_own own(const char *text)
{
    struct retention_own own;
    assert_true(retention_own_parse(str_of(text), &own));
    return own;
}

static void a_duration_alone_is_for_each_status_that_is_not_named(void **state)
{
    (void)state;
    struct retention retention = rules("failed=90d, 30d,cancelled=0 , lost=5s");
    assert_int_equal(retention.age_ms[STATUS_COMPLETED], 30 * DAY);
    assert_int_equal(retention.age_ms[STATUS_FAILED], 90 * DAY);
    assert_int_equal(retention.age_ms[STATUS_CANCELLED], 0);
    assert_int_equal(retention.age_ms[STATUS_LOST], 5 * SECOND);
    assert_int_equal(retention.age_ms[STATUS_TIMED_OUT], 30 * DAY);
    assert_int_equal(retention.executions_max, 0);
    assert_int_equal(retention.bytes_max, 0);
    assert_false(retention_limits(&retention));
}

static void what_an_account_does_not_name_is_as_the_server_says(void **state)
{
    (void)state;
    struct retention retention = rules("30d, failed=90d, executions=10, bytes=2k");
    assert_true(retention_parse(STR("executions=0,failed=1h"), &retention));
    assert_int_equal(retention.age_ms[STATUS_COMPLETED], 30 * DAY);
    assert_int_equal(retention.age_ms[STATUS_FAILED], 3600 * SECOND);
    assert_int_equal(retention.executions_max, 0);
    assert_int_equal(retention.bytes_max, 2048);
    assert_true(retention_parse(STR("7d"), &retention));
    assert_int_equal(retention.age_ms[STATUS_FAILED], 7 * DAY);
    assert_int_equal(retention.bytes_max, 2048);
}

static void sizes_have_units(void **state)
{
    (void)state;
    assert_int_equal(rules("bytes=17").bytes_max, 17);
    assert_int_equal(rules("bytes=3M").bytes_max, 3145728);
    assert_int_equal(rules("bytes=10G").bytes_max, 10737418240);
    assert_int_equal(rules("bytes=1t").bytes_max, 1099511627776);
    assert_int_equal(rules("executions=10000").executions_max, 10000);
}

static void rules_that_are_malformed_are_refused_and_change_nothing(void **state)
{
    (void)state;
    static const char *const wrong[] = {"",
                                        "30",
                                        "failed=30",
                                        "30d,",
                                        ",",
                                        "=30d",
                                        "failed=",
                                        "running=1d",
                                        "days=30",
                                        "bytes=",
                                        "bytes=9Q",
                                        "bytes=99999999T",
                                        "executions=1d",
                                        "-1d",
                                        "30d failed=1d",
                                        "5000000d",
                                        "executions=-1",
                                        "queued=1d",
                                        "00",
                                        "bytes=1KK",
                                        "log_records=999",
                                        "log_records=1k",
                                        "log_bytes=65535",
                                        "log_bytes=1d",
                                        "records=1000"};
    const struct retention before = rules("30d,failed=1d,executions=5,bytes=7");
    for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
        struct retention retention = before;
        if (retention_parse(str_of(wrong[i]), &retention))
            fail_msg("\"%s\" was taken", wrong[i]);
        assert_memory_equal(&retention, &before, sizeof(before));
    }
    char many[RETENTION_TEXT_MAX + 2];
    memset(many, ' ', sizeof(many));
    memcpy(many, "30d", 3);
    struct retention retention = {0};
    assert_true(retention_parse(str_n(many, RETENTION_TEXT_MAX), &retention));
    assert_false(retention_parse(str_n(many, RETENTION_TEXT_MAX + 1), &retention));
}

static void an_execution_goes_so_long_after_its_seal(void **state)
{
    (void)state;
    const struct retention retention = rules("30d,failed=90d,cancelled=0");
    const struct retention_facts done = {.status = STATUS_COMPLETED, .sealed = true, .sealed_ms = NOW};
    struct retention_facts facts = done;
    assert_int_equal(retention_expires_ms(&retention, &facts), NOW + 30 * DAY);
    assert_false(retention_due(&retention, &facts, NOW + 30 * DAY - 1));
    assert_true(retention_due(&retention, &facts, NOW + 30 * DAY));
    facts.status = STATUS_FAILED;
    assert_int_equal(retention_expires_ms(&retention, &facts), NOW + 90 * DAY);
    facts.status = STATUS_CANCELLED;
    assert_int_equal(retention_expires_ms(&retention, &facts), 0);
    assert_false(retention_due(&retention, &facts, INT64_MAX));
    facts.own = own("7d"); // its own beats the rules
    assert_int_equal(retention_expires_ms(&retention, &facts), NOW + 7 * DAY);
    facts = done;
    facts.own = own("0");
    assert_false(retention_due(&retention, &facts, INT64_MAX));
}

static void what_is_pinned_open_or_gone_does_not_expire(void **state)
{
    (void)state;
    const struct retention retention = rules("1s");
    struct retention_facts facts[3];
    for (size_t i = 0; i < ARRAY_LEN(facts); i++)
        facts[i] = (struct retention_facts){.status = STATUS_COMPLETED, .sealed = true, .sealed_ms = NOW};
    facts[0].pinned = true;
    facts[1].sealed = false;
    facts[2].purged = true;
    for (size_t i = 0; i < ARRAY_LEN(facts); i++) {
        assert_int_equal(retention_expires_ms(&retention, &facts[i]), 0);
        assert_false(retention_due(&retention, &facts[i], INT64_MAX));
    }
}

static void nothing_is_looked_at_that_the_shortest_age_keeps(void **state)
{
    (void)state;
    struct retention retention = rules("30d,failed=90d,cancelled=0,lost=7d");
    assert_int_equal(retention_sealed_by(&retention, NOW), NOW - 7 * DAY);
    retention = rules("0");
    assert_true(retention_sealed_by(&retention, NOW) == INT64_MIN);
}

static void the_newest_are_kept_within_the_limits(void **state)
{
    (void)state;
    const struct retention none = rules("30d"), two = rules("executions=2"), bytes = rules("bytes=10");
    struct retention_tally tally = {0};
    for (int i = 0; i < 100; i++)
        assert_false(retention_beyond(&none, &tally, UINT64_MAX / 2));
    tally = (struct retention_tally){0};
    assert_false(retention_beyond(&two, &tally, 100));
    assert_false(retention_beyond(&two, &tally, 100));
    assert_true(retention_beyond(&two, &tally, 0));
    tally = (struct retention_tally){0};
    assert_false(retention_beyond(&bytes, &tally, 4));
    assert_false(retention_beyond(&bytes, &tally, 6));
    assert_false(retention_beyond(&bytes, &tally, 0)); // it takes no room
    assert_true(retention_beyond(&bytes, &tally, 1));
    assert_true(retention_beyond(&bytes, &tally, 0)); // older than one that goes
    assert_true(retention_limits(&two) && retention_limits(&bytes) && !retention_limits(&none));
}

static void a_log_has_limits_of_its_own(void **state)
{
    (void)state;
    struct retention retention = rules("30d, log_records=1000, log_bytes=64K");
    assert_int_equal(retention.log.records_max, 1000);
    assert_int_equal(retention.log.bytes_max, 65536);
    assert_false(retention_limits(&retention)); // of whole executions
    assert_true(retention_parse(STR("log_records=0"), &retention));
    assert_int_equal(retention.log.records_max, 0);
    assert_int_equal(retention.log.bytes_max, 65536);
    const struct retention_log none = {0};
    assert_true(retention_log_limits(&retention.log) && !retention_log_limits(&none));
}

static void an_executions_own_limits_beat_the_rules_part_by_part(void **state)
{
    (void)state;
    const struct retention retention = rules("30d, log_records=5000, log_bytes=1M");
    const struct retention_own age = own("7d"), records = own("log_records=2000"),
                               both = own("log_bytes=2M, 1h ,log_records=0");
    struct retention_log log = retention_log_of(&retention, &age);
    assert_true(age.has_age && !age.has_records && !age.has_bytes);
    assert_true(log.records_max == 5000 && log.bytes_max == 1048576);
    log = retention_log_of(&retention, &records);
    assert_false(records.has_age);
    assert_true(log.records_max == 2000 && log.bytes_max == 1048576);
    log = retention_log_of(&retention, &both);
    assert_int_equal(both.age_ms, 3600 * SECOND);
    assert_true(log.records_max == 0 && log.bytes_max == 2097152);
    static const char *const wrong[] = {"",     "30",           "7d,",         "failed=7d", "executions=5",
                                        "soon", "log_records=", "log_bytes=5", "bytes=1G",  "7d,log_records=10"};
    for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
        struct retention_own read = age;
        if (retention_own_parse(str_of(wrong[i]), &read))
            fail_msg("\"%s\" was taken", wrong[i]);
        assert_true(!read.has_age && !read.has_records && !read.has_bytes);
    }
}

static void what_a_log_keeps_is_never_less_than_a_limit(void **state)
{
    (void)state;
    const struct retention_log none = {0}, records = {.records_max = 1000}, bytes = {.bytes_max = 70000},
                               both = {.records_max = 1000, .bytes_max = 70000};
    assert_false(retention_log_beyond(&none, UINT64_MAX, UINT64_MAX));
    assert_false(retention_log_lets_go(&none, UINT64_MAX, UINT64_MAX));
    assert_false(retention_log_beyond(&records, 1000, UINT64_MAX));
    assert_true(retention_log_beyond(&records, 1001, 0));
    assert_true(retention_log_lets_go(&records, 1000, 0));
    assert_false(retention_log_lets_go(&records, 999, UINT64_MAX));
    assert_false(retention_log_beyond(&bytes, UINT64_MAX, 70000));
    assert_true(retention_log_beyond(&bytes, 0, 70001));
    assert_true(retention_log_lets_go(&bytes, 1, 70000));
    assert_false(retention_log_lets_go(&bytes, UINT64_MAX, 69999));
    assert_true(retention_log_lets_go(&both, 1000, 1) && retention_log_lets_go(&both, 1, 70000));
    assert_false(retention_log_lets_go(&both, 999, 69999));
}

static void what_an_execution_leaves_open_others_say(void **state)
{
    (void)state;
    struct retention_own own, other;
    assert_true(retention_own_parse(STR("7d"), &own));
    assert_true(retention_own_parse(STR("30d, log_records=5000"), &other));
    struct retention_own both = retention_own_over(&own, &other);
    assert_true(both.has_age && both.has_records && !both.has_bytes);
    assert_int_equal(both.age_ms, own.age_ms);
    assert_int_equal(both.log.records_max, 5000);
    assert_true(retention_own_parse(STR("log_bytes=1G"), &own));
    both = retention_own_over(&own, &other);
    assert_int_equal(both.age_ms, other.age_ms);
    assert_int_equal(both.log.bytes_max, own.log.bytes_max);
}

// --- Part by part

static struct retention_part part_of(const struct retention *rules, const char *name)
{
    struct retention_part parts[RETENTION_PARTS_MAX];
    size_t count = retention_parts(rules, parts);
    for (size_t i = 0; i < count; i++)
        if (strcmp(parts[i].name, name) == 0)
            return parts[i];
    fail_msg("there is no part %s", name);
    return parts[0];
}

static void each_part_is_written_as_it_is_read(void **state)
{
    static const char *const texts[][2] = {
        {"failed=90d", "failed"},
        {"lost=36h", "lost"},
        {"completed=90m", "completed"},
        {"skipped=1s", "skipped"},
        {"timed_out=1500ms", "timed_out"},
        {"cancelled=0", "cancelled"},
        {"executions=10000", "executions"},
        {"bytes=100G", "bytes"},
        {"bytes=1000", "bytes"},
        {"log_records=1000000", "log_records"},
        {"log_bytes=64K", "log_bytes"},
        {"log_bytes=2T", "log_bytes"},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        struct retention rules = {0};
        CLEANUP(buf_release) struct buf text = {0};
        assert_true(retention_parse(str_of(texts[i][0]), &rules));
        const struct retention_part part = part_of(&rules, texts[i][1]);
        buf_printf(&text, "%s=", part.name);
        retention_part_append(&part, &text);
        assert_string_equal(buf_cstr(&text), texts[i][0]);
    }
}

static void a_text_names_the_parts_that_it_sets(void **state)
{
    static const struct {
        const char *text;
        unsigned named;
    } cases[] = {{"7d", 6},          {"0", 6}, {"failed=0", 1}, {"7d, failed=90d, executions=0", 7},
                 {"log_bytes=0", 1}, {"x", 0}};
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        bool named[RETENTION_PARTS_MAX] = {0};
        unsigned count = 0;
        retention_parts_named(str_of(cases[i].text), named);
        for (size_t part = 0; part < RETENTION_PARTS_MAX; part++)
            count += named[part];
        assert_int_equal(count, cases[i].named);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_duration_alone_is_for_each_status_that_is_not_named),
        cmocka_unit_test(what_an_account_does_not_name_is_as_the_server_says),
        cmocka_unit_test(sizes_have_units),
        cmocka_unit_test(rules_that_are_malformed_are_refused_and_change_nothing),
        cmocka_unit_test(an_execution_goes_so_long_after_its_seal),
        cmocka_unit_test(what_is_pinned_open_or_gone_does_not_expire),
        cmocka_unit_test(nothing_is_looked_at_that_the_shortest_age_keeps),
        cmocka_unit_test(the_newest_are_kept_within_the_limits),
        cmocka_unit_test(a_log_has_limits_of_its_own),
        cmocka_unit_test(an_executions_own_limits_beat_the_rules_part_by_part),
        cmocka_unit_test(what_a_log_keeps_is_never_less_than_a_limit),
        cmocka_unit_test(what_an_execution_leaves_open_others_say),
        cmocka_unit_test(each_part_is_written_as_it_is_read),
        cmocka_unit_test(a_text_names_the_parts_that_it_sets),
    };
    cmocka_set_test_filter(getenv("TEST_FILTER")); // for tests/mutants
    return cmocka_run_group_tests(tests, NULL, NULL);
}
