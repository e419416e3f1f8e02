#include "runner/capture.h"
#include "util/testing.h"

// What came out, as "message|" for whole records and "message~" for partial ones.
static void note(void *arg, const struct record *record)
{
    struct buf *out = arg;
    assert_int_equal(record->stream, STREAM_STDERR);
    assert_int_equal(record->time_ms, 42);
    buf_append_str(out, record->message);
    buf_append_byte(out, record->partial ? '~' : '|');
}

static void capture_in_pieces(const char *data, size_t len, size_t message_max, uint64_t *seed, struct buf *out)
{
    struct capture capture;
    capture_init(&capture, STREAM_STDERR, message_max);
    for (size_t at = 0; at < len;) {
        size_t step = seed ? test_random(seed) % 9 : len;
        step = MIN(step, len - at);
        // A copy of exactly this size, so that a sanitizer sees each look beyond the end.
        char *piece = xmalloc(step + 1);
        memcpy(piece, data + at, step);
        piece = xrealloc(piece, step > 0 ? step : 1);
        capture_feed(&capture, piece, step, 42, note, out);
        free(piece);
        at += step;
    }
    capture_end(&capture, 42, note, out);
    capture_end(&capture, 42, note, out); // a second end adds nothing
    capture_release(&capture);
}

static const struct {
    const char *name, *input;
    size_t len;
    const char *expected;
    size_t expected_len;
} cases[] = {
#define CASE(name, input, expected)                                    \
    {                                                                  \
        name, input, sizeof(input) - 1, expected, sizeof(expected) - 1 \
    }
    CASE("nothing", "", ""),
    CASE("one line", "a\n", "a|"),
    CASE("blank lines are kept", "\n\na\n\n", "||a||"),
    CASE("an unterminated last line is partial", "a\nb", "a|b~"),
    CASE("carriage returns are kept", "a\r\n1%\r2%\r\n", "a\r|1%\r2%\r|"),
    CASE("NUL is kept", "a\0b\n\0", "a\0b|\0~"),
    CASE("bytes that are not UTF-8 are kept", "\xff\xfe\n\xc3", "\xff\xfe|\xc3~"),
    CASE("a line of the limit is whole", "12345678\n", "12345678|"),
    CASE("a longer line is cut", "123456789\n", "12345678~9|"),
    CASE("a line of twice the limit", "1234567812345678\n", "12345678~12345678|"),
    CASE("an unterminated line of the limit", "12345678", "12345678~"),
    CASE("no cut within a sequence", "1234567\xc3\xa4\n", "1234567~\xc3\xa4|"),
    CASE("no cut within four bytes", "12345\xf0\x9f\x98\x80\n", "12345~\xf0\x9f\x98\x80|"),
    CASE("broken sequences are cut anywhere", "1234567\xf0zz\n", "1234567\xf0~zz|"),
#undef CASE
};

static void records_are_as_in_the_table(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        CLEANUP(buf_release) struct buf out = {0};
        capture_in_pieces(cases[i].input, cases[i].len, 8, NULL, &out);
        if (out.len != cases[i].expected_len || (out.len > 0 && memcmp(out.data, cases[i].expected, out.len) != 0))
            fail_msg("%s: got %.*s", cases[i].name, (int)out.len, out.data);
    }
}

static void any_split_gives_the_same_records(void **state)
{
    static const char alphabet[] = "ab\n\n\r\0\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80\xff";
    uint64_t seed = 7;
    (void)state;
    for (int round = 0; round < 3000; round++) {
        char data[96];
        size_t len = test_random(&seed) % sizeof(data);
        size_t message_max = 4 + test_random(&seed) % 12;
        for (size_t i = 0; i < len; i++)
            data[i] = alphabet[test_random(&seed) % (sizeof(alphabet) - 1)];
        CLEANUP(buf_release) struct buf whole = {0};
        CLEANUP(buf_release) struct buf pieces = {0};
        capture_in_pieces(data, len, message_max, NULL, &whole);
        capture_in_pieces(data, len, message_max, &seed, &pieces);
        assert_int_equal(whole.len, pieces.len);
        if (whole.len > 0)
            assert_memory_equal(whole.data, pieces.data, whole.len);
    }
}

// '!' asks for what waits; all else is the stream's.
static void feed_with_flushes(const char *input, bool onlcr, struct buf *out)
{
    struct capture capture;
    capture_init(&capture, STREAM_STDERR, 8);
    capture.onlcr = onlcr;
    for (const char *at = input; *at; at++) {
        if (*at == '!')
            capture_flush(&capture, note, out);
        else
            capture_feed(&capture, at, 1, 42, note, out);
    }
    capture_end(&capture, 42, note, out);
    capture_release(&capture);
}

static void what_waits_for_its_newline_is_emitted_on_request(void **state)
{
    static const struct {
        const char *input, *expected;
    } flushes[] = {
        {"!", ""},
        {"a\n!", "a|"},
        {"name? !", "name? ~"},
        {"name? !\n", "name? ~|"},
        {"name? !x\ny", "name? ~x|y~"},
        {"1%\r2%\r!3%\r!\n", "1%\r2%\r~3%\r~|"},
        {"!a!!b!", "a~b~"},
        {"12345!67890!\n", "12345~67890~|"},
        {"123456789!", "12345678~9~"},
        {"a\xc3!\xa4\n", "a~\xc3\xa4|"},           // the sequence is not cut
        {"a\xe2\x82!\xac!", "a~\xe2\x82\xac~"},    //
        {"a\xe2!!\x82\xac\n", "a~\xe2~\x82\xac|"}, // unless its rest does not come
        {"\xff!", "\xff~"},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(flushes); i++) {
        CLEANUP(buf_release) struct buf out = {0};
        feed_with_flushes(flushes[i].input, false, &out);
        assert_str(buf_str(&out), flushes[i].expected);
    }
}

static void newlines_of_a_terminal_are_those_that_were_written(void **state)
{
    static const struct {
        const char *input, *expected;
    } lines[] = {
        {"hi\r\n", "hi|"},
        {"\r\n", "|"},
        {"a\r\r\nb\n", "a\r|b|"}, // "a\r\n" was written
        {"1%\r2%\r\n", "1%\r2%|"},
        {"12345678\r\n", "12345678|"},
        {"123456789\r\n", "12345678~9|"},
        {"a\r", "a\r~"},
        {"1%\r!2%\r!\r\n", "1%~\r2%~\r|"}, // a '\r' may be the beginning of a newline, and waits
        {"1%\r!!x\r\n", "1%~\r~x|"},       // but not twice
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(lines); i++) {
        CLEANUP(buf_release) struct buf out = {0};
        feed_with_flushes(lines[i].input, true, &out);
        assert_str(buf_str(&out), lines[i].expected);
    }
}

static void rejoin(void *arg, const struct record *record)
{
    struct buf *out = arg;
    assert_true(record->message.len <= 16);
    buf_append_str(out, record->message);
    if (!record->partial)
        buf_append_byte(out, '\n');
}

static void records_give_back_the_exact_bytes(void **state)
{
    uint64_t seed = 11;
    (void)state;
    for (int round = 0; round < 1000; round++) {
        char data[256];
        size_t len = test_random(&seed) % sizeof(data);
        for (size_t i = 0; i < len; i++)
            data[i] = test_random(&seed) % 20 == 0 ? '\n' : (char)test_random(&seed);
        struct capture capture;
        CLEANUP(buf_release) struct buf out = {0};
        capture_init(&capture, STREAM_STDOUT, 16);
        size_t middle = len > 0 ? test_random(&seed) % len : 0;
        capture_feed(&capture, data, middle, 0, rejoin, &out);
        if (test_random(&seed) % 2)
            capture_flush(&capture, rejoin, &out);
        capture_feed(&capture, data + middle, len - middle, 0, rejoin, &out);
        capture_end(&capture, 0, rejoin, &out);
        capture_release(&capture);
        assert_int_equal(out.len, len);
        if (len > 0)
            assert_memory_equal(out.data, data, len);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(records_are_as_in_the_table),
        cmocka_unit_test(any_split_gives_the_same_records),
        cmocka_unit_test(what_waits_for_its_newline_is_emitted_on_request),
        cmocka_unit_test(newlines_of_a_terminal_are_those_that_were_written),
        cmocka_unit_test(records_give_back_the_exact_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
