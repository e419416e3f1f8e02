// Each request and its answer.
#include "http/test_app.h"

#include <fcntl.h>

// --- One request, one answer

struct exchange {
    const char *name, *request;
    const char *status; // how the answer starts
    const char *holds;  // NULL: anything
    bool closes;
};

static const struct exchange exchanges[] = {
    {"path without query", "GET /a%20b?c=d" GET_TAIL "\r\n", "HTTP/1.1 200 OK\r\n", "\r\n\r\n/a%20b", false},
    {"absolute form", "GET http://h:80/x?y" GET_TAIL "\r\n", "HTTP/1.1 200 OK\r\n", "\r\n\r\n/x", false},
    {"absolute form without a path", "GET http://h" GET_TAIL "\r\n", "HTTP/1.1 200 OK\r\n", "\r\n\r\n/", false},
    {"request id is kept", "GET /" GET_TAIL "\r\n", "HTTP/1.1 200", "X-Request-ID: id\r\n", false},
    {"bad request id is replaced", "GET / HTTP/1.1\r\nHost: h\r\nX-Request-ID: a b\r\n\r\n", "HTTP/1.1 200",
     "X-Request-ID: req_", false},
    {"trace headers pass", "GET /" GET_TAIL "X-Trace-ID: t1\r\ntraceparent: 00-ab-cd-01\r\n\r\n", "HTTP/1.1 200",
     "X-Trace-ID: t1\r\ntraceparent: 00-ab-cd-01\r\n", false},
    {"absolute form with another host", "GET http://other/x HTTP/1.1\r\nHost: h\r\n\r\n", "HTTP/1.1 200",
     "X-Host: other\r\n", false},
    {"absolute form without a host", "GET http:///x" GET_TAIL "\r\n", "HTTP/1.1 400", NULL, true},
    {"absolute form with a user", "GET http://u@h/x" GET_TAIL "\r\n", "HTTP/1.1 400", NULL, true},
    {"absolute form of another scheme", "GET ftp://h/x" GET_TAIL "\r\n", "HTTP/1.1 400", NULL, true},
    {"asterisk", "OPTIONS *" GET_TAIL "\r\n", "HTTP/1.1 200", NULL, false},
    {"asterisk for another method", "GET *" GET_TAIL "\r\n", "HTTP/1.1 400", NULL, true},
    {"a method that is known but not served", "PROPFIND /p" GET_TAIL "\r\n", "HTTP/1.1 501",
     "\"code\":\"not_implemented\"", true},
    {"a method that is not known", "FROB /p" GET_TAIL "\r\n", "HTTP/1.1 501", "\"code\":\"not_implemented\"", true},
    {"a method in small letters", "get /p" GET_TAIL "\r\n", "HTTP/1.1 501", NULL, true},
    {"a long method", "ABCDEFGHIJKLMNOPQRSTUVWXYZ /p" GET_TAIL "\r\n", "HTTP/1.1 501", NULL, true},
    {"a method that cannot be one", "G(T /p" GET_TAIL "\r\n", "HTTP/1.1 400", "\"code\":\"malformed\"", true},
    {"what is TLS", "\x16\x03\x01\x02 ", "HTTP/1.1 400", NULL, true},
    {"not to be stored", "GET /" GET_TAIL "\r\n", "HTTP/1.1 200", "Cache-Control: no-store\r\n", false},
    {"with its date", "GET /" GET_TAIL "\r\n", "HTTP/1.1 200", " GMT\r\n", false},
    {"body by length", "POST /echo" GET_TAIL "Content-Length: 3\r\n\r\nabc", "HTTP/1.1 200", "\r\n\r\nabc", false},
    {"chunked body with trailers",
     "POST /echo" GET_TAIL "Transfer-Encoding: chunked\r\n\r\n2;x=y\r\nab\r\n1\r\nc\r\n0\r\nT: v\r\n\r\n",
     "HTTP/1.1 200", "\r\n\r\nabc", false},
    {"chunk extensions of all forms",
     "POST /echo" GET_TAIL "Transfer-Encoding: chunked\r\n\r\n"
     "01 ; a\t; b = \"q\\\";\t\xc3\xa4\";c=d\r\nx\r\n1;e\r\ny\r\n0 ;f=\"\"\r\n\r\n",
     "HTTP/1.1 200", "\r\n\r\nxy", false},
    {"chunk extension without a name", "POST /echo" GET_TAIL "Transfer-Encoding: chunked\r\n\r\n1;\r\nx\r\n0\r\n\r\n",
     "HTTP/1.1 400", NULL, true},
    {"chunk extension without a value",
     "POST /echo" GET_TAIL "Transfer-Encoding: chunked\r\n\r\n1;a=\r\nx\r\n0\r\n\r\n", "HTTP/1.1 400", NULL, true},
    {"chunk extension with an open quote",
     "POST /echo" GET_TAIL "Transfer-Encoding: chunked\r\n\r\n1;a=\"b\r\nx\r\n0\r\n\r\n", "HTTP/1.1 400", NULL, true},
    {"chunk extension with a control byte",
     "POST /echo" GET_TAIL "Transfer-Encoding: chunked\r\n\r\n1;a=\"\x01\"\r\nx\r\n0\r\n\r\n", "HTTP/1.1 400", NULL,
     true},
    {"white space behind a chunk size", "POST /echo" GET_TAIL "Transfer-Encoding: chunked\r\n\r\n1 \r\nx\r\n0\r\n\r\n",
     "HTTP/1.1 400", NULL, true},
    {"two words for a chunk size", "POST /echo" GET_TAIL "Transfer-Encoding: chunked\r\n\r\n1 1\r\nx\r\n0\r\n\r\n",
     "HTTP/1.1 400", NULL, true},
    {"a chunk size of many zeros", "POST /echo" GET_TAIL "Transfer-Encoding: chunked\r\n\r\n00000000000000001\r\nx\r\n",
     "HTTP/1.1 400", NULL, true},
    {"empty coding", "POST /echo" GET_TAIL "Transfer-Encoding:\r\n\r\n", "HTTP/1.1 400", NULL, true},
    {"empty coding beside a length", "POST /echo" GET_TAIL "Transfer-Encoding: \r\nContent-Length: 1\r\n\r\nx",
     "HTTP/1.1 400", NULL, true},
    {"continue", "POST /echo" GET_TAIL "Expect: 100-continue\r\nContent-Length: 3\r\n\r\nabc",
     "HTTP/1.1 100 Continue\r\n\r\n", "HTTP/1.1 200", false},
    {"refused by its head", "POST /refused" GET_TAIL "Expect: 100-continue\r\nContent-Length: 3\r\n\r\n",
     "HTTP/1.1 401", "Connection: close\r\n", true},
    {"refused by its head, body and all",
     "POST /refused" GET_TAIL "Content-Length: 3\r\n\r\nabcGET /never" GET_TAIL "\r\n", "HTTP/1.1 401",
     "Connection: close\r\n", true},
    {"a head that is thought about", "POST /judged" GET_TAIL "Expect: 100-continue\r\nContent-Length: 3\r\n\r\nabc",
     "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200", "/judged", false},
    {"without a body there is no head to judge", "POST /refused" GET_TAIL "Content-Length: 0\r\n\r\n", "HTTP/1.1 200",
     "/refused", false},
    {"parameters", "GET /params?a=1&x=p%26q+r&flag&a=2" GET_TAIL "\r\n", "HTTP/1.1 200",
     "[a=1][x=p&q r][flag=][a=2] x is p&q r", false},
    {"streamed", "GET /stream" GET_TAIL "\r\n", "HTTP/1.1 200", "\r\n\r\n7\r\none two\r\n0\r\n\r\n", false},
    {"no content has no length", "GET /nothing" GET_TAIL "\r\n", "HTTP/1.1 204 No Content\r\nX-Request-ID: id", NULL,
     false},
    {"invalid fields", "GET /invalid" GET_TAIL "\r\n", "HTTP/1.1 422",
     "\"request_id\":\"id\",\"fields\":[{\"name\":\"timeout_seconds\",\"reason\":\"must be > 0\"},"
     "{\"name\":\"env\",\"reason\":\"is no object\"}]}}",
     false},
    {"unauthorized", "GET /secret" GET_TAIL "\r\n", "HTTP/1.1 401", "WWW-Authenticate: Bearer\r\n", false},
    {"asked to close", "GET /" GET_TAIL "Connection: close\r\n\r\n", "HTTP/1.1 200", "Connection: close\r\n", true},
    {"HTTP/1.0 closes", "GET /x HTTP/1.0\r\n\r\n", "HTTP/1.1 200", "Connection: close\r\n", true},
    {"HTTP/1.0 stream until close", "GET /stream HTTP/1.0\r\n\r\n", "HTTP/1.1 200", "\r\n\r\none two", true},
    {"HTTP/1.0 keep-alive", "GET /x HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", "HTTP/1.1 200",
     "Connection: keep-alive\r\n", false},
    {"empty lines before a request", "\r\n\r\nGET /x" GET_TAIL "\r\n", "HTTP/1.1 200", NULL, false},
    {"joined headers", "GET /" GET_TAIL "X-Request-ID: id2\r\n\r\n", "HTTP/1.1 200", "X-Request-ID: req_", false},

    {"no host", "GET / HTTP/1.1\r\n\r\n", "HTTP/1.1 400", "\"code\":\"malformed\"", true},
    {"two hosts", "GET /" GET_TAIL "Host: h\r\n\r\n", "HTTP/1.1 400", "\"request_id\":\"id\"", true},
    {"host with a path", "GET / HTTP/1.1\r\nHost: h/x\r\n\r\n", "HTTP/1.1 400", NULL, true},
    {"length and coding", "POST /" GET_TAIL "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
     "HTTP/1.1 400", NULL, true},
    {"coding and length", "POST /" GET_TAIL "Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n",
     "HTTP/1.1 400", NULL, true},
    {"two lengths", "POST /" GET_TAIL "Content-Length: 3\r\nContent-Length: 4\r\n\r\nabc", "HTTP/1.1 400", NULL, true},
    {"length with a sign", "POST /" GET_TAIL "Content-Length: +3\r\n\r\nabc", "HTTP/1.1 400", NULL, true},
    {"another coding", "POST /" GET_TAIL "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", "HTTP/1.1 400", NULL,
     true},
    {"coding in HTTP/1.0", "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "HTTP/1.1 400", NULL,
     true},
    {"folded header", "GET /" GET_TAIL "X: a\r\n b\r\n\r\n", "HTTP/1.1 400", NULL, true},
    {"space before colon", "GET /" GET_TAIL "X : a\r\n\r\n", "HTTP/1.1 400", NULL, true},
    {"bare LF", "GET / HTTP/1.1\nHost: h\n\n", "HTTP/1.1 400", NULL, true},
    {"bare CR", "GET /" GET_TAIL "X: a\rb\r\n\r\n", "HTTP/1.1 400", NULL, true},
    {"bad escape", "GET /?a=%zz" GET_TAIL "\r\n", "HTTP/1.1 400", NULL, true},
    {"cut escape", "GET /?a=%2" GET_TAIL "\r\n", "HTTP/1.1 400", NULL, true},
    {"fragment", "GET /#a" GET_TAIL "\r\n", "HTTP/1.1 400", NULL, true},
    {"HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "HTTP/1.1 501", NULL, true},
    {"HTTP/0.9", "GET / HTTP/0.9\r\nHost: h\r\n\r\n", "HTTP/1.1 400", NULL, true},
    {"another method", "XYZZY / HTTP/1.1\r\nHost: h\r\n\r\n", "HTTP/1.1 501", NULL, true},
    {"no method", "/ HTTP/1.1\r\nHost: h\r\n\r\n", "HTTP/1.1 400", NULL, true},
    {"bad chunk size", "POST /" GET_TAIL "Transfer-Encoding: chunked\r\n\r\nzz\r\n", "HTTP/1.1 400", NULL, true},
    {"long body", "POST /echo" GET_TAIL "Expect: 100-continue\r\nContent-Length: 4097\r\n\r\n", "HTTP/1.1 413",
     "\"code\":\"too_large\"", true},
    {"bare LF in a chunk extension", "POST /echo" GET_TAIL "Transfer-Encoding: chunked\r\n\r\n1;a\nb\r\nx\r\n0\r\n\r\n",
     "HTTP/1.1 400", NULL, true},
    {"bare LF after a chunk size", "POST /echo" GET_TAIL "Transfer-Encoding: chunked\r\n\r\n1\nx\r\n0\r\n\r\n",
     "HTTP/1.1 400", NULL, true},
    {"bare LF after a chunk", "POST /echo" GET_TAIL "Transfer-Encoding: chunked\r\n\r\n1\r\nx\n0\r\n\r\n",
     "HTTP/1.1 400", NULL, true},
    {"bare LF in trailers", "POST /echo" GET_TAIL "Transfer-Encoding: chunked\r\n\r\n0\r\nT: v\n\r\n", "HTTP/1.1 400",
     NULL, true},
    {"bare LF for trailers", "POST /echo" GET_TAIL "Transfer-Encoding: chunked\r\n\r\n0\r\n\n", "HTTP/1.1 400", NULL,
     true},
    {"folded trailer", "POST /echo" GET_TAIL "Transfer-Encoding: chunked\r\n\r\n0\r\nT: v\r\n w\r\n\r\n",
     "HTTP/1.1 400", NULL, true},
    {"long chunk", "POST /echo" GET_TAIL "Transfer-Encoding: chunked\r\n\r\n1001\r\n", "HTTP/1.1 413", NULL, true},
    {"longest chunk", "POST /echo" GET_TAIL "Transfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n", "HTTP/1.1 413",
     NULL, true},
    {"chunk size that overflows", "POST /echo" GET_TAIL "Transfer-Encoding: chunked\r\n\r\n10000000000000000\r\n",
     "HTTP/1.1 400", NULL, true},
};

static void check_exchange(const struct exchange *exchange)
{
    struct app app;
    struct peer peer;
    app_start(&app, NULL);
    app_connect(&app, &peer);
    peer_send_text(&peer, exchange->request);
    loop_turns(app.loop, 4);
    const char *got = buf_cstr(&peer.got);
    if (exchange->status && strncmp(got, exchange->status, strlen(exchange->status)) != 0)
        fail_msg("%s: %s", exchange->name, got);
    if (exchange->holds && !strstr(got, exchange->holds))
        fail_msg("%s: %s", exchange->name, got);
    if (exchange->closes != peer.ended)
        fail_msg("%s: %s", exchange->name, peer.ended ? "was closed" : "stays open");
    peer_close(&peer);
    app_stop(&app);
}

// Whatever the split of the bytes, the answer is the same.
static void check_exchange_by_bytes(const struct exchange *exchange)
{
    struct app app;
    struct peer peer;
    app_start(&app, NULL);
    app_connect(&app, &peer);
    for (const char *at = exchange->request; *at && !peer.ended; at++) {
        if (send(peer.fd, at, 1, MSG_NOSIGNAL) < 0)
            break;
        loop_turns(app.loop, 1);
    }
    loop_turns(app.loop, 4);
    if (exchange->status && strncmp(buf_cstr(&peer.got), exchange->status, strlen(exchange->status)) != 0)
        fail_msg("%s, by bytes: %s", exchange->name, buf_cstr(&peer.got));
    peer_close(&peer);
    app_stop(&app);
}

static void each_request_gets_its_answer_byte_by_byte(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(exchanges); i++)
        check_exchange_by_bytes(&exchanges[i]);
}

static void each_request_gets_its_answer(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(exchanges); i++)
        check_exchange(&exchanges[i]);
}

static void entity_tags_are_compared_weakly_and_in_lists(void **state)
{
    (void)state;
    static const struct {
        const char *header;
        bool match;
    } cases[] = {
        {"\"a,b\"", true},
        {"W/\"a,b\"", true},
        {"\"x\", \"a,b\"", true},
        {"\"x\",W/\"a,b\" , \"y\"", true},
        {" * ", true},
        {"", false},
        {"\"a\"", false},
        {"\"x\", \"a\"", false},
        {"a,b", false},
        {"\"x,\"a,b\"", false},
        {",, \"a,b\"", true},
        {"w/\"a,b\"", false},
        {"\"A,B\"", false},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        if (http_none_match(str_of(cases[i].header), STR("\"a,b\"")) != cases[i].match)
            fail_msg("%s %s", cases[i].header, cases[i].match ? "does not match" : "matches");
    assert_true(http_none_match(STR("\"a\""), STR("W/\"a\"")));
}

static void nul_in_a_head_is_refused(void **state)
{
    (void)state;
    static const char request[] = "GET / HTTP/1.1\r\nHost: h\r\nX: a\0b\r\n\r\n";
    struct app app;
    struct peer peer;
    app_start(&app, NULL);
    app_connect(&app, &peer);
    peer_send(&peer, request, sizeof(request) - 1);
    peer_wait_text(&peer, "HTTP/1.1 400");
    peer_close(&peer);
    app_stop(&app);
}

static void head_gets_the_headers_of_get_alone(void **state)
{
    (void)state;
    struct app app;
    struct peer peer;
    app_start(&app, NULL);
    app_connect(&app, &peer);
    peer_send_text(&peer, "HEAD /abc" GET_TAIL "\r\nHEAD /stream" GET_TAIL "\r\nHEAD /secret" GET_TAIL
                          "\r\nGET /end" GET_TAIL "\r\n");
    peer_wait_text(&peer, "/end");
    const char *got = buf_cstr(&peer.got);
    assert_non_null(strstr(got, "Content-Length: 4\r\n"));
    assert_null(strstr(got, "/abc"));
    assert_null(strstr(got, "one"));
    assert_null(strstr(got, "error"));
    peer_close(&peer);
    app_stop(&app);
}

// --- What a trusted proxy says of the client

static const struct {
    const char *headers, *told; // "!": refused
    bool trusted;
} told_clients[] = {
    {"", "local:0 http h local", true},
    {"X-Forwarded-For: 192.0.2.1\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: a.example\r\n",
     "192.0.2.1:0 https a.example remote", true},
    {"Forwarded: for=\"[2001:db8::1]:80\";proto=http;host=b\r\n", "[2001:db8::1]:80 http b remote", true},
    {"X-Forwarded-For: 127.0.0.1\r\n", "127.0.0.1:0 http h local", true},
    {"X-Forwarded-For: 192.0.2.9\r\nX-Forwarded-For: 192.0.2.1\r\n", "192.0.2.1:0 http h remote", true},
    {"X-Forwarded-For: 192.0.2.1\r\nForwarded: for=192.0.2.2\r\n", "!", true},
    {"X-Forwarded-Host: a/b\r\n", "!", true},
    {"X-Forwarded-For: 192.0.2.1\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: a.example\r\n",
     "local:0 http h local", false},
};

static void a_trusted_proxy_is_believed_and_no_other(void **state)
{
    (void)state;
    char *items[] = {"unix"};
    struct net_ranges *trusted = NULL;
    size_t bad;
    assert_int_equal(net_ranges_new(items, 1, &bad, &trusted), 0);
    for (size_t i = 0; i < ARRAY_LEN(told_clients); i++) {
        struct app app;
        struct peer peer;
        CLEANUP(free_ptr)
        char *request = xasprintf("GET /who HTTP/1.1\r\nHost: h\r\n%s\r\n", told_clients[i].headers);
        app_start(&app, NULL);
        http_server_trust(app.server, told_clients[i].trusted ? trusted : NULL);
        app_connect(&app, &peer);
        peer_send_text(&peer, request);
        peer_wait_text(&peer, told_clients[i].told[0] == '!' ? "HTTP/1.1 400" : told_clients[i].told);
        peer_close(&peer);
        app_stop(&app);
    }
    net_ranges_free(&trusted);
}

static void a_client_that_the_proxy_protocol_told_is_the_peer(void **state)
{
    (void)state;
    struct app app;
    struct peer peer;
    struct net_address client;
    assert_true(net_address_parse(STR("192.0.2.1:4711"), &client));
    app_start(&app, NULL);
    struct http_accepted accepted = {.fd = peer_open(&peer, app.loop), .https = true, .address = &client};
    http_server_accept(app.server, &accepted);
    peer_send_text(&peer, "GET /who HTTP/1.1\r\nHost: h\r\n\r\n");
    peer_wait_text(&peer, "192.0.2.1:4711 https h remote");
    peer_close(&peer);
    app_stop(&app);
}

// --- Log

static void log_lines_hold_no_query(void **state)
{
    (void)state;
    int ends[2];
    assert_int_equal(pipe2(ends, O_CLOEXEC | O_NONBLOCK), 0);
    struct logger logger = {.fd = ends[1], .min_level = LOG_INFO};
    struct app app = {0};
    assert_int_equal(loop_new(&app.loop), 0);
    deferred_init(&app.later, answer_later);
    struct http_app interface = {.request = app_request, .app = &app, .logger = &logger};
    app.server = http_server_new(app.loop, &interface, &default_limits, NULL);
    struct peer peer;
    app_connect(&app, &peer);
    peer_send_text(&peer,
                   "GET /x?access_token=secret" GET_TAIL "\r\nGET /stream?token=secret" GET_TAIL "\r\nBROKEN\r\n\r\n");
    peer_wait_end(&peer);
    char lines[4096] = "";
    assert_true(read(ends[0], lines, sizeof(lines) - 1) > 0);
    assert_non_null(strstr(lines, "\"path\":\"/x\",\"status\":200"));
    assert_non_null(strstr(lines, "\"path\":\"/stream\",\"status\":200"));
    assert_non_null(strstr(lines, "\"path\":\"\",\"status\":400"));
    assert_null(strstr(lines, "secret"));
    peer_close(&peer);
    app_stop(&app);
    close_fd(&ends[0]);
    close_fd(&ends[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_request_gets_its_answer),
        cmocka_unit_test(each_request_gets_its_answer_byte_by_byte),
        cmocka_unit_test(a_trusted_proxy_is_believed_and_no_other),
        cmocka_unit_test(a_client_that_the_proxy_protocol_told_is_the_peer),
        cmocka_unit_test(entity_tags_are_compared_weakly_and_in_lists),
        cmocka_unit_test(nul_in_a_head_is_refused),
        cmocka_unit_test(head_gets_the_headers_of_get_alone),
        cmocka_unit_test(log_lines_hold_no_query),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
