// A server for the tests of the runner: real HTTP and WebSocket on a loop of its own, the log in memory, and faults on
// demand.
#pragma once

#include "http/http.h"
#include "model/chunk.h"
#include "util/testing.h"
#include "ws/ws.h"

#include <jansson.h>
#include <pthread.h>
#include <stdatomic.h>
#include <unistd.h>

#define TEST_SERVER_PRODUCERS 2

struct test_server {
    struct loop *loop;
    struct http_server *http;
    struct listener *listener;
    pthread_t thread;
    char url[64];
    struct mail stop, cancel, ack;
    struct ws *ws;
    unsigned producer; // of the socket
    // Faults:
    atomic_bool away;      // hangs up on every connection
    atomic_uint cut_after; // closes the socket after so many chunks, once; 0: never
    atomic_bool deaf;      // takes records in and acks none
    atomic_ullong forgetful,
        confused;              // what `completed` says is less by so many records; has a digest wrong by so much
    atomic_bool older;         // reads other versions of chunks, and says so in `ready`
    atomic_bool older_unsaid;  // reads other versions of chunks, and finds that out by looking at one
    atomic_ullong forget_from; // 1 + n: at the next connection, nothing from counter n on is there any more
    // What came:
    pthread_mutex_t lock;
    pthread_cond_t changed;
    char producers[TEST_SERVER_PRODUCERS][64];
    uint64_t next[TEST_SERVER_PRODUCERS]; // counters
    uint64_t digests[TEST_SERVER_PRODUCERS];
    struct buf log; // "out:message\n", "err:…", "event:…"; '~' for the newline of partial ones
    uint64_t digest;
    struct buf body;     // of the POST
    struct buf complete; // the message
    unsigned connections, chunks;
    uint64_t lag;
};

static const char *const test_server_streams[] = {"out", "err", "event"};

static void test_server_say(struct test_server *server, const char *fmt, ...) PRINTF_LIKE(2, 3);
static void test_server_say(struct test_server *server, const char *fmt, ...)
{
    char text[256];
    va_list args;
    va_start(args, fmt);
    int len = vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    if (server->ws)
        ws_send(server->ws, WS_TEXT, text, (size_t)len);
}

static void test_server_ack(struct test_server *server)
{
    test_server_say(server, "{\"type\":\"ack\",\"sequence_number\":%lld}",
                    (long long)server->next[server->producer] - 1);
}

static void test_server_take_chunk(struct test_server *server, const uint8_t *data, size_t len)
{
    struct chunk *chunk = NULL;
    uint64_t first = 0;
    uint64_t *next = &server->next[server->producer];
    for (int i = 8; i-- > 0;)
        first = first << 8 | data[i];
    assert_true(len > 8 && len <= 1024 * 1024);
    if (server->older_unsaid) {
        test_server_say(server, "{\"type\":\"error\",\"code\":\"too_new\",\"error\":\"x\",\"next_sequence\":0}");
        return;
    }
    assert_false(server->older);
    assert_int_equal(chunk_decode(data + 8, len - 8, 10240, &chunk), 0);
    assert_true(first <= *next); // no gap
    for (uint32_t i = 0; i < chunk_count(chunk); i++) {
        struct record record;
        if (first + i < *next)
            continue;
        chunk_record(chunk, i, &record);
        buf_printf(&server->log, "%s:", test_server_streams[record.stream]);
        buf_append_str(&server->log, record.message);
        buf_append_byte(&server->log, record.partial ? '~' : '\n');
        server->digest = record_digest_next(server->digest, &record);
        server->digests[server->producer] = record_digest_next(server->digests[server->producer], &record);
        (*next)++;
    }
    chunk_unref(&chunk);
    server->chunks++;
    if (!server->deaf)
        test_server_ack(server);
}

static void test_server_take_text(struct test_server *server, const char *data, size_t len)
{
    json_t *root = json_loadb(data, len, 0, NULL);
    const char *type = json_string_value(json_object_get(root, "type"));
    const char *digest = json_string_value(json_object_get(root, "digest"));
    char expected[17];
    assert_non_null(type);
    if (strcmp(type, "heartbeat") == 0) {
        server->lag = (uint64_t)json_integer_value(json_object_get(root, "lag"));
    } else if (strcmp(type, "complete") == 0) {
        snprintf(expected, sizeof(expected), "%016llx", (unsigned long long)server->digest);
        assert_int_equal(json_integer_value(json_object_get(root, "final_sequence")),
                         (json_int_t)server->next[server->producer] - 1);
        if (digest && strcmp(digest, expected) != 0 && server->complete.len == 0) {
            test_server_say(server, "{\"type\":\"error\",\"code\":\"digest_mismatch\",\"error\":\"differs\"}");
        } else {
            if (server->complete.len == 0) // else it is sealed, and asked about again
                buf_append(&server->complete, data, len);
            unsigned producer = server->producer;
            test_server_say(server, "{\"type\":\"completed\",\"next_sequence\":%llu,\"digest\":\"%016llx\"}",
                            (unsigned long long)server->next[producer] - server->forgetful,
                            (unsigned long long)server->digests[producer] ^ server->confused);
        }
    } else {
        fail_msg("unexpected message: %.*s", (int)len, data);
    }
    json_decref(root);
}

static void test_server_message(void *owner, enum ws_opcode opcode, const uint8_t *data, size_t len)
{
    struct test_server *server = owner;
    pthread_mutex_lock(&server->lock);
    if (opcode == WS_BINARY)
        test_server_take_chunk(server, data, len);
    else
        test_server_take_text(server, (const char *)data, len);
    pthread_cond_broadcast(&server->changed);
    pthread_mutex_unlock(&server->lock);
    if (opcode == WS_BINARY && server->cut_after > 0 && --server->cut_after == 0)
        ws_free(&server->ws);
}

static void test_server_closed(void *owner, unsigned code)
{
    struct test_server *server = owner;
    (void)code;
    server->ws = NULL;
}

static void test_server_open(struct test_server *server, struct http_request *request)
{
    static const struct ws_handler handler = {.message = test_server_message, .closed = test_server_closed};
    static const struct ws_limits limits = {
        .message_max = 1024 * 1024, .ping_every_ms = 20000, .pong_timeout_ms = 60000};
    struct str producer = {0}, versions = {0};
    if (server->ws) {
        http_respond_error(request, ERR_HELD, NULL);
        return;
    }
    assert_true(http_param(request, STR("producer"), &producer));
    assert_true(http_param(request, STR("chunk_versions"), &versions));
    assert_true(str_eq(versions, STR("2")));
    pthread_mutex_lock(&server->lock);
    for (server->producer = 0; server->producer < TEST_SERVER_PRODUCERS; server->producer++) {
        char *name = server->producers[server->producer];
        if (!name[0])
            snprintf(name, sizeof(server->producers[0]), "%.*s", STR_ARGS(producer));
        if (str_eq(str_of(name), producer))
            break;
    }
    assert_true(server->producer < TEST_SERVER_PRODUCERS);
    server->connections++;
    uint64_t next = server->next[server->producer];
    pthread_cond_broadcast(&server->changed);
    pthread_mutex_unlock(&server->lock);
    server->ws = ws_accept(request, &limits, &handler, server);
    assert_non_null(server->ws);
    test_server_say(server,
                    "{\"type\":\"ready\",\"execution_id\":\"e\",\"next_sequence\":%llu,\"digest\":\"%016llx\","
                    "\"epoch\":7,\"incarnation\":\"i\"%s}",
                    (unsigned long long)next, (unsigned long long)server->digests[server->producer],
                    server->older ? ",\"chunk_versions\":[1]" : "");
}

static void test_server_request(void *app, struct http_request *request)
{
    struct test_server *server = app;
    if (ws_is_upgrade(request)) {
        test_server_open(server, request);
        return;
    }
    assert_true(str_eq(http_path(request), STR("/api/v1/executions")));
    assert_true(http_header(request, STR("Idempotency-Key")).len > 0);
    pthread_mutex_lock(&server->lock);
    buf_reset(&server->body);
    buf_append_str(&server->body, http_body(request));
    pthread_mutex_unlock(&server->lock);
    http_respond(request, 201, "application/json", "{}", 2);
}

static void test_server_accepted(void *arg, int fd)
{
    struct test_server *server = arg;
    if (server->away)
        close(fd);
    else
        http_server_accept(server->http, &(struct http_accepted){.fd = fd});
}

static void test_server_on_stop(struct mail *mail)
{
    struct test_server *server = CONTAINER_OF(mail, struct test_server, stop);
    ws_free(&server->ws);
    listener_free(&server->listener);
    http_server_free(&server->http);
    loop_stop(server->loop);
}

static void test_server_on_cancel(struct mail *mail)
{
    struct test_server *server = CONTAINER_OF(mail, struct test_server, cancel);
    test_server_say(server, "{\"type\":\"cancel\",\"reason\":\"asked\",\"grace_seconds\":1}");
}

// Acks what was taken in while it was deaf.
static void test_server_on_ack(struct mail *mail)
{
    struct test_server *server = CONTAINER_OF(mail, struct test_server, ack);
    server->deaf = false;
    test_server_ack(server);
}

static void *test_server_thread(void *arg)
{
    struct test_server *server = arg;
    loop_run(server->loop);
    return NULL;
}

static void test_server_start(struct test_server *server)
{
    static const struct http_limits limits = {.url_max = 8192,
                                              .headers_max = 16384,
                                              .body_max = 1 << 20,
                                              .connections_max = 16,
                                              .header_timeout_ms = 10000,
                                              .idle_timeout_ms = 10000,
                                              .send_timeout_ms = 10000};
    *server = (struct test_server){.stop.deliver = test_server_on_stop,
                                   .cancel.deliver = test_server_on_cancel,
                                   .ack.deliver = test_server_on_ack};
    pthread_mutex_init(&server->lock, NULL);
    pthread_cond_init(&server->changed, NULL);
    assert_int_equal(loop_new(&server->loop), 0);
    struct http_app app = {.request = test_server_request, .app = server};
    server->http = http_server_new(server->loop, &app, &limits, NULL);
    assert_int_equal(listener_new(server->loop, "127.0.0.1:0", test_server_accepted, server, &server->listener), 0);
    snprintf(server->url, sizeof(server->url), "http://127.0.0.1:%u", listener_port(server->listener));
    assert_int_equal(pthread_create(&server->thread, NULL, test_server_thread, server), 0);
}

static void test_server_end(struct test_server *server)
{
    loop_post(server->loop, &server->stop);
    pthread_join(server->thread, NULL);
    loop_free(&server->loop);
    buf_release(&server->log);
    buf_release(&server->body);
    buf_release(&server->complete);
    pthread_mutex_destroy(&server->lock);
    pthread_cond_destroy(&server->changed);
}

// Waits until `text` is in the log.
UNUSED static void test_server_wait_for(struct test_server *server, const char *text)
{
    pthread_mutex_lock(&server->lock);
    while (server->log.len == 0 || !memmem(server->log.data, server->log.len, text, strlen(text)))
        pthread_cond_wait(&server->changed, &server->lock);
    pthread_mutex_unlock(&server->lock);
}
