#include "http/reply.h"
#include "util/buf.h"
#include "util/testing.h"

struct seen {
    int status;
    struct buf body;
};

static void saw_head(void *arg, int status)
{
    ((struct seen *)arg)->status = status;
}

static void saw_body(void *arg, struct str bytes)
{
    buf_append_str(&((struct seen *)arg)->body, bytes);
}

static const struct http_reply_events events = {saw_head, saw_body};

struct row {
    const char *answer;
    bool upgrade;
    int status;
    const char *body;
    int fed, ended; // what feeding, and then the end of the connection, return
    bool complete;
};

static void check(const struct row *row, size_t step)
{
    struct seen seen = {0};
    struct http_reply *reply = http_reply_new(row->upgrade, &events, &seen);
    size_t len = strlen(row->answer);
    int err = 0;
    for (size_t at = 0; at < len && err == 0; at += step)
        err = http_reply_feed(reply, row->answer + at, MIN(step, len - at));
    assert_int_equal(err, row->fed);
    if (err == 0) {
        assert_int_equal(http_reply_complete(reply), row->complete);
        assert_int_equal(http_reply_end(reply), row->ended);
        assert_string_equal(buf_cstr(&seen.body), row->body);
    }
    assert_int_equal(seen.status, row->status);
    http_reply_free(&reply);
    buf_release(&seen.body);
}

static void answers_are_read_however_they_are_cut(void **state)
{
    static const struct row rows[] = {
        {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", false, 200, "hello", 0, 0, true},
        {"HTTP/1.1 204 No Content\r\n\r\n", false, 204, "", 0, 0, true},
        {"HTTP/1.1 201 Created\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n", false, 201,
         "abcde", 0, 0, true},
        {"HTTP/1.1 200 OK\r\n\r\nto the end", false, 200, "to the end", 0, 0, false},
        {"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\n{}", false, 404, "{}", 0, 0,
         true},
        {"HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n\001raw", true, 101, "\001raw", 0, 0,
         false},
        {"HTTP/1.1 200 OK\r\nContent-Type: application/vnd.docker.raw-stream\r\n\r\nraw", true, 200, "raw", 0, 0,
         false},
        {"HTTP/1.1 409 Conflict\r\nContent-Length: 2\r\n\r\nno", true, 409, "no", 0, 0, true},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        for (size_t step = 1; step <= strlen(rows[i].answer); step++)
            check(&rows[i], step);
}

static void what_is_cut_is_told(void **state)
{
    static const struct row rows[] = {
        {"", false, 0, "", 0, ERR_CLOSED, false},
        {"HTTP/1.1 200 OK\r\nContent-Le", false, 0, "", 0, ERR_CLOSED, false},
        {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhel", false, 200, "hel", 0, ERR_CLOSED, false},
        {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n", false, 200, "abc", 0, ERR_CLOSED, false},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        check(&rows[i], 7);
}

static void what_is_no_answer_is_refused(void **state)
{
    static const struct row rows[] = {
        {"SSH-2.0-OpenSSH\r\n\r\n", false, 0, "", ERR_MALFORMED, 0, false},
        {"HTTP/2.0 200 OK\r\nContent-Length: 0\r\n\r\n", false, 0, "", ERR_MALFORMED, 0, false},
        {"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\nraw", false, 0, "",
         ERR_MALFORMED, 0, false},
        {"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\n\r\n", false, 200, "", ERR_MALFORMED, 0,
         false},
        {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n", false, 200, "", ERR_MALFORMED, 0, false},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        check(&rows[i], strlen(rows[i].answer));
}

static void a_head_without_end_is_refused(void **state)
{
    struct seen seen = {0};
    struct http_reply *reply = http_reply_new(false, &events, &seen);
    int err = http_reply_feed(reply, "HTTP/1.1 200 OK\r\n", 17);
    (void)state;
    for (size_t i = 0; i < HTTP_REPLY_HEAD_MAX && err == 0; i++)
        err = http_reply_feed(reply, "A: bcdefgh\r\n", 12);
    assert_int_equal(err, ERR_TOO_LARGE);
    assert_int_equal(http_reply_feed(reply, "\r\n", 2), ERR_TOO_LARGE);
    assert_int_equal(seen.status, 0);
    http_reply_free(&reply);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(answers_are_read_however_they_are_cut),
        cmocka_unit_test(what_is_cut_is_told),
        cmocka_unit_test(what_is_no_answer_is_refused),
        cmocka_unit_test(a_head_without_end_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
