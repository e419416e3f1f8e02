#include "net/address.h"
#include "util/error.h"
#include "util/testing.h"

static void addresses_are_read_in_all_their_forms(void **state)
{
    (void)state;
    static const struct {
        const char *text, *shown; // NULL: it is none
    } cases[] = {
        {"192.0.2.1", "192.0.2.1:0"},
        {"192.0.2.1:80", "192.0.2.1:80"},
        {"2001:db8::1", "[2001:db8::1]:0"},
        {"[2001:db8::1]", "[2001:db8::1]:0"},
        {"[2001:db8::1]:443", "[2001:db8::1]:443"},
        {"::ffff:192.0.2.1", "192.0.2.1:0"},
        {"[::ffff:192.0.2.1]:5", "192.0.2.1:5"},
        {"", NULL},
        {"unknown", NULL},
        {"_hidden", NULL},
        {"192.0.2", NULL},
        {"192.0.2.1:", NULL},
        {"192.0.2.1:65536", NULL},
        {"192.0.2.1 ", NULL},
        {"[192.0.2.1]:80", NULL},
        {"[2001:db8::1", NULL},
        {"[2001:db8::1]80", NULL},
        {"2001:db8::1::", NULL},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct net_address address;
        char text[NET_ADDRESS_TEXT];
        bool is_one = net_address_parse(str_of(cases[i].text), &address);
        if (is_one != (cases[i].shown != NULL))
            fail_msg("\"%s\" is %s address", cases[i].text, is_one ? "an" : "no");
        if (!is_one)
            continue;
        net_address_format(&address, text);
        assert_string_equal(text, cases[i].shown);
    }
}

static void loopback_is_told(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool loopback;
    } cases[] = {
        {"127.0.0.1", true},  {"127.9.9.9", true}, {"::1", true},        {"::ffff:127.0.0.1", true},
        {"128.0.0.1", false}, {"::2", false},      {"192.0.2.1", false},
    };
    struct net_address address = {.family = NET_LOCAL};
    assert_true(net_address_is_loopback(&address));
    // A peer that went before it was asked for: its word is nobody's.
    assert_false(net_address_is_loopback(&(struct net_address){0}));
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        assert_true(net_address_parse(str_of(cases[i].text), &address));
        assert_int_equal(net_address_is_loopback(&address), cases[i].loopback);
    }
}

static void ranges_hold_what_they_name(void **state)
{
    (void)state;
    char *items[] = {"10.0.0.0/8", "192.0.2.7", "172.16.0.0/12", "2001:db8::/33", "unix"};
    static const struct {
        const char *text;
        bool held;
    } cases[] = {
        {"10.255.0.1", true}, {"11.0.0.1", false},       {"192.0.2.7:80", true},     {"192.0.2.8", false},
        {"172.31.0.1", true}, {"172.32.0.1", false},     {"2001:db8:7fff::1", true}, {"2001:db8:8000::1", false},
        {"::a00:1", false},   {"::ffff:10.1.1.1", true},
    };
    struct net_ranges *ranges = NULL;
    size_t bad;
    assert_int_equal(net_ranges_new(items, ARRAY_LEN(items), &bad, &ranges), 0);
    struct net_address address = {.family = NET_LOCAL};
    assert_true(net_ranges_has(ranges, &address));
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        assert_true(net_address_parse(str_of(cases[i].text), &address));
        if (net_ranges_has(ranges, &address) != cases[i].held)
            fail_msg("%s is %s", cases[i].text, cases[i].held ? "not held" : "held");
    }
    assert_false(net_ranges_has(ranges, &(struct net_address){0}));
    net_ranges_free(&ranges);
    assert_false(net_ranges_has(NULL, &address));
}

static void a_range_that_is_none_is_named(void **state)
{
    (void)state;
    static const char *const wrong[] = {"10.0.0.0/33", "10.0.0.0/", "10.0.0/8",    "::/129",
                                        "example.com", "",          "10.0.0.0/8/8"};
    for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
        CLEANUP(free_ptr) char *item = xstrdup(wrong[i]);
        char *items[] = {"10.0.0.1", item};
        struct net_ranges *ranges = NULL;
        size_t bad = 7;
        assert_int_equal(net_ranges_new(items, 2, &bad, &ranges), ERR_INVALID);
        assert_int_equal(bad, 1);
        assert_null(ranges);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(addresses_are_read_in_all_their_forms),
        cmocka_unit_test(loopback_is_told),
        cmocka_unit_test(ranges_hold_what_they_name),
        cmocka_unit_test(a_range_that_is_none_is_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
