#include "http/forwarded.h"
#include "util/buf.h"
#include "util/error.h"
#include "util/testing.h"

// Trusted: 10.0.0.0/8 and 2001:db8::/32.
static const struct {
    const char *x_for, *x_proto, *x_host, *forwarded;
    const char *client; // NULL: none; "!": refused
    const char *proto, *host;
} cases[] = {
    {NULL, NULL, NULL, NULL, NULL, NULL, NULL},
    {"192.0.2.1", "https", "a.example", NULL, "192.0.2.1:0", "https", "a.example"},
    {"192.0.2.1:4711", NULL, NULL, NULL, "192.0.2.1:4711", NULL, NULL},
    // The left part is the client's own word.
    {"127.0.0.1, 192.0.2.1", NULL, NULL, NULL, "192.0.2.1:0", NULL, NULL},
    {"192.0.2.1, 10.0.0.1, 10.0.0.2", NULL, NULL, NULL, "192.0.2.1:0", NULL, NULL},
    {"192.0.2.1,192.0.2.2,10.0.0.2", NULL, NULL, NULL, "192.0.2.2:0", NULL, NULL},
    {"10.0.0.1, 10.0.0.2", NULL, NULL, NULL, "10.0.0.1:0", NULL, NULL}, // all trusted: the left-most
    {"192.0.2.1, unknown, 10.0.0.2", NULL, NULL, NULL, "10.0.0.2:0", NULL, NULL},
    {"unknown", NULL, NULL, NULL, NULL, NULL, NULL},
    {"2001:db9::1, 2001:db8::1", NULL, NULL, NULL, "[2001:db9::1]:0", NULL, NULL},
    {"", "", "", NULL, NULL, NULL, NULL},
    // What stands where the client's address does.
    {"192.0.2.1, 10.0.0.1", "https, http", "a.example, b.example", NULL, "192.0.2.1:0", "https", "a.example"},
    {"192.0.2.9, 192.0.2.1", "ftp, https", NULL, NULL, "192.0.2.1:0", "https", NULL},
    {"192.0.2.1, 10.0.0.1", "https", NULL, NULL, "192.0.2.1:0", "https", NULL},
    {NULL, "https", NULL, NULL, NULL, "https", NULL},
    {NULL, NULL, NULL, "for=192.0.2.1;proto=https;host=a.example", "192.0.2.1:0", "https", "a.example"},
    {NULL, NULL, NULL, "For=\"[2001:db9::1]:80\" ; Proto=\"https\"", "[2001:db9::1]:80", "https", NULL},
    {NULL, NULL, NULL, "for=127.0.0.1, for=192.0.2.1;proto=https, for=10.0.0.1;proto=http", "192.0.2.1:0", "https",
     NULL},
    {NULL, NULL, NULL, "for=\"a, b\";proto=http, for=192.0.2.1", "192.0.2.1:0", NULL, NULL},
    {NULL, NULL, NULL, "for=_hidden;proto=https", NULL, "https", NULL},
    {NULL, NULL, NULL, "for=\"192.0.2.9, for=192.0.2.1", "!", NULL,
     NULL}, // the client's quote would swallow the proxy's word
    {NULL, NULL, NULL, "for=\"192.0.2.9\\", "!", NULL, NULL},
    // One of them the proxy wrote, the other it let through.
    {"192.0.2.1", NULL, NULL, "for=127.0.0.1", "!", NULL, NULL},
    {"192.0.2.1", "http", NULL, "proto=https", "!", NULL, NULL},
    {"192.0.2.1", "https", NULL, "for=192.0.2.1;proto=https", "192.0.2.1:0", "https", NULL},
    {"192.0.2.1", NULL, NULL, "proto=https", "192.0.2.1:0", NULL, NULL},
};

static void assert_part(size_t row, const char *what, struct str got, const char *wanted)
{
    if ((got.data == NULL) != (wanted == NULL) || (wanted && !str_eq(got, str_of(wanted))))
        fail_msg("row %zu: %s is \"%.*s\"", row, what, STR_ARGS(got));
}

static void each_header_says_who_the_client_is(void **state)
{
    (void)state;
    char *items[] = {"10.0.0.0/8", "2001:db8::/32"};
    struct net_ranges *trusted = NULL;
    size_t bad;
    assert_int_equal(net_ranges_new(items, ARRAY_LEN(items), &bad, &trusted), 0);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct forwarded_headers headers = {str_of(cases[i].forwarded), str_of(cases[i].x_for),
                                            str_of(cases[i].x_proto), str_of(cases[i].x_host)};
        struct forwarded got = {0};
        char text[NET_ADDRESS_TEXT] = "";
        int err = forwarded_read(&headers, trusted, &got);
        bool refused = cases[i].client && strcmp(cases[i].client, "!") == 0;
        if ((err == ERR_MALFORMED) != refused)
            fail_msg("row %zu gave %d", i, err);
        if (refused)
            continue;
        if (got.has_client)
            net_address_format(&got.client, text);
        assert_part(i, "the client", got.has_client ? str_of(text) : (struct str){0}, cases[i].client);
        assert_part(i, "the scheme", got.proto, cases[i].proto);
        assert_part(i, "the host", got.host, cases[i].host);
    }
    net_ranges_free(&trusted);
}

static void a_chain_without_end_is_read_from_its_right(void **state)
{
    (void)state;
    CLEANUP(buf_release) struct buf list = {0};
    for (int i = 0; i < 2000; i++)
        buf_append_text(&list, "9.9.9.9,");
    buf_append_text(&list, "192.0.2.1");
    struct forwarded_headers headers = {.x_for = buf_str(&list)};
    struct forwarded got = {0};
    char text[NET_ADDRESS_TEXT];
    assert_int_equal(forwarded_read(&headers, NULL, &got), 0);
    net_address_format(&got.client, text);
    assert_string_equal(text, "192.0.2.1:0");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_header_says_who_the_client_is),
        cmocka_unit_test(a_chain_without_end_is_read_from_its_right),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
