#include "util/clock.h"
#include "util/testing.h"

static void formats_known_moments(void **state)
{
    (void)state;
    static const struct {
        int64_t ms;
        const char *text;
    } cases[] = {
        {0, "1970-01-01T00:00:00.000Z"},
        {-1, "1969-12-31T23:59:59.999Z"},
        {951782400000, "2000-02-29T00:00:00.000Z"},
        {1763202615123, "2025-11-15T10:30:15.123Z"},
        {-62167219200000, "0000-01-01T00:00:00.000Z"},
        {253402300799999, "9999-12-31T23:59:59.999Z"},
        {INT64_MIN, "0000-01-01T00:00:00.000Z"},
        {INT64_MAX, "9999-12-31T23:59:59.999Z"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char out[TIME_RFC3339_LEN];
        time_format_rfc3339(cases[i].ms, out);
        assert_memory_equal(out, cases[i].text, sizeof(out));
    }
}

static void agrees_with_the_c_library_and_parses_back(void **state)
{
    (void)state;
    uint64_t seed = 4;
    for (int i = 0; i < 50000; i++) {
        int64_t ms = (int64_t)(test_random(&seed) % 315569520000000) - 62167219200000;
        int64_t seconds = ms >= 0 ? ms / 1000 : (ms - 999) / 1000, parsed;
        char out[TIME_RFC3339_LEN], expected[64];
        struct tm tm;
        time_format_rfc3339(ms, out);
        assert_non_null(gmtime_r(&seconds, &tm));
        snprintf(expected, sizeof(expected), "%04d-%02d-%02dT%02d:%02d:%02d.%03dZ", tm.tm_year + 1900, tm.tm_mon + 1,
                 tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec, (int)(ms - seconds * 1000));
        assert_memory_equal(out, expected, sizeof(out));
        assert_true(time_parse_rfc3339(str_n(out, sizeof(out)), &parsed));
        assert_int_equal(parsed, ms);
    }
}

static void parses_every_accepted_form(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t ms;
    } cases[] = {
        {"2025-11-15T10:30:15Z", 1763202615000},
        {"2025-11-15t10:30:15z", 1763202615000},
        {"2025-11-15 10:30:15", 1763202615000},
        {"2025-11-15T10:30:15.1", 1763202615100},
        {"2025-11-15T10:30:15.123999999Z", 1763202615123},
        {"2025-11-15T12:30:15.123+02:00", 1763202615123},
        {"2025-11-15T05:00:15.123-05:30", 1763202615123},
        {"2016-12-31T23:59:60Z", 1483228800000},
        {"2024-02-29T00:00:00Z", 1709164800000},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        int64_t ms = 0;
        assert_true(time_parse_rfc3339(str_of(cases[i].text), &ms));
        assert_int_equal(ms, cases[i].ms);
    }
}

static void refuses_malformed_times(void **state)
{
    (void)state;
    static const char *const cases[] = {
        "",
        "2025",
        "2025-11-15",
        "2025-11-15T10:30",
        "2025-11-15T10:30:15.",
        "2025-11-15T10:30:15.Z",
        "2025-11-15T10:30:15ZZ",
        "2025-11-15T10:30:15 Z",
        "2025-11-15T10:30:15+0200",
        "2025-11-15T10:30:15+24:00",
        "2025-11-15T24:00:00Z",
        "2025-11-15T10:60:00Z",
        "2025-11-15T10:30:61Z",
        "2025-13-01T00:00:00Z",
        "2025-00-01T00:00:00Z",
        "2025-01-00T00:00:00Z",
        "2025-04-31T00:00:00Z",
        "2025-02-29T00:00:00Z",
        "1900-02-29T00:00:00Z",
        "2025-1-15T10:30:15Z",
        "+025-11-15T10:30:15Z",
        "2025-11-15X10:30:15Z",
        " 2025-11-15T10:30:15Z",
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        int64_t ms = 42;
        assert_false(time_parse_rfc3339(str_of(cases[i]), &ms));
        assert_int_equal(ms, 42);
    }
    int64_t ms = 42;
    assert_false(time_parse_rfc3339(STR("2025-11-15\00010:30:15Z"), &ms));
}

static void parses_durations(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t ms; // -1: refused
    } cases[] = {
        {"90s", 90000},  {"10m", 600000},
        {"2h", 7200000}, {"3d", 259200000},
        {"500ms", 500},  {"45", 45000},
        {"0", 0},        {"36525d", 36525 * INT64_C(86400000)},
        {"36526d", -1},  {"18446744073709551615d", -1},
        {"", -1},        {"s", -1},
        {"-1s", -1},     {"1.5h", -1},
        {"1 h", -1},     {"1w", 604800000},
        {"1sx", -1},     {"3155760000001ms", -1},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        int64_t ms = -1;
        assert_int_equal(duration_parse(str_of(cases[i].text), &ms), cases[i].ms >= 0);
        assert_int_equal(ms, cases[i].ms);
    }
}

static void shows_durations_from_the_largest_unit_down(void **state)
{
    (void)state;
    static const struct {
        int64_t ms;
        const char *text;
    } cases[] = {
        {-5, "0s"},
        {0, "0s"},
        {999, "0s"},
        {45000, "45s"},
        {60000, "1m 0s"},
        {83000, "1m 23s"},
        {7384000, "2h 3m 4s"},
        {3600000, "1h 0m 0s"},
        {93784000, "1d 2h 3m 4s"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        CLEANUP(buf_release) struct buf out = {0};
        duration_format(cases[i].ms, &out);
        assert_str(buf_str(&out), cases[i].text);
    }
}

static void clocks_go_forward(void **state)
{
    (void)state;
    uint64_t before = clock_mono_ns();
    assert_true(clock_mono_ns() >= before);
    assert_true(clock_mono_ms() >= before / 1000000);
    assert_true(clock_real_ms() > 1700000000000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(formats_known_moments),      cmocka_unit_test(agrees_with_the_c_library_and_parses_back),
        cmocka_unit_test(parses_every_accepted_form), cmocka_unit_test(refuses_malformed_times),
        cmocka_unit_test(parses_durations),           cmocka_unit_test(shows_durations_from_the_largest_unit_down),
        cmocka_unit_test(clocks_go_forward),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
