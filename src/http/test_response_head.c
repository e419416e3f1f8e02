#include "http/response_head.h"
#include "util/buf.h"
#include "util/error.h"
#include "util/testing.h"

static void note(void *arg, struct str name, struct str value)
{
    buf_printf(arg, "(%.*s|%.*s)", STR_ARGS(name), STR_ARGS(value));
}

static void heads_are_read_and_others_refused(void **state)
{
    (void)state;
    static const struct {
        const char *head;
        int status; // 0: refused
        const char *headers;
    } cases[] = {
        {"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n", 101,
         "(Upgrade|websocket)(Connection|Upgrade)"},
        {"HTTP/1.1 409 Conflict\r\nContent-Length: 12\r\nX-Empty:\r\nX-Blank: \r\nX-Last:  a b \r\n\r\n", 409,
         "(Content-Length|12)(X-Empty|)(X-Blank|)(X-Last|a b)"},
        {"HTTP/1.0 502 Bad Gateway\r\n\r\n", 502, ""},
        {"HTTP/1.1 204\r\n\r\n", 204, ""},
        {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", 200, "(Transfer-Encoding|chunked)"},
        {"HTTP/1.1 200 OK\r\nName: cut", 0, NULL},
        {"HTTP/1.1 200 OK\r\nNo colon\r\n\r\n", 0, NULL},
        {"HTTP/2 200 OK\r\n\r\n", 0, NULL},
        {"SSH-2.0-OpenSSH_9.2\r\n\r\n", 0, NULL},
        {"HTTP/1.1 20x OK\r\n\r\n", 0, NULL},
        {"", 0, NULL},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        CLEANUP(buf_release) struct buf headers = {0};
        int status = 0;
        int err = http_response_head_parse(str_of(cases[i].head), &status, note, &headers);
        assert_int_equal(err, cases[i].status ? 0 : ERR_MALFORMED);
        assert_int_equal(status, cases[i].status);
        if (cases[i].headers)
            assert_string_equal(buf_cstr(&headers), cases[i].headers);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(heads_are_read_and_others_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
