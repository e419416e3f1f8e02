#include "util/str.h"
#include "util/testing.h"

// Writes code point `c` as the standard defines it; returns the length.
static size_t encode(uint32_t c, uint8_t out[4])
{
    if (c < 0x80) {
        out[0] = (uint8_t)c;
        return 1;
    }
    size_t len = c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
    static const uint8_t marks[] = {0, 0, 0xc0, 0xe0, 0xf0};
    for (size_t i = len - 1; i > 0; i--, c >>= 6)
        out[i] = (uint8_t)(0x80 | (c & 0x3f));
    out[0] = (uint8_t)(marks[len] | c);
    return len;
}

static void accepts_every_scalar_value_and_no_surrogate(void **state)
{
    (void)state;
    for (uint32_t c = 0; c <= 0x10ffff; c++) {
        uint8_t bytes[4];
        size_t len = encode(c, bytes);
        bool surrogate = c >= 0xd800 && c <= 0xdfff;
        if ((utf8_step(bytes, len) == (int)len) == surrogate || utf8_valid(bytes, len) == surrogate)
            fail_msg("U+%04X", c);
    }
}

static void measures_the_maximal_ill_formed_part(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        int step;
    } cases[] = {
        {"\x80", -1},             // a continuation alone
        {"\xc0\x80", -1},         // overlong, two bytes
        {"\xc1\xbf", -1},         //
        {"\xe0\x9f\xbf", -1},     // overlong, three
        {"\xf0\x8f\xbf\xbf", -1}, // overlong, four
        {"\xed\xa0\x80", -1},     // a surrogate
        {"\xf4\x90\x80\x80", -1}, // above U+10FFFF
        {"\xf5\x80\x80\x80", -1}, //
        {"\xff", -1},             //
        {"\xc3", -1},             // cut short
        {"\xe2\x82", -2},         //
        {"\xf0\x9f\x98", -3},     //
        {"\xe2\x82x", -2},        // broken by ASCII
        {"\xf0\x9f\x98\xc3", -3}, // broken by another lead
        {"\xe2\x82\xac", 3},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct str s = str_of(cases[i].bytes);
        assert_int_equal(utf8_step(s.data, s.len), cases[i].step);
        assert_int_equal(utf8_valid(s.data, s.len), cases[i].step > 0);
    }
}

static void finds_a_bad_byte_at_any_distance(void **state)
{
    (void)state;
    char text[40];
    assert_true(utf8_valid(NULL, 0));
    for (size_t at = 0; at < sizeof(text); at++) {
        memset(text, 'a', sizeof(text));
        assert_true(utf8_valid(text, sizeof(text)));
        text[at] = '\xff';
        assert_false(utf8_valid(text, sizeof(text)));
        assert_true(utf8_valid(text, at));
    }
}

static void prefix_never_cuts_a_sequence(void **state)
{
    (void)state;
    static const char text[] = "a\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80z";
    static const size_t expected[] = {0, 1, 1, 3, 3, 3, 6, 6, 6, 6, 10, 11, 11};
    for (size_t max = 0; max < ARRAY_LEN(expected); max++)
        assert_int_equal(utf8_prefix(text, sizeof(text) - 1, max), expected[max]);
}

static void prefix_cuts_what_is_not_utf8_anywhere(void **state)
{
    (void)state;
    static const char text[] = "\x80\x80\x80\x80\xe2\x82\xff\xff";
    for (size_t max = 0; max <= sizeof(text) - 1; max++)
        assert_int_equal(utf8_prefix(text, sizeof(text) - 1, max), max);
}

static void whole_leaves_out_a_sequence_that_has_only_begun(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        size_t whole;
    } cases[] = {
        {"", 0},
        {"a", 1},
        {"a\xc3", 1},
        {"a\xc3\xa9", 3},
        {"\xe2", 0},
        {"a\xe2\x82", 1},
        {"\xe2\x82\xac", 3},
        {"a\xf0", 1},
        {"a\xf0\x9f", 1},
        {"a\xf0\x9f\x98", 1},
        {"\xf0\x9f\x98\x80", 4},
        {"a\xff", 2},            // never a beginning
        {"a\x82", 2},            // a continuation alone
        {"a\xe0\x9f", 3},        // overlong: no continuation makes it good
        {"\x80\x80\x80\x80", 4}, //
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        assert_int_equal(utf8_whole(cases[i].bytes, strlen(cases[i].bytes)), cases[i].whole);
}

static bool valid_in_pieces(const char *text, size_t len, size_t piece)
{
    struct utf8_check check = {0};
    for (size_t at = 0; at < len; at += piece)
        if (!utf8_check_feed(&check, text + at, MIN(piece, len - at)))
            return false;
    return check.len == 0;
}

// All strings of six bytes out of those at which the rules change, in pieces of each size.
static void pieces_are_judged_as_the_whole(void **state)
{
    (void)state;
    static const char alphabet[] = "a\x80\x8f\x90\xbf\xc2\xe0\xed\xf4";
    enum { LETTERS = sizeof(alphabet) - 1, LEN = 6 };
    for (unsigned n = 0; n < LETTERS * LETTERS * LETTERS * LETTERS * LETTERS * LETTERS; n++) {
        char text[LEN];
        for (unsigned i = 0, rest = n; i < LEN; i++, rest /= LETTERS)
            text[i] = alphabet[rest % LETTERS];
        bool valid = utf8_valid(text, LEN);
        for (size_t piece = 1; piece <= LEN; piece++)
            if (valid_in_pieces(text, LEN, piece) != valid)
                fail_msg("string %u in pieces of %zu", n, piece);
    }
}

static void text_that_nothing_can_mend_is_refused_at_once(void **state)
{
    (void)state;
    static const char *const cases[] = {"\x80", "a\xc0", "\xe0\x80", "\xed\xa0", "\xf4\x90", "\xe2\x82x"};
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct utf8_check check = {0};
        size_t len = strlen(cases[i]);
        assert_true(utf8_check_feed(&check, cases[i], len - 1));
        assert_false(utf8_check_feed(&check, cases[i] + len - 1, 1));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(accepts_every_scalar_value_and_no_surrogate),
        cmocka_unit_test(measures_the_maximal_ill_formed_part),
        cmocka_unit_test(finds_a_bad_byte_at_any_distance),
        cmocka_unit_test(prefix_never_cuts_a_sequence),
        cmocka_unit_test(prefix_cuts_what_is_not_utf8_anywhere),
        cmocka_unit_test(whole_leaves_out_a_sequence_that_has_only_begun),
        cmocka_unit_test(pieces_are_judged_as_the_whole),
        cmocka_unit_test(text_that_nothing_can_mend_is_refused_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
