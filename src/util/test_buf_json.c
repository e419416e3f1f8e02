#include "util/buf.h"
#include "util/testing.h"

#include <jansson.h>

#define REPLACEMENT "\xef\xbf\xbd"

static void assert_json(struct str input, const char *expected)
{
    CLEANUP(buf_release) struct buf buf = {0};
    buf_append_json_string(&buf, input);
    assert_str(buf_str(&buf), expected);
}

static void escapes_what_json_requires_and_nothing_else(void **state)
{
    (void)state;
    assert_json((struct str){0}, "\"\"");
    assert_json(STR("plain /text'\x7f"), "\"plain /text'\x7f\"");
    assert_json(STR("\"\\"), "\"\\\"\\\\\"");
    assert_json(STR("\b\t\n\f\r"), "\"\\b\\t\\n\\f\\r\"");
    assert_json(STR("\0\x01\x1b\x1f"), "\"\\u0000\\u0001\\u001b\\u001f\"");
    assert_json(STR("\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80"), "\"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\"");
}

// The examples of the Unicode standard, tables 3-8 to 3-11.
static void replaces_each_maximal_ill_formed_part(void **state)
{
    (void)state;
    assert_json(STR("\xc0\xaf\xe0\x80\xbf\xf0\x81\x82\x41"),
                "\"" REPLACEMENT REPLACEMENT REPLACEMENT REPLACEMENT REPLACEMENT REPLACEMENT REPLACEMENT REPLACEMENT
                "\x41\"");
    assert_json(STR("\xed\xa0\x80\xed\xbf\xbf\xed\xaf\x41"),
                "\"" REPLACEMENT REPLACEMENT REPLACEMENT REPLACEMENT REPLACEMENT REPLACEMENT REPLACEMENT REPLACEMENT
                "\x41\"");
    assert_json(STR("\xf4\x91\x92\x93\xff\x41\x80\xbf\x42"),
                "\"" REPLACEMENT REPLACEMENT REPLACEMENT REPLACEMENT REPLACEMENT "\x41" REPLACEMENT REPLACEMENT
                "\x42\"");
    assert_json(STR("\xe1\x80\xe2\xf0\x91\x92\xf1\xbf\x41"),
                "\"" REPLACEMENT REPLACEMENT REPLACEMENT REPLACEMENT "\x41\"");
}

static void finds_a_special_byte_at_any_distance(void **state)
{
    (void)state;
    static const struct {
        char byte;
        const char *escaped;
    } cases[] = {{'"', "\\\""}, {'\\', "\\\\"}, {'\n', "\\n"}, {'\x1f', "\\u001f"}, {'\xff', REPLACEMENT}};
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        for (size_t at = 0; at < 50; at++) {
            CLEANUP(buf_release) struct buf expected = {0};
            char text[50];
            memset(text, 'x', sizeof(text));
            text[at] = cases[i].byte;
            buf_printf(&expected, "\"%.*s%s%.*s\"", (int)at, text, cases[i].escaped, (int)(sizeof(text) - at - 1),
                       text + at + 1);
            assert_json(str_n(text, sizeof(text)), buf_cstr(&expected));
        }
    }
}

static void appends_after_what_is_there(void **state)
{
    (void)state;
    CLEANUP(buf_release) struct buf buf = {0};
    for (int i = 0; i < 100; i++)
        buf_append_json_string(&buf, STR("\x01\x01\x01"));
    assert_int_equal(buf.len, 100 * (2 + 3 * 6));
}

// Bytes that are mostly text, with every kind of special ones strewn in.
static size_t random_text(uint64_t *seed, char *out, size_t max)
{
    static const char *const parts[] = {"\"",   "\\",   "\n",   "\x1b[31m",         "\xc3\xa9",         "\xe2\x82\xac",
                                        "\x80", "\xe2", "\xff", "\xf0\x9f\x98\x80", "\xf0\x9f\x98\xc3", "\xed\xa0\x80"};
    size_t len = 0;
    while (len + 40 < max && test_random(seed) % 12) {
        size_t run = test_random(seed) % 35;
        for (size_t i = 0; i < run; i++)
            out[len++] = (char)(' ' + test_random(seed) % 95);
        struct str part = str_of(parts[test_random(seed) % ARRAY_LEN(parts)]);
        memcpy(out + len, part.data, part.len);
        len += part.len;
    }
    return len;
}

static void jansson_reads_back_every_string(void **state)
{
    (void)state;
    uint64_t seed = 3;
    int whole = 0;
    for (int i = 0; i < 20000; i++) {
        char text[600];
        struct str input = str_n(text, random_text(&seed, text, sizeof(text)));
        CLEANUP(buf_release) struct buf buf = {0};
        buf_append_json_string(&buf, input);
        // jansson accepts well-formed UTF-8 only, so this also holds for the replacements.
        json_t *parsed = json_loadb(buf.data, buf.len, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
        assert_non_null(parsed);
        if (utf8_valid(input.data, input.len)) {
            assert_int_equal(json_string_length(parsed), input.len);
            assert_memory_equal(json_string_value(parsed), input.data, input.len);
            whole++;
        }
        json_decref(parsed);
    }
    assert_in_range(whole, 1000, 19000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(escapes_what_json_requires_and_nothing_else),
        cmocka_unit_test(replaces_each_maximal_ill_formed_part),
        cmocka_unit_test(finds_a_special_byte_at_any_distance),
        cmocka_unit_test(appends_after_what_is_there),
        cmocka_unit_test(jansson_reads_back_every_string),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
