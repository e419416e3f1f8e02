#include "client/client.h"
#include "net/digest.h"
#include "util/clock.h"
#include "util/testing.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#define ACCEPT_MARK "@ACCEPT@" // replaced by what the request's key asks for
#define SWITCHING   "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"

// Takes one connection, reads a request, answers with fixed bytes, and reads until the client is gone, or hangs up.
struct canned {
    const char *answer;
    size_t answer_len;
    bool stay; // reads on after the answer
    bool hold; // but only after `go`
    sem_t go;
    size_t body_len;
    int listener;
    unsigned port;
    pthread_t thread;
    struct buf got;
    char url[64];
};

static bool has_request(const struct canned *canned)
{
    const char *end = canned->got.len > 0 ? memmem(canned->got.data, canned->got.len, "\r\n\r\n", 4) : NULL;
    return end && (size_t)(canned->got.data + canned->got.len - end) >= 4 + canned->body_len;
}

static bool read_more(struct canned *canned, int fd)
{
    char data[4096];
    ssize_t got = read(fd, data, sizeof(data));
    if (got > 0)
        buf_append(&canned->got, data, (size_t)got);
    return got > 0;
}

static void send_bytes(int fd, const char *data, size_t len)
{
    assert_int_equal(send(fd, data, len, MSG_NOSIGNAL), len);
}

static void send_answer(struct canned *canned, int fd)
{
    const char *mark = memmem(canned->answer, canned->answer_len, ACCEPT_MARK, strlen(ACCEPT_MARK));
    if (!mark) {
        send_bytes(fd, canned->answer, canned->answer_len);
        return;
    }
    const char *key = strstr(buf_cstr(&canned->got), "Sec-WebSocket-Key: ");
    assert_non_null(key);
    CLEANUP(free_ptr) char *joined = xasprintf("%.24s258EAFA5-E914-47DA-95CA-C5AB0DC85B11", key + 19);
    uint8_t digest[20];
    char accept_text[29];
    sha1(joined, strlen(joined), digest);
    base64_encode(digest, sizeof(digest), accept_text);
    CLEANUP(buf_release) struct buf answer = {0};
    buf_append(&answer, canned->answer, (size_t)(mark - canned->answer));
    buf_append_text(&answer, accept_text);
    mark += strlen(ACCEPT_MARK);
    buf_append(&answer, mark, canned->answer_len - (size_t)(mark - canned->answer));
    send_bytes(fd, answer.data, answer.len);
}

static void *canned_thread(void *arg)
{
    struct canned *canned = arg;
    int fd = accept(canned->listener, NULL, NULL);
    while (!has_request(canned) && read_more(canned, fd))
        ;
    send_answer(canned, fd);
    while (canned->hold && sem_wait(&canned->go) < 0)
        ;
    while (canned->stay && read_more(canned, fd))
        ;
    close(fd);
    return NULL;
}

static void canned_start(struct canned *canned)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(address);
    assert_int_equal(sem_init(&canned->go, 0, 0), 0);
    canned->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(canned->listener, (struct sockaddr *)&address, len), 0);
    assert_int_equal(listen(canned->listener, 1), 0);
    assert_int_equal(getsockname(canned->listener, (struct sockaddr *)&address, &len), 0);
    snprintf(canned->url, sizeof(canned->url), "http://127.0.0.1:%u/base/", ntohs(address.sin_port));
    assert_int_equal(pthread_create(&canned->thread, NULL, canned_thread, canned), 0);
}

static void canned_end(struct canned *canned)
{
    pthread_join(canned->thread, NULL);
    close(canned->listener);
}

static void canned_release(struct canned *canned)
{
    buf_release(&canned->got);
}

#define CANNED(text, ...)                                             \
    {                                                                 \
        .answer = (text), .answer_len = sizeof(text) - 1, __VA_ARGS__ \
    }

static void assert_got(struct canned *canned, const char *part)
{
    if (!strstr(buf_cstr(&canned->got), part))
        fail_msg("\"%s\" was not sent: %s", part, buf_cstr(&canned->got));
}

static int request(struct canned *canned, const char *token, const char *header, struct client_response *response)
{
    CLEANUP(client_free) struct client *client = NULL;
    canned_start(canned);
    assert_int_equal(client_new(&(struct client_options){.url = canned->url, .token = token}, &client), 0);
    int err = client_request(client, "POST", "/api?x=1", STR("{\"a\":1}"), header, response);
    client_free(&client);
    canned_end(canned);
    return err;
}

static void a_request_says_all_and_its_answer_is_taken_whole(void **state)
{
    CLEANUP(canned_release)
    struct canned canned = CANNED("HTTP/1.1 201 Created\r\nContent-Length: 5\r\nX-Request-ID: req_7\r\n"
                                  "Content-Type: application/json\r\nX-Runnel-Incarnation: abc\r\n\r\nhello",
                                  .body_len = 7);
    CLEANUP(client_response_release) struct client_response response = {0};
    (void)state;
    assert_int_equal(request(&canned, "rnl_secret", "Idempotency-Key: k", &response), 0);
    assert_int_equal(response.status, 201);
    assert_str(buf_str(&response.body), "hello");
    assert_string_equal(response.request_id, "req_7");
    assert_string_equal(response.content_type, "application/json");
    assert_string_equal(response.incarnation, "abc");
    assert_int_equal(client_response_error(&response, NULL), 0);
    assert_got(&canned, "POST /base/api?x=1 HTTP/1.1\r\n");
    assert_got(&canned, "Authorization: Bearer rnl_secret\r\n");
    assert_got(&canned, "Content-Type: application/json\r\n");
    assert_got(&canned, "Idempotency-Key: k\r\n");
    assert_got(&canned, "\r\n\r\n{\"a\":1}");
}

static void errors_come_from_the_code_word_or_else_the_status(void **state)
{
    static const struct {
        int status;
        const char *body;
        int err;
        const char *text;
    } cases[] = {
        {409, "{\"error\":{\"code\":\"held\",\"message\":\"no\",\"request_id\":\"r\"}}", ERR_HELD, "no [request r]"},
        {404, "<html>", ERR_WRONG_SERVER,
         "what answers there is not a Runnel server (HTTP status 404): is the URL right?"},
        {404, "{\"error\":{\"code\":\"no_such_route\",\"message\":\"no such route\"}}", ERR_WRONG_SERVER,
         "there is no Runnel at this path (HTTP status 404): is the path of the URL right, and the server as new as "
         "this program?"},
        {404, "{\"error\":{\"code\":\"new_word\",\"message\":\"no\"}}", ERR_NOT_FOUND, "no"},
        {422,
         "{\"error\":{\"code\":\"invalid\",\"message\":\"bad\",\"fields\":[{\"name\":\"a\",\"reason\":\"is "
         "long\"},{\"name\":1}]}}",
         ERR_INVALID, "bad; a: is long"},
        {502, "", ERR_UNAVAILABLE, "a proxy in between says that the server behind it is away (HTTP status 502)"},
        {429, "", ERR_RATE, "a proxy in between wants fewer requests (HTTP status 429)"},
        {401, "", ERR_UNAUTHORIZED, "a proxy in between wants a login of its own (HTTP status 401)"},
        {418, "", ERR_WRONG_SERVER, "what answers there is not a Runnel server (HTTP status 418): is the URL right?"},
        {204, "", 0, ""},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        CLEANUP(client_response_release) struct client_response response = {.status = cases[i].status};
        CLEANUP(buf_release) struct buf text = {0};
        buf_append_text(&response.body, cases[i].body);
        assert_int_equal(client_response_error(&response, &text), cases[i].err);
        assert_str(buf_str(&text), cases[i].text);
    }
}

static void without_a_whole_answer_the_server_was_not_reached(void **state)
{
    CLEANUP(canned_release)
    struct canned cut = CANNED("HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nhel", .body_len = 7);
    CLEANUP(canned_release) struct canned silent = CANNED("", .body_len = 7);
    CLEANUP(client_response_release) struct client_response response = {0};
    CLEANUP(client_free) struct client *client = NULL;
    (void)state;
    assert_int_equal(request(&cut, NULL, NULL, &response), ERR_UNREACHABLE);
    assert_int_equal(request(&silent, NULL, NULL, &response), ERR_UNREACHABLE);
    // Nobody listens there any more.
    assert_int_equal(client_new(&(struct client_options){.url = cut.url}, &client), 0);
    assert_int_equal(client_request(client, "GET", "/", str_n(NULL, 0), NULL, &response), ERR_UNREACHABLE);
}

static void line_ends_cannot_be_smuggled_into_headers(void **state)
{
    CLEANUP(client_response_release) struct client_response response = {0};
    CLEANUP(client_free) struct client *client = NULL;
    (void)state;
    assert_int_equal(client_new(&(struct client_options){.url = "http://127.0.0.1:1", .token = "a\r\nB: c"}, &client),
                     ERR_INVALID);
    assert_int_equal(client_new(&(struct client_options){.url = "http://127.0.0.1:1"}, &client), 0);
    assert_int_equal(client_request(client, "GET", "/", str_n(NULL, 0), "A: b\nC: d", &response), ERR_INVALID);
}

// --- Uploads

static int upload(struct canned *canned, const struct client_source *source, const char *header,
                  struct client_response *response)
{
    CLEANUP(client_free) struct client *client = NULL;
    canned_start(canned);
    assert_int_equal(client_new(&(struct client_options){.url = canned->url, .token = "t"}, &client), 0);
    int err = client_upload(client, "PUT", "/b", source, header, response);
    client_free(&client);
    canned_end(canned);
    return err;
}

static int file_of(const char *text)
{
    int fd = memfd_create("source", MFD_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    return fd;
}

static void a_part_of_a_file_is_sent_as_the_body(void **state)
{
    CLEANUP(canned_release)
    struct canned canned =
        CANNED("HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\nUpload-Offset: 7\r\n\r\n", .body_len = 4);
    CLEANUP(canned_release) struct canned empty = CANNED("HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n");
    CLEANUP(client_response_release) struct client_response response = {0};
    CLEANUP(close_fd) int fd = file_of("0123456789");
    atomic_ullong moved = 0;
    (void)state;
    struct client_source source = {.fd = fd, .from = 3, .to = 7, .moved = &moved};
    assert_int_equal(upload(&canned, &source, "Content-Range: bytes 3-6/10", &response), 0);
    assert_int_equal(response.status, 202);
    assert_int_equal(response.upload_offset, 7);
    assert_true(response.has_length && response.length == 0);
    assert_int_equal(moved, 4);
    assert_got(&canned, "PUT /base/b HTTP/1.1\r\n");
    assert_got(&canned, "Content-Type: application/octet-stream\r\n");
    assert_got(&canned, "Content-Range: bytes 3-6/10\r\n");
    assert_got(&canned, "Content-Length: 4\r\n");
    assert_got(&canned, "\r\n\r\n3456");
    source = (struct client_source){.fd = fd};
    assert_int_equal(upload(&empty, &source, NULL, &response), 0);
    assert_int_equal(response.status, 201);
    assert_got(&empty, "Content-Length: 0\r\n");
}

static void a_file_that_is_shorter_than_told_ends_the_upload(void **state)
{
    CLEANUP(canned_release) struct canned canned = CANNED("HTTP/1.1 201 Created\r\n\r\n", .body_len = 20);
    CLEANUP(client_response_release) struct client_response response = {0};
    CLEANUP(close_fd) int fd = file_of("0123456789");
    struct client_source source = {.fd = fd, .to = 20};
    (void)state;
    assert_int_equal(upload(&canned, &source, NULL, &response), ERR_CORRUPT);
}

// The body does not fit into what the kernel keeps of a connection whose other end does not read.
static void an_answer_before_the_end_of_the_body_counts(void **state)
{
    CLEANUP(canned_release)
    struct canned canned =
        CANNED("HTTP/1.1 413 Too Large\r\nContent-Length: 40\r\n\r\n{\"error\":{\"code\":\"too_large\",\"n\":12345}}",
               .stay = true);
    CLEANUP(client_response_release) struct client_response response = {0};
    CLEANUP(close_fd) int fd = file_of("");
    (void)state;
    assert_int_equal(ftruncate(fd, 64 * 1024 * 1024), 0);
    struct client_source source = {.fd = fd, .to = 64 * 1024 * 1024};
    assert_int_equal(upload(&canned, &source, NULL, &response), 0);
    assert_int_equal(response.status, 413);
    assert_int_equal(client_response_error(&response, NULL), ERR_TOO_LARGE);
}

struct collected {
    struct buf bytes;
    size_t stop_at;
};

static bool collect(void *arg, struct str bytes)
{
    struct collected *collected = arg;
    buf_append_str(&collected->bytes, bytes);
    return collected->stop_at == 0 || collected->bytes.len < collected->stop_at;
}

static int stream(struct canned *canned, struct collected *collected, uint64_t idle_ms,
                  struct client_response *response)
{
    CLEANUP(client_free) struct client *client = NULL;
    canned_start(canned);
    assert_int_equal(client_new(&(struct client_options){.url = canned->url}, &client), 0);
    int err = client_stream(client, "/s", "Accept: text/plain", collect, collected, idle_ms, response);
    client_free(&client);
    canned_end(canned);
    return err;
}

static const struct {
    const char *name, *answer;
    bool stay;
    size_t stop_at;
    uint64_t idle_ms;
    int err;
    const char *streamed, *body;
} stream_cases[] = {
    {"whole", "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc", false, 0, 0, 0, "abc", ""},
    {"cut", "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc", false, 0, 0, ERR_CLOSED, "abc", ""},
    {"stopped", "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc", true, 3, 0, 0, "abc", ""},
    {"silent", "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc", true, 0, 100, ERR_CLOSED, "abc", ""},
    {"refused", "HTTP/1.1 404 Not Found\r\nContent-Length: 3\r\n\r\nabc", false, 0, 0, 0, "", "abc"},
};

static void streams_tell_an_end_from_a_cut(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(stream_cases); i++) {
        CLEANUP(canned_release)
        struct canned canned = {.answer = stream_cases[i].answer,
                                .answer_len = strlen(stream_cases[i].answer),
                                .stay = stream_cases[i].stay};
        CLEANUP(client_response_release) struct client_response response = {0};
        struct collected collected = {.stop_at = stream_cases[i].stop_at};
        int err = stream(&canned, &collected, stream_cases[i].idle_ms, &response);
        if (err != stream_cases[i].err)
            fail_msg("%s: %s", stream_cases[i].name, error_word(err));
        assert_str(buf_str(&collected.bytes), stream_cases[i].streamed);
        assert_str(buf_str(&response.body), stream_cases[i].body);
        buf_release(&collected.bytes);
    }
}

static void who_says_nothing_is_told_as_that(void **state)
{
    (void)state;
    CLEANUP(canned_release) struct canned canned = {.answer = "", .answer_len = 0, .stay = true};
    CLEANUP(client_response_release) struct client_response response = {0};
    struct collected collected = {0};
    int err = stream(&canned, &collected, 1000, &response);
    assert_int_equal(err, ERR_UNREACHABLE);
    assert_non_null(strstr(client_cause(&response, err), "nothing was heard of it for 1 s"));
}

// --- WebSocket

static struct client_ws *ws_open(struct canned *canned, int expected, struct client_response *response)
{
    struct client_ws *ws = NULL;
    canned_start(canned);
    struct client_options options = {.url = canned->url, .token = "t", .connect_timeout_ms = 2000};
    assert_int_equal(client_ws_open(&options, "/ws/x?after=-1", NULL, response, &ws), expected);
    return ws;
}

static void a_refused_handshake_gives_the_servers_reason(void **state)
{
    CLEANUP(canned_release)
    struct canned canned =
        CANNED("HTTP/1.1 409 Conflict\r\nContent-Length: 37\r\n\r\n{\"error\":{\"code\":\"held\",\"message\":1}}");
    CLEANUP(client_response_release) struct client_response response = {0};
    (void)state;
    ws_open(&canned, ERR_HELD, &response);
    canned_end(&canned);
    assert_int_equal(response.status, 409);
    assert_got(&canned, "GET /base/ws/x?after=-1 HTTP/1.1\r\nHost: 127.0.0.1:");
    assert_got(&canned, "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n");
    assert_got(&canned, "Authorization: Bearer t\r\n");
}

static void a_wrong_accept_is_no_websocket(void **state)
{
    CLEANUP(canned_release)
    struct canned wrong = CANNED(SWITCHING "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n");
    CLEANUP(canned_release) struct canned page = CANNED("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi");
    CLEANUP(canned_release) struct canned gone = CANNED("HTTP/1.1 101 Sw");
    (void)state;
    ws_open(&wrong, ERR_MALFORMED, NULL);
    canned_end(&wrong);
    ws_open(&page, ERR_MALFORMED, NULL);
    canned_end(&page);
    ws_open(&gone, ERR_UNREACHABLE, NULL);
    canned_end(&gone);
}

static void note_message(void *arg, int opcode, struct str data)
{
    struct buf *out = arg;
    buf_printf(out, "%d:%.*s ", opcode, STR_ARGS(data));
}

// Receives until the socket ends.
static int receive_to_end(struct client_ws *ws, struct buf *out, unsigned *ret_code)
{
    int err;
    while ((err = client_ws_receive(ws, note_message, out, ret_code)) == 0) {
        struct pollfd fd = {.fd = client_ws_fd(ws), .events = POLLIN};
        assert_int_equal(poll(&fd, 1, 5000), 1);
    }
    return err;
}

static const struct {
    const char *name, *frames;
    size_t len;
    int err;
    unsigned code;
    const char *messages;
} frame_cases[] = {
#define FRAMES(name, bytes, ...)                    \
    {                                               \
        name, bytes, sizeof(bytes) - 1, __VA_ARGS__ \
    }
    FRAMES("messages with the handshake's answer, then a close",
           "\x81\x02hi\x82\x01"
           "b\x88\x02\x03\xe8",
           ERR_CLOSED, 1000, "1:hi 2:b "),
    FRAMES("fragments", "\x01\x02he\x80\x01y\x88\x02\x0f\xa1", ERR_CLOSED, 4001, "1:hey "),
    FRAMES("gone without a close", "\x81\x02hi", ERR_CLOSED, 1006, "1:hi "),
    FRAMES("a masked frame of a server", "\x81\x82\x01\x02\x03\x04hi", ERR_MALFORMED, 1002, ""),
    FRAMES("text that is not UTF-8", "\x81\x01\xff", ERR_MALFORMED, 1007, ""),
#undef FRAMES
};

static void frames_become_messages_and_ends_have_a_code(void **state)
{
    static const char head[] = SWITCHING "Sec-WebSocket-Accept: " ACCEPT_MARK "\r\n\r\n";
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(frame_cases); i++) {
        CLEANUP(buf_release) struct buf answer = {0};
        CLEANUP(buf_release) struct buf messages = {0};
        buf_append(&answer, head, sizeof(head) - 1);
        buf_append(&answer, frame_cases[i].frames, frame_cases[i].len);
        CLEANUP(canned_release) struct canned canned = {.answer = answer.data, .answer_len = answer.len};
        struct client_ws *ws = ws_open(&canned, 0, NULL);
        unsigned code = 0;
        int err = receive_to_end(ws, &messages, &code);
        if (err != frame_cases[i].err || code != frame_cases[i].code)
            fail_msg("%s: %s, code %u", frame_cases[i].name, error_word(err), code);
        assert_str(buf_str(&messages), frame_cases[i].messages);
        client_ws_close(&ws, 1000);
        assert_null(ws);
        canned_end(&canned);
    }
}

static void pings_are_answered_with_masked_pongs(void **state)
{
    CLEANUP(canned_release)
    struct canned canned =
        CANNED(SWITCHING "Sec-WebSocket-Accept: " ACCEPT_MARK "\r\n\r\n\x89\x02pi\x81\x01x", .stay = true);
    CLEANUP(buf_release) struct buf messages = {0};
    (void)state;
    struct client_ws *ws = ws_open(&canned, 0, NULL);
    while (messages.len == 0)
        assert_int_equal(client_ws_receive(ws, note_message, &messages, NULL), 0);
    client_ws_close(&ws, 1000);
    canned_end(&canned);
    const uint8_t *pong = (const uint8_t *)strstr(buf_cstr(&canned.got), "\r\n\r\n") + 4;
    assert_int_equal(pong[0], 0x8a);
    assert_int_equal(pong[1], 0x82);
    assert_int_equal(pong[6] ^ pong[2], 'p');
    assert_int_equal(pong[7] ^ pong[3], 'i');
    assert_int_equal(pong[8], 0x88); // then the close
}

static void what_the_socket_does_not_take_is_pending(void **state)
{
    CLEANUP(canned_release)
    struct canned canned =
        CANNED(SWITCHING "Sec-WebSocket-Accept: " ACCEPT_MARK "\r\n\r\n", .stay = true, .hold = true);
    CLEANUP(free_ptr) char *data = xcalloc(1, 900000);
    size_t frames = 0;
    (void)state;
    struct client_ws *ws = ws_open(&canned, 0, NULL);
    for (; frames < 100 && client_ws_pending(ws) == 0; frames++)
        assert_int_equal(client_ws_send(ws, 2, data, 900000), 0);
    assert_true(client_ws_pending(ws) > 0);
    sem_post(&canned.go);
    while (client_ws_pending(ws) > 0) {
        struct pollfd fd = {.fd = client_ws_fd(ws), .events = POLLOUT};
        assert_int_equal(poll(&fd, 1, 5000), 1);
        assert_int_equal(client_ws_flush(ws), 0);
    }
    client_ws_close(&ws, 1000);
    canned_end(&canned);
    size_t head = (size_t)(strstr(buf_cstr(&canned.got), "\r\n\r\n") + 4 - canned.got.data);
    assert_int_equal(canned.got.len - head, frames * (900000 + 14) + 8);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_request_says_all_and_its_answer_is_taken_whole),
        cmocka_unit_test(errors_come_from_the_code_word_or_else_the_status),
        cmocka_unit_test(without_a_whole_answer_the_server_was_not_reached),
        cmocka_unit_test(line_ends_cannot_be_smuggled_into_headers),
        cmocka_unit_test(a_part_of_a_file_is_sent_as_the_body),
        cmocka_unit_test(a_file_that_is_shorter_than_told_ends_the_upload),
        cmocka_unit_test(an_answer_before_the_end_of_the_body_counts),
        cmocka_unit_test(streams_tell_an_end_from_a_cut),
        cmocka_unit_test(who_says_nothing_is_told_as_that),
        cmocka_unit_test(a_refused_handshake_gives_the_servers_reason),
        cmocka_unit_test(a_wrong_accept_is_no_websocket),
        cmocka_unit_test(frames_become_messages_and_ends_have_a_code),
        cmocka_unit_test(pings_are_answered_with_masked_pongs),
        cmocka_unit_test(what_the_socket_does_not_take_is_pending),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
