// Many deliveries on one socket: real WebSockets, a server on a loop of its own that keeps the records in memory and
// fails on demand, and real spools.
#include "http/http.h"
#include "model/parts.h"
#include "runner/delivery.h"
#include "runner/worker_link.h"
#include "util/testing.h"
#include "ws/ws.h"

#include <jansson.h>
#include <pthread.h>
#include <stdatomic.h>
#include <unistd.h>

#define RUNS 50

// --- The server

struct server_run {
    uint64_t next, digest;
    struct buf log;
    bool sealed;
};

struct server {
    struct loop *loop;
    struct http_server *http;
    struct listener *listener;
    pthread_t thread;
    char url[64];
    struct mail stop, say_job;
    struct ws *ws;
    struct server_run runs[RUNS];
    unsigned of_stream[RUNS * 64]; // number → 1 + run; 0: none
    uint32_t last_stream;
    struct buf acks;
    // Faults:
    atomic_uint cut_after;   // parts, then the socket is gone, once
    atomic_uint refuse_run;  // 1 + run: its stream is answered by `refuse_code`
    const char *refuse_code; // set before the connection
    atomic_bool no_acks;
    uint64_t window;
    // What came:
    pthread_mutex_t lock;
    unsigned connections, frames, parts, heartbeats, returns;
    size_t unacked_most;
    struct buf hello;
};

static void say(struct server *server, const char *fmt, ...) PRINTF_LIKE(2, 3);
static void say(struct server *server, const char *fmt, ...)
{
    char text[512];
    va_list args;
    va_start(args, fmt);
    int len = vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    if (server->ws)
        ws_send(server->ws, WS_TEXT, text, (size_t)len);
}

static struct server_run *run_of(struct server *server, uint32_t number)
{
    assert_true(number > 0 && number < ARRAY_LEN(server->of_stream));
    unsigned run = server->of_stream[number];
    return run > 0 ? &server->runs[run - 1] : NULL;
}

static void take_part(struct server *server, const struct part *part)
{
    CLEANUP(chunk_unref) struct chunk *chunk = NULL;
    struct server_run *run = run_of(server, part->stream);
    if (!run)
        return;
    assert_int_equal(chunk_decode(part->chunk.data, part->chunk.len, 1 << 20, &chunk), 0);
    assert_true(part->first <= run->next); // no gap
    for (uint32_t i = 0; i < chunk_count(chunk); i++) {
        struct record record;
        if (part->first + i < run->next)
            continue;
        chunk_record(chunk, i, &record);
        buf_append_str(&run->log, record.message);
        buf_append_byte(&run->log, '\n');
        run->digest = record_digest_next(run->digest, &record);
        run->next++;
    }
    server->parts++;
    if (!server->no_acks)
        buf_printf(&server->acks, "%s[%u,%lld]", server->acks.len > 0 ? "," : "", part->stream,
                   (long long)run->next - 1);
}

static void take_frame(struct server *server, struct str frame)
{
    struct part part;
    size_t unacked = frame.len;
    assert_int_equal(parts_check(frame), 0);
    assert_true(frame.len <= 1024 * 1024);
    server->frames++;
    server->unacked_most = MAX(server->unacked_most, unacked);
    while (parts_next(&frame, &part))
        take_part(server, &part);
    if (server->acks.len > 0) {
        CLEANUP(buf_release) struct buf text = {0};
        buf_printf(&text, "{\"type\":\"acks\",\"acks\":[%s]}", buf_cstr(&server->acks));
        ws_send(server->ws, WS_TEXT, text.data, text.len);
    }
    buf_reset(&server->acks);
}

static void take_open(struct server *server, uint32_t number, const json_t *message)
{
    unsigned run;
    const char *id = json_string_value(json_object_get(message, "execution_id"));
    assert_int_equal(sscanf(id, "run-%u", &run), 1);
    assert_true(number > server->last_stream);
    server->last_stream = number;
    if (server->refuse_run == run + 1) {
        say(server, "{\"type\":\"closed\",\"stream\":%u,\"code\":\"%s\",\"reason\":\"no\"}", number,
            server->refuse_code);
        return;
    }
    server->of_stream[number] = run + 1;
    say(server,
        "{\"type\":\"ready\",\"stream\":%u,\"execution_id\":\"%s\",\"next_sequence\":%llu,\"digest\":\"%016llx\","
        "\"epoch\":7,\"incarnation\":\"i\",\"chunk_versions\":[2]}",
        number, id, (unsigned long long)server->runs[run].next, (unsigned long long)server->runs[run].digest);
}

static void take_complete(struct server *server, uint32_t number)
{
    struct server_run *run = run_of(server, number);
    run->sealed = true;
    say(server, "{\"type\":\"completed\",\"stream\":%u,\"next_sequence\":%llu,\"digest\":\"%016llx\"}", number,
        (unsigned long long)run->next, (unsigned long long)run->digest);
    say(server, "{\"type\":\"closed\",\"stream\":%u,\"code\":\"completed\",\"reason\":\"\"}", number);
    server->of_stream[number] = 0;
}

static void take_text(struct server *server, struct str text)
{
    json_t *message = json_loadb(text.data, text.len, 0, NULL);
    const char *type = json_string_value(json_object_get(message, "type"));
    uint32_t number = (uint32_t)json_integer_value(json_object_get(message, "stream"));
    assert_non_null(type);
    if (strcmp(type, "hello") == 0) {
        buf_reset(&server->hello);
        buf_append_str(&server->hello, text);
        say(server, "{\"type\":\"welcome\",\"stream_window\":%llu,\"heartbeat_seconds\":1}",
            (unsigned long long)server->window);
    } else if (strcmp(type, "open") == 0) {
        take_open(server, number, message);
    } else if (strcmp(type, "complete") == 0) {
        take_complete(server, number);
    } else if (strcmp(type, "close") == 0) {
        server->of_stream[number] = 0;
    } else if (strcmp(type, "heartbeat") == 0) {
        server->heartbeats += number == 0;
    } else if (strcmp(type, "return") == 0) {
        server->returns++;
    } else {
        fail_msg("unexpected message: %.*s", STR_ARGS(text));
    }
    json_decref(message);
}

static void on_message(void *owner, enum ws_opcode opcode, const uint8_t *data, size_t len)
{
    struct server *server = owner;
    struct str bytes = str_n((const char *)data, len);
    pthread_mutex_lock(&server->lock);
    if (opcode == WS_BINARY)
        take_frame(server, bytes);
    else
        take_text(server, bytes);
    pthread_mutex_unlock(&server->lock);
    if (server->cut_after > 0 && server->parts >= server->cut_after) {
        server->cut_after = 0;
        ws_free(&server->ws);
    }
}

static void on_closed(void *owner, unsigned code)
{
    struct server *server = owner;
    (void)code;
    server->ws = NULL;
}

static void on_request(void *app, struct http_request *request)
{
    static const struct ws_handler handler = {.message = on_message, .closed = on_closed};
    static const struct ws_limits limits = {.message_max = 4 << 20, .ping_every_ms = 20000, .pong_timeout_ms = 60000};
    struct server *server = app;
    assert_true(str_eq(http_path(request), STR("/ws/workers")));
    pthread_mutex_lock(&server->lock);
    server->connections++;
    server->last_stream = 0;
    memset(server->of_stream, 0, sizeof(server->of_stream));
    pthread_mutex_unlock(&server->lock);
    server->ws = ws_accept(request, &limits, &handler, server);
    assert_non_null(server->ws);
}

static void on_accepted(void *arg, int fd)
{
    struct server *server = arg;
    http_server_accept(server->http, &(struct http_accepted){.fd = fd});
}

static void on_stop(struct mail *mail)
{
    struct server *server = CONTAINER_OF(mail, struct server, stop);
    ws_free(&server->ws);
    listener_free(&server->listener);
    http_server_free(&server->http);
    loop_stop(server->loop);
}

static void on_say_job(struct mail *mail)
{
    struct server *server = CONTAINER_OF(mail, struct server, say_job);
    say(server, "{\"type\":\"job\",\"execution_id\":\"run-1\",\"epoch\":3}");
}

static void *run_server(void *arg)
{
    struct server *server = arg;
    loop_run(server->loop);
    return NULL;
}

static void server_start(struct server *server)
{
    static const struct http_limits limits = {.url_max = 8192,
                                              .headers_max = 16384,
                                              .body_max = 1 << 20,
                                              .connections_max = 16,
                                              .header_timeout_ms = 10000,
                                              .idle_timeout_ms = 10000,
                                              .send_timeout_ms = 10000};
    server->stop.deliver = on_stop;
    server->say_job.deliver = on_say_job;
    server->window = 1 << 20;
    pthread_mutex_init(&server->lock, NULL);
    assert_int_equal(loop_new(&server->loop), 0);
    struct http_app app = {.request = on_request, .app = server};
    server->http = http_server_new(server->loop, &app, &limits, NULL);
    assert_int_equal(listener_new(server->loop, "127.0.0.1:0", on_accepted, server, &server->listener), 0);
    snprintf(server->url, sizeof(server->url), "http://127.0.0.1:%u", listener_port(server->listener));
    assert_int_equal(pthread_create(&server->thread, NULL, run_server, server), 0);
}

static void server_end(struct server *server)
{
    loop_post(server->loop, &server->stop);
    pthread_join(server->thread, NULL);
    loop_free(&server->loop);
    for (size_t i = 0; i < RUNS; i++)
        buf_release(&server->runs[i].log);
    buf_release(&server->hello);
    buf_release(&server->acks);
    pthread_mutex_destroy(&server->lock);
}

// --- The worker

struct fixture;

struct run {
    struct fixture *fixture;
    struct run_file file;
    struct spool *spool;
    struct delivery *delivery;
    unsigned ended;
    int err;
};

struct fixture {
    struct server server;
    struct client_options client;
    char *root;
    struct loop *loop;
    struct pool *pool;
    struct worker_link *worker;
    struct timer *guard;
    struct run runs[RUNS];
    unsigned ended, welcomes, losses, jobs;
};

static void delivery_quiet(void *arg)
{
    (void)arg;
}

static void delivery_cancelled(void *arg, const char *reason, uint64_t grace_ms)
{
    (void)reason;
    (void)arg;
    (void)grace_ms;
}

static void delivery_trouble(void *arg, int err, const char *text)
{
    (void)arg;
    assert_true(err < 0 && text[0]);
}

static void delivery_ended(void *arg, int err, const char *text)
{
    struct run *run = arg;
    (void)text;
    run->ended++;
    run->err = err;
    run->fixture->ended++;
    loop_stop(run->fixture->loop);
}

static const struct delivery_events delivery_events = {delivery_quiet, delivery_quiet,   delivery_cancelled,
                                                       delivery_quiet, delivery_trouble, delivery_ended};

static void worker_hello(void *arg, struct json_writer *json)
{
    (void)arg;
    json_add_text(json, "worker_id", "w");
}

static uint32_t worker_slots_free(void *arg)
{
    (void)arg;
    return 3;
}

static void worker_welcome(void *arg, const json_t *message)
{
    struct fixture *fixture = arg;
    assert_non_null(json_object_get(message, "stream_window"));
    fixture->welcomes++;
    loop_stop(fixture->loop);
}

static void worker_job(void *arg, const json_t *message)
{
    struct fixture *fixture = arg;
    assert_int_equal(json_integer_value(json_object_get(message, "epoch")), 3);
    fixture->jobs++;
    loop_stop(fixture->loop);
}

static void worker_lost(void *arg)
{
    ((struct fixture *)arg)->losses++;
}

static void worker_trouble(void *arg, int err, const char *text)
{
    (void)arg;
    assert_true(err < 0 && text[0]);
}

static const struct worker_link_events worker_events = {worker_hello, worker_slots_free, worker_welcome, worker_job,
                                                        worker_lost,  worker_trouble,    NULL,           NULL};

static void too_late(void *arg)
{
    (void)arg;
    fail_msg("nothing more happened");
}

static int set_up(void **state)
{
    struct fixture *fixture = xcalloc(1, sizeof(*fixture));
    fixture->root = xasprintf("%s/runnel-worker-XXXXXX", getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp");
    assert_non_null(mkdtemp(fixture->root));
    server_start(&fixture->server);
    fixture->client.url = fixture->server.url;
    assert_int_equal(loop_new(&fixture->loop), 0);
    assert_int_equal(pool_new(2, 64, &fixture->pool), 0);
    fixture->guard = timer_new(fixture->loop, too_late, fixture);
    timer_start(fixture->guard, 40000);
    *state = fixture;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;
    for (size_t i = 0; i < RUNS; i++)
        delivery_free(&fixture->runs[i].delivery);
    worker_link_free(&fixture->worker);
    timer_free(&fixture->guard);
    pool_free(&fixture->pool);
    loop_free(&fixture->loop);
    for (size_t i = 0; i < RUNS; i++) {
        spool_free(&fixture->runs[i].spool);
        run_file_release(&fixture->runs[i].file);
    }
    server_end(&fixture->server);
    CLEANUP(free_ptr) char *command = xasprintf("rm -rf '%s'", fixture->root);
    assert_int_equal(system(command), 0);
    free(fixture->root);
    free(fixture);
    return 0;
}

static void worker_start(struct fixture *fixture)
{
    struct worker_link_options options = {.loop = fixture->loop,
                                          .pool = fixture->pool,
                                          .server = &fixture->client,
                                          .events = &worker_events,
                                          .arg = fixture};
    fixture->worker = worker_link_new(&options);
}

static void run_start(struct fixture *fixture, unsigned number)
{
    struct run *run = &fixture->runs[number];
    run->fixture = fixture;
    run->file.execution_id = xasprintf("run-%u", number);
    run->file.url = xstrdup(fixture->server.url);
    run->file.producer = xstrdup("p");
    CLEANUP(free_ptr) char *dir = xasprintf("%s/%u", fixture->root, number);
    assert_int_equal(spool_create(&(struct spool_options){.dir = dir, .bytes_max = 1 << 26}, &run->spool), 0);
    struct delivery_options options = {.loop = fixture->loop,
                                       .pool = fixture->pool,
                                       .link = worker_link_stream(fixture->worker, &run->file, NULL),
                                       .run = &run->file,
                                       .spool = run->spool,
                                       .events = &delivery_events,
                                       .arg = run};
    run->delivery = delivery_new(&options);
}

static void line(struct run *run, const char *message, size_t copies)
{
    struct chunk_builder *builder = chunk_builder_new();
    struct record record = {.time_ms = 1763202615123, .stream = STREAM_STDOUT, .message = str_of(message)};
    for (size_t i = 0; i < copies; i++)
        assert_int_equal(chunk_builder_add(builder, &record), 0);
    CLEANUP(chunk_unref) struct chunk *chunk = chunk_builder_finish(builder, 0);
    chunk_builder_free(&builder);
    assert_int_equal(spool_append(run->spool, chunk), 0);
    delivery_spooled(run->delivery);
}

// What cannot be packed to much less.
static char *noise(char text[1001], uint64_t seed)
{
    for (size_t i = 0; i < 1000; i++)
        text[i] = (char)('0' + test_random(&seed) % 64);
    text[1000] = 0;
    return text;
}

static void finish(struct run *run)
{
    run->file.ended = run->file.has_exit_code = true;
    run->file.records = spool_next(run->spool);
    delivery_complete(run->delivery);
}

static void await(struct fixture *fixture, const unsigned *count, unsigned wanted)
{
    while (*count < wanted)
        loop_run(fixture->loop);
}

// --- Tests

static void many_runs_are_delivered_on_one_socket(void **state)
{
    struct fixture *fixture = *state;
    worker_start(fixture);
    for (unsigned i = 0; i < RUNS; i++)
        run_start(fixture, i);
    for (unsigned i = 0; i < RUNS; i++)
        line(&fixture->runs[i], fixture->runs[i].file.execution_id, 1);
    for (unsigned i = 0; i < RUNS; i++)
        finish(&fixture->runs[i]);
    await(fixture, &fixture->ended, RUNS);
    for (unsigned i = 0; i < RUNS; i++) {
        CLEANUP(free_ptr) char *expected = xasprintf("run-%u\n", i);
        assert_int_equal(fixture->runs[i].err, 0);
        assert_string_equal(buf_cstr(&fixture->server.runs[i].log), expected);
        assert_true(fixture->server.runs[i].sealed);
        assert_int_equal(fixture->runs[i].file.epoch, 7);
    }
    assert_int_equal(fixture->server.connections, 1);
    assert_int_equal(fixture->server.parts, RUNS);
    assert_true(fixture->server.frames < RUNS / 2); // those of one turn share one
    assert_non_null(strstr(buf_cstr(&fixture->server.hello), "\"worker_id\":\"w\""));
}

static void a_socket_that_is_cut_loses_and_repeats_nothing(void **state)
{
    struct fixture *fixture = *state;
    fixture->server.cut_after = RUNS / 2;
    worker_start(fixture);
    for (unsigned i = 0; i < RUNS; i++)
        run_start(fixture, i);
    await(fixture, &fixture->welcomes, 1);
    for (unsigned turn = 0; turn < 4; turn++)
        for (unsigned i = 0; i < RUNS; i++)
            line(&fixture->runs[i], "line", 1);
    await(fixture, &fixture->welcomes, 2);
    for (unsigned i = 0; i < RUNS; i++) {
        line(&fixture->runs[i], "last", 1);
        finish(&fixture->runs[i]);
    }
    await(fixture, &fixture->ended, RUNS);
    for (unsigned i = 0; i < RUNS; i++) {
        assert_int_equal(fixture->runs[i].err, 0);
        assert_string_equal(buf_cstr(&fixture->server.runs[i].log), "line\nline\nline\nline\nlast\n");
    }
    assert_int_equal(fixture->losses, 1);
    assert_int_equal(fixture->server.connections, 2);
}

static void a_stream_that_is_refused_for_good_ends_alone(void **state)
{
    struct fixture *fixture = *state;
    fixture->server.refuse_run = 2;
    fixture->server.refuse_code = "fenced";
    worker_start(fixture);
    for (unsigned i = 0; i < 3; i++)
        run_start(fixture, i);
    await(fixture, &fixture->runs[1].ended, 1);
    assert_int_equal(fixture->runs[1].err, ERR_FENCED);
    line(&fixture->runs[0], "a", 1);
    finish(&fixture->runs[0]);
    finish(&fixture->runs[2]);
    await(fixture, &fixture->ended, 3);
    assert_int_equal(fixture->runs[0].err, 0);
    assert_int_equal(fixture->runs[2].err, 0);
    assert_string_equal(buf_cstr(&fixture->server.runs[0].log), "a\n");
}

static void a_stream_that_is_refused_for_now_is_tried_again(void **state)
{
    struct fixture *fixture = *state;
    fixture->server.refuse_run = 1;
    fixture->server.refuse_code = "held";
    worker_start(fixture);
    run_start(fixture, 0);
    run_start(fixture, 1);
    line(&fixture->runs[0], "a", 1);
    finish(&fixture->runs[1]);
    await(fixture, &fixture->runs[1].ended, 1);
    fixture->server.refuse_run = 0;
    finish(&fixture->runs[0]);
    await(fixture, &fixture->runs[0].ended, 1);
    assert_int_equal(fixture->runs[0].err, 0);
    assert_string_equal(buf_cstr(&fixture->server.runs[0].log), "a\n");
    assert_int_equal(fixture->server.connections, 1);
}

static void a_flood_does_not_keep_the_others_from_their_turn(void **state)
{
    struct fixture *fixture = *state;
    char text[1001];
    fixture->server.window = 1; // as small as it is taken
    worker_start(fixture);
    for (unsigned i = 0; i < 3; i++)
        run_start(fixture, i);
    await(fixture, &fixture->welcomes, 1);
    for (unsigned i = 0; i < 200 * 50; i++)
        line(&fixture->runs[0], noise(text, i), 1);
    line(&fixture->runs[1], "calm", 1);
    finish(&fixture->runs[1]);
    await(fixture, &fixture->runs[1].ended, 1);
    pthread_mutex_lock(&fixture->server.lock);
    bool flood_first = fixture->server.runs[0].next == 200 * 50;
    pthread_mutex_unlock(&fixture->server.lock);
    assert_false(flood_first);
    finish(&fixture->runs[0]);
    finish(&fixture->runs[2]);
    await(fixture, &fixture->ended, 3);
    assert_int_equal(fixture->runs[0].err, 0);
    assert_int_equal(fixture->server.runs[0].next, 200 * 50);
}

static void nothing_is_sent_beyond_the_window(void **state)
{
    struct fixture *fixture = *state;
    char text[1001];
    fixture->server.window = 100 * 1024;
    fixture->server.no_acks = true;
    worker_start(fixture);
    run_start(fixture, 0);
    run_start(fixture, 1);
    await(fixture, &fixture->welcomes, 1);
    for (unsigned i = 0; i < 2000; i++)
        line(&fixture->runs[0], noise(text, i), 1);
    finish(&fixture->runs[1]); // has nothing: its end comes behind all that the other could send
    await(fixture, &fixture->runs[1].ended, 1);
    pthread_mutex_lock(&fixture->server.lock);
    uint64_t came = fixture->server.runs[0].next;
    pthread_mutex_unlock(&fixture->server.lock);
    assert_in_range(came, 1, 2 * 175); // the window, and the last chunk that began within it; less for being packed
}

static void jobs_and_returns_pass(void **state)
{
    struct fixture *fixture = *state;
    worker_start(fixture);
    assert_false(worker_link_connected(fixture->worker));
    assert_int_equal(worker_link_send(fixture->worker, STR("{\"type\":\"drain\"}")), ERR_CLOSED);
    await(fixture, &fixture->welcomes, 1);
    assert_true(worker_link_connected(fixture->worker));
    loop_post(fixture->server.loop, &fixture->server.say_job);
    await(fixture, &fixture->jobs, 1);
    assert_int_equal(
        worker_link_send(fixture->worker, STR("{\"type\":\"return\",\"execution_id\":\"run-1\",\"epoch\":3}")), 0);
    run_start(fixture, 0);
    finish(&fixture->runs[0]);
    await(fixture, &fixture->ended, 1);
    assert_int_equal(fixture->server.returns, 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(many_runs_are_delivered_on_one_socket),
        TEST(a_socket_that_is_cut_loses_and_repeats_nothing),
        TEST(a_stream_that_is_refused_for_good_ends_alone),
        TEST(a_stream_that_is_refused_for_now_is_tried_again),
        TEST(a_flood_does_not_keep_the_others_from_their_turn),
        TEST(nothing_is_sent_beyond_the_window),
        TEST(jobs_and_returns_pass),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
