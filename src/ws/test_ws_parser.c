#include "ws/ws_parser.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#define MESSAGE_MAX 70000

// --- Frames by hand, so that they can be wrong

struct frame {
    uint8_t first; // FIN, RSV and opcode
    const char *payload;
    size_t len; // 0: that of the text
    bool unmasked;
};

#define FIN 0x80

static void append_frame(struct buf *out, const struct frame *frame)
{
    size_t len = frame->len ? frame->len : strlen(frame->payload);
    CLEANUP(buf_release) struct buf whole = {0};
    CLEANUP(buf_release) struct buf payload = {0};
    for (size_t i = 0; i < len; i++)
        buf_append_byte(&payload, frame->payload ? frame->payload[i] : 'x');
    ws_frame_append(&whole, WS_TEXT, payload.data ? payload.data : "", len, !frame->unmasked);
    whole.data[0] = (char)frame->first;
    buf_append(out, whole.data, whole.len);
}

// --- What came out: "text(…) ping(…) close(1000,…)"

struct seen {
    struct buf text;
    struct ws_parser *free_inside;
};

static void on_message(void *owner, enum ws_opcode opcode, const uint8_t *data, size_t len, unsigned code)
{
    struct seen *seen = owner;
    const char *name = opcode == WS_TEXT     ? "text"
                       : opcode == WS_BINARY ? "binary"
                       : opcode == WS_PING   ? "ping"
                       : opcode == WS_PONG   ? "pong"
                                             : "close";
    if (opcode == WS_CLOSE)
        buf_printf(&seen->text, "close(%u,%.*s) ", code, (int)len, data);
    else if (len > 50)
        buf_printf(&seen->text, "%s(%zu bytes) ", name, len);
    else
        buf_printf(&seen->text, "%s(%.*s) ", name, (int)len, data);
    if (seen->free_inside)
        ws_parser_free(&seen->free_inside);
}

static const struct ws_parser_events events = {.message = on_message};

struct parse_case {
    const char *name;
    struct frame frames[6];
    unsigned count;
    const char *seen;
    unsigned code;
};

static const struct parse_case cases[] = {
    {"text", {{FIN | 1, "abc", 0, false}}, 1, "text(abc) ", 0},
    {"empty text", {{FIN | 1, "", 0, false}}, 1, "text() ", 0},
    {"binary", {{FIN | 2, "\xff\xfe", 0, false}}, 1, "binary(\xff\xfe) ", 0},
    {"two messages", {{FIN | 1, "a", 0, false}, {FIN | 2, "b", 0, false}}, 2, "text(a) binary(b) ", 0},
    {"125 bytes", {{FIN | 1, NULL, 125, false}}, 1, "text(125 bytes) ", 0},
    {"126 bytes", {{FIN | 1, NULL, 126, false}}, 1, "text(126 bytes) ", 0},
    {"65535 bytes", {{FIN | 1, NULL, 65535, false}}, 1, "text(65535 bytes) ", 0},
    {"65536 bytes", {{FIN | 1, NULL, 65536, false}}, 1, "text(65536 bytes) ", 0},
    {"fragments", {{1, "a", 0, false}, {0, "b", 0, false}, {FIN, "c", 0, false}}, 3, "text(abc) ", 0},
    {"empty fragments", {{1, "", 0, false}, {0, "", 0, false}, {FIN, "", 0, false}}, 3, "text() ", 0},
    {"ping between fragments",
     {{1, "a", 0, false}, {FIN | 9, "p", 0, false}, {FIN, "b", 0, false}},
     3,
     "ping(p) text(ab) ",
     0},
    {"close between fragments", {{1, "a", 0, false}, {FIN | 8, "\x03\xe8", 0, false}}, 2, "close(1000,) ", 0},
    {"pong", {{FIN | 10, "p", 0, false}}, 1, "pong(p) ", 0},
    {"ping of 125", {{FIN | 9, NULL, 125, false}}, 1, "ping(125 bytes) ", 0},
    {"UTF-8 over fragments", {{1, "\xe2\x82", 0, false}, {FIN, "\xac", 0, false}}, 2, "text(\xe2\x82\xac) ", 0},
    {"UTF-8 of four bytes", {{FIN | 1, "\xf0\x9f\x98\x80", 0, false}}, 1, "text(\xf0\x9f\x98\x80) ", 0},
    {"close without code", {{FIN | 8, "", 0, false}}, 1, "close(1005,) ", 0},
    {"close with reason", {{FIN | 8, "\x0f\xa0why", 0, false}}, 1, "close(4000,why) ", 0},
    {"nothing after close", {{FIN | 8, "\x03\xe8", 0, false}, {FIN | 1, "late", 0, false}}, 2, "close(1000,) ", 0},

    {"reserved bit", {{FIN | 0x40 | 1, "a", 0, false}}, 1, "", 1002},
    {"reserved data opcode", {{FIN | 3, "a", 0, false}}, 1, "", 1002},
    {"reserved control opcode", {{FIN | 11, "a", 0, false}}, 1, "", 1002},
    {"no mask", {{FIN | 1, "a", 0, true}}, 1, "", 1002},
    {"fragmented ping", {{9, "p", 0, false}}, 1, "", 1002},
    {"long ping", {{FIN | 9, NULL, 126, false}}, 1, "", 1002},
    {"continuation of nothing", {{FIN, "a", 0, false}}, 1, "", 1002},
    {"message within fragments", {{1, "a", 0, false}, {FIN | 1, "b", 0, false}}, 2, "", 1002},
    {"close of one byte", {{FIN | 8, "\x03", 0, false}}, 1, "", 1002},
    {"close code 1004", {{FIN | 8, "\x03\xec", 0, false}}, 1, "", 1002},
    {"close code 1005", {{FIN | 8, "\x03\xed", 0, false}}, 1, "", 1002},
    {"close code 1006", {{FIN | 8, "\x03\xee", 0, false}}, 1, "", 1002},
    {"close code 1012", {{FIN | 8, "\x03\xf4", 0, false}}, 1, "", 1002},
    {"close code 999", {{FIN | 8, "\x03\xe7", 0, false}}, 1, "", 1002},
    {"close code 5000", {{FIN | 8, "\x13\x88", 0, false}}, 1, "", 1002},
    {"close reason not UTF-8", {{FIN | 8, "\x03\xe8\xff", 0, false}}, 1, "", 1007},
    {"text not UTF-8", {{FIN | 1, "\xc0\x80", 0, false}}, 1, "", 1007},
    {"surrogate", {{FIN | 1, "\xed\xa0\x80", 0, false}}, 1, "", 1007},
    {"above Unicode", {{FIN | 1, "\xf4\x90\x80\x80", 0, false}}, 1, "", 1007},
    {"overlong", {{FIN | 1, "\xe0\x80\x80", 0, false}}, 1, "", 1007},
    {"UTF-8 cut at the end", {{FIN | 1, "a\xe2\x82", 0, false}}, 1, "", 1007},
    {"UTF-8 fault before the end", {{1, "\xff", 0, false}}, 1, "", 1007},
    {"frame over the limit", {{FIN | 1, NULL, MESSAGE_MAX + 1, false}}, 1, "", 1009},
    {"fragments over the limit", {{1, NULL, MESSAGE_MAX, false}, {FIN, "a", 0, false}}, 2, "", 1009},
    {"message before the fault", {{FIN | 1, "a", 0, false}, {FIN | 3, "b", 0, false}}, 2, "text(a) ", 1002},
};

static void check_case(const struct parse_case *parse_case, size_t piece)
{
    CLEANUP(buf_release) struct buf bytes = {0};
    for (unsigned i = 0; i < parse_case->count; i++)
        append_frame(&bytes, &parse_case->frames[i]);
    struct seen seen = {0};
    struct ws_parser *parser = ws_parser_new(true, MESSAGE_MAX, &events, &seen);
    unsigned code = 0;
    for (size_t at = 0; at < bytes.len && code == 0; at += piece)
        code = ws_parser_feed(parser, (uint8_t *)bytes.data + at, MIN(piece, bytes.len - at));
    if (code != parse_case->code || strcmp(buf_cstr(&seen.text), parse_case->seen) != 0)
        fail_msg("%s in pieces of %zu: %u, %s", parse_case->name, piece, code, buf_cstr(&seen.text));
    if (code)
        assert_int_equal(ws_parser_feed(parser, (const uint8_t *)"\x81\x80\0\0\0\0", 6), code);
    assert_string_equal(buf_cstr(&seen.text), parse_case->seen);
    ws_parser_free(&parser);
    buf_release(&seen.text);
}

static void frames_are_judged_alike_on_every_split(void **state)
{
    (void)state;
    static const size_t pieces[] = {1000000, 1, 2, 3, 5, 4096, 4099};
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        for (size_t j = 0; j < ARRAY_LEN(pieces); j++)
            check_case(&cases[i], pieces[j]);
    }
}

static void every_close_code_is_judged_as_the_rfc_says(void **state)
{
    (void)state;
    for (unsigned code = 0; code < 65536; code++) {
        bool valid = (code >= 1000 && code <= 1003) || (code >= 1007 && code <= 1011) || (code >= 3000 && code <= 4999);
        struct seen seen = {0};
        struct ws_parser *parser = ws_parser_new(false, 100, &events, &seen);
        uint8_t frame[] = {FIN | 8, 2, (uint8_t)(code >> 8), (uint8_t)code};
        assert_int_equal(ws_parser_feed(parser, frame, sizeof(frame)), valid ? 0 : 1002);
        ws_parser_free(&parser);
        buf_release(&seen.text);
    }
}

static void lengths_must_be_minimal(void **state)
{
    (void)state;
    static const uint8_t sixteen[] = {FIN | 1, 126, 0, 1, 'a'};
    static const uint8_t sixty_four[] = {FIN | 1, 127, 0, 0, 0, 0, 0, 0, 0, 1, 'a'};
    static const uint8_t negative[] = {FIN | 1, 127, 0x80, 0, 0, 0, 0, 0, 0, 1, 'a'};
    const struct {
        const uint8_t *bytes;
        size_t len;
    } wrong[] = {{sixteen, sizeof(sixteen)}, {sixty_four, sizeof(sixty_four)}, {negative, sizeof(negative)}};
    for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
        struct seen seen = {0};
        struct ws_parser *parser = ws_parser_new(false, 100, &events, &seen);
        assert_int_equal(ws_parser_feed(parser, wrong[i].bytes, wrong[i].len), 1002);
        ws_parser_free(&parser);
        buf_release(&seen.text);
    }
}

static void client_takes_unmasked_frames_only(void **state)
{
    (void)state;
    for (int masked = 0; masked < 2; masked++) {
        CLEANUP(buf_release) struct buf frame = {0};
        ws_frame_append(&frame, WS_TEXT, "hello", 5, masked);
        struct seen seen = {0};
        struct ws_parser *parser = ws_parser_new(false, 100, &events, &seen);
        assert_int_equal(ws_parser_feed(parser, (uint8_t *)frame.data, frame.len), masked ? 1002 : 0);
        assert_string_equal(buf_cstr(&seen.text), masked ? "" : "text(hello) ");
        ws_parser_free(&parser);
        buf_release(&seen.text);
    }
}

static void parser_may_be_freed_by_a_message(void **state)
{
    (void)state;
    CLEANUP(buf_release) struct buf frames = {0};
    ws_frame_append(&frames, WS_TEXT, "first", 5, false);
    ws_frame_append(&frames, WS_TEXT, "second", 6, false);
    struct seen seen = {0};
    struct ws_parser *parser = ws_parser_new(false, 100, &events, &seen);
    seen.free_inside = parser;
    assert_int_equal(ws_parser_feed(parser, (uint8_t *)frames.data, frames.len), 0);
    assert_string_equal(buf_cstr(&seen.text), "text(first) ");
    buf_release(&seen.text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(frames_are_judged_alike_on_every_split),
        cmocka_unit_test(every_close_code_is_judged_as_the_rfc_says),
        cmocka_unit_test(lengths_must_be_minimal),
        cmocka_unit_test(client_takes_unmasked_frames_only),
        cmocka_unit_test(parser_may_be_freed_by_a_message),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
