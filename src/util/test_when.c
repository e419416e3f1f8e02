#include "util/clock.h"
#include "util/testing.h"
#include "util/when.h"

#include <stdlib.h>
#include <time.h>

#define NOW "2026-11-28T10:30:15.500Z"

static int64_t moment(const char *rfc3339)
{
    int64_t ms;
    assert_true(time_parse_rfc3339(str_of(rfc3339), &ms));
    return ms;
}

static void set_zone(const char *name)
{
    setenv("TZ", name, 1);
    tzset();
}

struct reading {
    const char *text, *means; // NULL: refused
};

static void assert_readings(const struct reading *readings, size_t count, bool utc, bool late)
{
    const struct when_options options = {moment(NOW), utc, late};
    for (size_t i = 0; i < count; i++) {
        int64_t ms = 42;
        bool good = when_parse(str_of(readings[i].text), &options, &ms);
        int64_t expected = readings[i].means ? moment(readings[i].means) : 42;
        if (good != (readings[i].means != NULL) || ms != expected)
            fail_msg("\"%s\": %lld, not %lld", readings[i].text, (long long)ms, (long long)expected);
    }
}

static void reads_every_usual_form(void **state)
{
    (void)state;
    static const struct reading readings[] = {
        {"2026-01-01", "2026-01-01T00:00:00Z"},
        {"2026-01-01T00:00", "2026-01-01T00:00:00Z"},
        {"2026-01-01 07:08:09", "2026-01-01T07:08:09Z"},
        {"2026-01-01t07:08:09.5", "2026-01-01T07:08:09.500Z"},
        {"2026-01-01T07:08+01:00", "2026-01-01T06:08:00Z"},
        {"2026-01-01T07:08:09 -0530", "2026-01-01T12:38:09Z"},
        {"2026-01-01T07:08:09+01", "2026-01-01T06:08:09Z"},
        {"2026-01-01 07:08 UTC", "2026-01-01T07:08:00Z"},
        {"00:00:00", "2026-11-28T00:00:00Z"},
        {"09:15", "2026-11-28T09:15:00Z"},
        {"today", "2026-11-28T00:00:00Z"},
        {"yesterday", "2026-11-27T00:00:00Z"},
        {"yesterday 23:30", "2026-11-27T23:30:00Z"},
        {"now", NOW},
        {"10m", "2026-11-28T10:20:15.500Z"},
        {"1h30m", "2026-11-28T09:00:15.500Z"},
        {"1w", "2026-11-21T10:30:15.500Z"},
        {"1d12h ago", "2026-11-26T22:30:15.500Z"},
        {"500ms", "2026-11-28T10:30:15Z"},
        {"1764288000", "2025-11-28T00:00:00Z"},
        {"1764288000.25", "2025-11-28T00:00:00.250Z"},
        {"@7", "1970-01-01T00:00:07Z"},
    };
    assert_readings(readings, ARRAY_LEN(readings), true, false);
}

static void refuses_what_is_no_moment(void **state)
{
    (void)state;
    static const struct reading readings[] = {
        {"", NULL},           {"soon", NULL},         {"10", NULL},
        {"12345678", NULL},   {"-5m", NULL},          {"1h30", NULL},
        {"m", NULL},          {"25:00", NULL},        {"2026-13-01", NULL},
        {"2026-02-30", NULL}, {"10:30x", NULL},       {"2026-01-01T", NULL},
        {"Z", NULL},          {"yesterdays", NULL},   {"2026-01-01T07:08 XYZ", NULL},
        {"+01:00", NULL},     {"999999999999", NULL}, {"@", NULL},
        {"1:2:3", NULL},      {"123456789.x", NULL},
    };
    assert_readings(readings, ARRAY_LEN(readings), true, false);
}

static void programs_write_rfc_3339_or_so_long_ago(void **state)
{
    (void)state;
    static const char *const bad[] = {"yesterday", "now", "10y", "10:30", "1764288000", "2026-01-01", ""};
    int64_t ms = 42;
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        assert_false(when_parse_since(str_of(bad[i]), 1000000, &ms));
    assert_int_equal(ms, 42);
    assert_true(when_parse_since(STR("1970-01-01T00:00:07"), 1000000, &ms));
    assert_int_equal(ms, 7000);
    assert_true(when_parse_since(STR("1m40s"), 1000000, &ms));
    assert_int_equal(ms, 900000);
}

static void what_has_no_zone_is_local(void **state)
{
    (void)state;
    static const struct reading readings[] = {
        {"2026-11-28 05:30:15", "2026-11-28T10:30:15Z"},
        {"00:00", "2026-11-28T05:00:00Z"},
        {"today", "2026-11-28T05:00:00Z"},
        {"yesterday", "2026-11-27T05:00:00Z"},
        {"2026-07-01", "2026-07-01T04:00:00Z"},
        {"2026-07-01T00:00Z", "2026-07-01T00:00:00Z"},
    };
    set_zone("America/New_York");
    assert_readings(readings, ARRAY_LEN(readings), false, false);
    set_zone("UTC");
}

static void an_hour_that_comes_twice_is_the_first_or_the_last_one(void **state)
{
    (void)state;
    static const struct reading first[] = {{"2026-10-25 02:30:00", "2026-10-25T00:30:00Z"},
                                           {"2026-10-25 02:30:00 CEST", "2026-10-25T00:30:00Z"},
                                           {"2026-10-25 02:30:00 CET", "2026-10-25T01:30:00Z"},
                                           {"2026-03-29 03:30", "2026-03-29T01:30:00Z"}};
    static const struct reading last[] = {{"2026-10-25 02:30:00", "2026-10-25T01:30:00.999Z"},
                                          {"2026-10-25 02:30:00.5", "2026-10-25T01:30:00.500Z"},
                                          {"2026-10-25 02:30", "2026-10-25T01:30:00Z"}};
    set_zone("Europe/Berlin");
    assert_readings(first, ARRAY_LEN(first), false, false);
    assert_readings(last, ARRAY_LEN(last), false, true);
    set_zone("UTC");
}

static void assert_shown_is_read(int64_t ms, const char *zone)
{
    CLEANUP(buf_release) struct buf text = {0};
    const struct when_options options = {moment(NOW), false, false};
    int64_t read;
    when_format(ms, false, &text);
    assert_true(when_parse(buf_str(&text), &options, &read));
    if (read != ms)
        fail_msg("%s in %s: %lld, not %lld", buf_cstr(&text), zone, (long long)read, (long long)ms);
}

static void what_is_shown_can_be_read(void **state)
{
    (void)state;
    static const char *const zones[] = {"UTC", "Europe/Berlin", "America/New_York", "Asia/Kolkata",
                                        "Australia/Lord_Howe"};
    static const char *const change_days[] = {"2026-03-08T00:00:00Z", "2026-03-28T12:00:00Z", "2026-04-04T00:00:00Z",
                                              "2026-10-24T12:00:00Z", "2026-10-03T00:00:00Z", "2026-11-01T00:00:00Z"};
    for (size_t z = 0; z < ARRAY_LEN(zones); z++) {
        set_zone(zones[z]);
        // Days on which clocks change, and others.
        for (unsigned i = 0; i < 12 * 24 * 60 / 29; i++) {
            int64_t ms = moment(change_days[i % ARRAY_LEN(change_days)]) + (int64_t)i / 6 * 29 * 60 * 1000;
            assert_shown_is_read(ms, zones[z]);
        }
    }
    set_zone("UTC");
}

static void assert_lines(bool apart, const char *const *moments, size_t count, const char *expected)
{
    CLEANUP(buf_release) struct buf text = {0};
    struct when_lines lines = {.dates_apart = apart};
    for (size_t i = 0; i < count; i++) {
        bool date;
        CLEANUP(buf_release) struct buf line = {0};
        when_lines_append(&lines, moment(moments[i]), moment(NOW), &line, &date);
        if (date && apart)
            when_format_date(moment(moments[i]), false, &text);
        buf_printf(&text, "[%s]", buf_cstr(&line));
    }
    assert_string_equal(buf_cstr(&text), expected);
}

static void lines_show_date_and_zone_where_they_change(void **state)
{
    (void)state;
    static const char *const days[] = {"2026-10-24T00:30:00Z", "2026-10-25T00:30:00Z", "2026-10-25T01:30:00Z",
                                       "2026-10-25T02:30:00Z"};
    static const char *const today[] = {"2026-11-28T10:00:00Z", "2026-11-28T11:00:00Z"};
    set_zone("Europe/Berlin");
    assert_lines(false, days, 4, "[02:30:00][25 Oct 2026 02:30:00 CEST][02:30:00 CET][03:30:00]");
    assert_lines(true, days, 4, "24 Oct 2026[02:30:00]25 Oct 2026[02:30:00 CEST][02:30:00 CET][03:30:00]");
    assert_lines(true, today, 2, "[11:00:00][12:00:00]");
    set_zone("UTC");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_every_usual_form),
        cmocka_unit_test(refuses_what_is_no_moment),
        cmocka_unit_test(programs_write_rfc_3339_or_so_long_ago),
        cmocka_unit_test(what_has_no_zone_is_local),
        cmocka_unit_test(an_hour_that_comes_twice_is_the_first_or_the_last_one),
        cmocka_unit_test(what_is_shown_can_be_read),
        cmocka_unit_test(lines_show_date_and_zone_where_they_change),
    };
    set_zone("UTC");
    return cmocka_run_group_tests(tests, NULL, NULL);
}
