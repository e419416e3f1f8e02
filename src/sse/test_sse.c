#include "sse/sse.h"
#include "util/error.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void print_event(void *arg, struct str type, struct str id, struct str data)
{
    buf_printf(arg, "(%.*s|%.*s|", STR_ARGS(type), STR_ARGS(id));
    for (size_t i = 0; i < data.len; i++)
        buf_append_byte(arg, data.data[i] == '\n' ? '/' : data.data[i]);
    buf_append_byte(arg, ')');
}

struct parse_case {
    const char *stream, *events;
};

// The first ones are the examples of the standard (WHATWG HTML, 9.2.6).
static const struct parse_case cases[] = {
    {"data: YHOO\ndata: +2\ndata: 10\n\n", "(message||YHOO/+2/10)"},
    {": test stream\n\ndata: first event\nid: 1\n\ndata:second event\nid\n\ndata:  third event\n",
     "(message|1|first event)(message||second event)"},
    {"data\n\ndata\ndata\n\ndata:", "(message||)(message||/)"},
    {"data:test\n\ndata: test\n\n", "(message||test)(message||test)"},
    {"event: log\nid: 7\ndata: {}\n\n", "(log|7|{})"},
    {"id: 7\n\ndata: x\n\n", "(|7|)(message|7|x)"},
    {"event: lost\n\ndata: x\n\n", "(message||x)"},
    {"data: a\r\ndata: b\rdata: c\n\r\n", "(message||a/b/c)"},
    {"data: a\r\rdata: b\r\n\r\n", "(message||a)(message||b)"},
    {"\xef\xbb\xbf"
     "data: a\n\n\xef\xbb\xbf"
     "data: b\n\n",
     "(message||a)"},
    {"unknown: a\nretry: 5\nDATA: b\n data: c\ndata: d\n\n", "(message||d)"},
    {"data: a:b\n\n", "(message||a:b)"},
    {"data: not dispatched", ""},
    {"\n\n\n", ""},
};

static void streams_parse_alike_on_every_split(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct str stream = str_of(cases[i].stream);
        for (size_t piece = 1; piece <= stream.len; piece++) {
            struct sse_parser parser = {0};
            CLEANUP(buf_release) struct buf seen = {0};
            for (size_t at = 0; at < stream.len; at += piece) {
                struct str part = str_n(stream.data + at, MIN(piece, stream.len - at));
                assert_int_equal(sse_parser_feed(&parser, part, 1000, print_event, &seen), 0);
            }
            assert_string_equal(buf_cstr(&seen), cases[i].events);
            sse_parser_release(&parser);
        }
    }
}

static void what_is_written_reads_back(void **state)
{
    (void)state;
    CLEANUP(buf_release) struct buf stream = {0};
    CLEANUP(buf_release) struct buf seen = {0};
    sse_append_event(&stream, 0, "log", STR("{\"a\":1}"));
    sse_append_comment(&stream);
    sse_append_position(&stream, 41);
    sse_append_event(&stream, -1, NULL, STR(" x"));
    assert_string_equal(buf_cstr(&stream), "id: 0\nevent: log\ndata: {\"a\":1}\n\n:\n\nid: 41\n\ndata:  x\n\n");
    struct sse_parser parser = {0};
    assert_int_equal(sse_parser_feed(&parser, buf_str(&stream), 100, print_event, &seen), 0);
    assert_string_equal(buf_cstr(&seen), "(log|0|{\"a\":1})(|41|)(message|41| x)");
    sse_parser_release(&parser);
}

static void id_with_nul_is_ignored(void **state)
{
    (void)state;
    CLEANUP(buf_release) struct buf seen = {0};
    struct sse_parser parser = {0};
    assert_int_equal(sse_parser_feed(&parser, STR("id: 1\nid: 2\0003\ndata: x\n\n"), 100, print_event, &seen), 0);
    assert_string_equal(buf_cstr(&seen), "(message|1|x)");
    sse_parser_release(&parser);
}

static void long_lines_and_events_are_refused(void **state)
{
    (void)state;
    static const char *const streams[] = {"data: 456789", "data: 123\ndata: 456\ndata: 789\n"};
    for (size_t i = 0; i < ARRAY_LEN(streams); i++) {
        CLEANUP(buf_release) struct buf seen = {0};
        struct sse_parser parser = {0};
        assert_int_equal(sse_parser_feed(&parser, str_of(streams[i]), 12, print_event, &seen), 0);
        sse_parser_release(&parser);
        assert_int_equal(sse_parser_feed(&parser, str_of(streams[i]), 10, print_event, &seen), ERR_TOO_LARGE);
        sse_parser_release(&parser);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(streams_parse_alike_on_every_split),
        cmocka_unit_test(what_is_written_reads_back),
        cmocka_unit_test(id_with_nul_is_ignored),
        cmocka_unit_test(long_lines_and_events_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
