#include "sse/sse.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void events_positions_and_comments_are_framed_as_the_standard_says(void **state)
{
    (void)state;
    CLEANUP(buf_release) struct buf stream = {0};
    sse_append_event(&stream, 0, "log", STR("{\"a\":1}"));
    sse_append_comment(&stream);
    sse_append_position(&stream, 41);
    sse_append_event(&stream, -1, NULL, STR(" x"));
    assert_string_equal(buf_cstr(&stream), "id: 0\nevent: log\ndata: {\"a\":1}\n\n:\n\nid: 41\n\ndata:  x\n\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(events_positions_and_comments_are_framed_as_the_standard_says),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
