#include "model/cost.h"
#include "util/testing.h"

static void time_costs_its_share_of_the_hour_rounded_up_to_the_hundredth(void **state)
{
    (void)state;
    static const struct {
        int64_t duration_ms, rate, micros;
    } cases[] = {
        {45000, 860000, 20000},
        {83000, 860000, 20000},
        {84000, 860000, 30000},
        {1, 860000, 10000},
        {0, 860000, 0},
        {-5, 860000, 0},
        {45000, 0, 0},
        {3600000, 860000, 860000},
        {3600001, 860000, 870000},
        {41860, 860000, 10000},
        {7200000, 1, 10000},
        {INT64_MAX, COST_RATE_MAX, INT64_MAX / 10000 * 10000},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        assert_int_equal(cost_micros(cases[i].duration_ms, cases[i].rate), cases[i].micros);
}

static void an_amount_is_shown_with_its_currency(void **state)
{
    (void)state;
    static const struct {
        const char *currency;
        int64_t micros;
        const char *shown;
    } cases[] = {
        {"€", 20000, "€0.02"},
        {"$", 0, "$0.00"},
        {"CHF ", 1234560000, "CHF 1234.56"},
        {"", 10001, "0.02"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        CLEANUP(buf_release) struct buf out = {0};
        cost_append(&out, str_of(cases[i].currency), cases[i].micros);
        assert_string_equal(buf_cstr(&out), cases[i].shown);
    }
}

static void a_rate_is_an_amount_with_at_most_six_decimals(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t micros; // -1: none
    } cases[] = {
        {COST_RATE_DEFAULT, 860000},
        {"0", 0},
        {"12", 12000000},
        {"0.000001", 1},
        {"1.5", 1500000},
        {"1000000", COST_RATE_MAX},
        {"", -1},
        {".5", -1},
        {"1.", -1},
        {"0.0000001", -1},
        {"-1", -1},
        {"1,5", -1},
        {"1000000.000001", -1},
        {"1.2.3", -1},
        {"99999999", -1},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        int64_t micros = -1;
        assert_int_equal(cost_rate_parse(str_of(cases[i].text), &micros), cases[i].micros >= 0);
        assert_int_equal(micros, cases[i].micros);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(time_costs_its_share_of_the_hour_rounded_up_to_the_hundredth),
        cmocka_unit_test(an_amount_is_shown_with_its_currency),
        cmocka_unit_test(a_rate_is_an_amount_with_at_most_six_decimals),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
