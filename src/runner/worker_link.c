#include "model/config_limits.h"
#include "runner/worker_link_private.h"
#include "util/clock.h"
#include "util/id.h"

#define TICK_MS       1000
#define GREETING_MS   20000 // how long the server may wait with `welcome`
#define SILENCE_MS    60000 // the server pings every 20 s, so longer silence means that it is gone
#define TURN_MAX      ((size_t)1024 * 1024)
#define WINDOW_MIN    ((uint64_t)64 * 1024)
#define WS_TEXT_FRAME 1

// One attempt to get a socket. Runs in the pool.
struct worker_connect {
    struct job job;
    struct worker_link *worker; // NULL when nobody wants the result any more
    struct client_options server;
    atomic_bool abort;
    // Results:
    int err;
    struct client_ws *ws;
    struct buf text; // for people
};

static void connect_later(struct worker_link *worker, uint64_t good_ms)
{
    timer_start(worker->retry, backoff_lost(&worker->backoff, good_ms));
}

static void trouble(const struct worker_link *worker, int err, const char *text)
{
    worker->options.events->trouble(worker->options.arg, err, text);
}

// --- The end of a connection

static void lose_stream(struct map_node *node, void *arg)
{
    (void)arg;
    stream_link_lost(CONTAINER_OF(node, struct worker_stream, node));
}

// Deliveries go on once everything of a turn was told: a server's frame may be about thousands of them.
static void settle(struct worker_link *worker)
{
    while (!list_empty(&worker->touched)) {
        struct worker_stream *stream = CONTAINER_OF(worker->touched.next, struct worker_stream, touched);
        list_remove(&stream->touched);
        stream->link.events->settled(stream->link.arg);
    }
}

static void lose(struct worker_link *worker)
{
    bool was_welcomed = worker->welcomed;
    uint64_t good_ms = was_welcomed ? clock_mono_ms() - worker->welcomed_ms : 0;
    watch_free(&worker->watch);
    client_ws_close(&worker->ws, 1001);
    deferred_cancel(&worker->flush);
    timer_stop(worker->listen_on);
    buf_reset(&worker->parts);
    worker->welcomed = worker->lost = false;
    worker->last_stream = 0;
    map_each(&worker->streams, lose_stream, NULL);
    connect_later(worker, good_ms);
    if (was_welcomed)
        worker->options.events->lost(worker->options.arg);
    settle(worker);
}

static void breach(struct worker_link *worker, int err, const char *text)
{
    worker->lost = true;
    trouble(worker, err, text);
}

// --- Listening

static void heard_welcome(struct worker_link *worker, json_t *message)
{
    json_int_t window = json_integer_value(json_object_get(message, "stream_window")),
               heartbeat = json_integer_value(json_object_get(message, "heartbeat_seconds"));
    worker->stream_window = MAX((uint64_t)MAX(window, (json_int_t)0), WINDOW_MIN);
    worker->heartbeat_ms = heartbeat > 0 ? MIN((uint64_t)heartbeat * 1000, (uint64_t)HEARTBEAT_MS) : HEARTBEAT_MS;
    worker->welcomed = true;
    worker->welcomed_ms = worker->heartbeat_sent_ms = clock_mono_ms();
    worker->options.events->welcome(worker->options.arg, message);
    while (!list_empty(&worker->idle) && worker->ws)
        stream_link_open(CONTAINER_OF(worker->idle.next, struct worker_stream, place));
}

static void heard_acks(struct worker_link *worker, json_t *message)
{
    const json_t *acks = json_object_get(message, "acks");
    for (size_t i = 0; i < json_array_size(acks); i++) {
        const json_t *pair = json_array_get(acks, i), *number = json_array_get(pair, 1);
        json_int_t stream_number = json_integer_value(json_array_get(pair, 0));
        struct worker_stream *stream =
            stream_number > 0 && stream_number <= UINT32_MAX ? stream_link_find(worker, (uint32_t)stream_number) : NULL;
        if (stream && json_is_integer(number) && json_integer_value(number) >= 0)
            stream_link_acked(stream, (uint64_t)json_integer_value(number));
    }
    backoff_reset(&worker->backoff);
}

static void tell_alive(struct map_node *node, void *arg)
{
    const uint64_t *at_ms = arg;
    stream_link_alive(CONTAINER_OF(node, struct worker_stream, node), *at_ms);
}

static void heard_alive(struct worker_link *worker, json_t *message)
{
    const json_t *at = json_object_get(message, "at");
    uint64_t at_ms = (uint64_t)json_integer_value(at);
    if (!json_is_integer(at) || json_integer_value(at) < 0 || at_ms > clock_boot_ms())
        return; // it was not said here
    worker->proved_ms = MAX(worker->proved_ms, at_ms);
    map_each(&worker->streams, tell_alive, &at_ms);
}

static void heard_drain(struct worker_link *worker, bool on)
{
    if (worker->options.events->drain)
        worker->options.events->drain(worker->options.arg, on);
}

static void heard_error(struct worker_link *worker, json_t *message)
{
    const char *text = json_string_value(json_object_get(message, "error")),
               *code = json_string_value(json_object_get(message, "code"));
    bool held = code && strcmp(code, error_word(ERR_HELD)) == 0;
    if (held && worker->options.events->refused)
        worker->options.events->refused(worker->options.arg, text ? text : error_text(ERR_HELD));
    else
        trouble(worker, ERR_MALFORMED, text ? text : error_text(ERR_MALFORMED));
}

static void heard_own(struct worker_link *worker, const char *type, json_t *message)
{
    if (strcmp(type, "welcome") == 0)
        heard_welcome(worker, message);
    else if (strcmp(type, "acks") == 0)
        heard_acks(worker, message);
    else if (strcmp(type, "alive") == 0)
        heard_alive(worker, message);
    else if (strcmp(type, "job") == 0)
        worker->options.events->job(worker->options.arg, message);
    else if (strcmp(type, "drain") == 0 || strcmp(type, "resume") == 0)
        heard_drain(worker, *type == 'd');
    else if (strcmp(type, "error") == 0)
        heard_error(worker, message);
}

static void heard_of_stream(struct worker_link *worker, json_int_t number, const char *type, json_t *message)
{
    struct worker_stream *stream =
        number > 0 && number <= UINT32_MAX ? stream_link_find(worker, (uint32_t)number) : NULL;
    if (!stream)
        return; // it was closed from this side
    if (strcmp(type, "closed") == 0) {
        const char *code = json_string_value(json_object_get(message, "code")),
                   *reason = json_string_value(json_object_get(message, "reason"));
        stream_link_closed(stream, code ? code : "", reason ? reason : "the server closed it without a reason");
    } else {
        stream_link_message(stream, message);
    }
}

static void heard(void *arg, int opcode, struct str data)
{
    struct worker_link *worker = arg;
    if (opcode != WS_TEXT_FRAME || worker->lost)
        return;
    json_t *message = json_loadb(data.data, data.len, 0, NULL);
    const char *type = json_string_value(json_object_get(message, "type"));
    const json_t *number = json_object_get(message, "stream");
    if (!type)
        breach(worker, ERR_MALFORMED, "what it says is no message of a server of this kind");
    else if (number)
        heard_of_stream(worker, json_integer_value(number), type, message);
    else
        heard_own(worker, type, message);
    json_decref(message);
}

static void listen_now(struct worker_link *worker)
{
    int err = client_ws_receive(worker->ws, heard, worker, NULL);
    if (err == ERR_MALFORMED)
        breach(worker, err, "what it sends breaks the WebSocket protocol");
    else if (err < 0)
        worker->lost = true;
    else if (client_ws_more(worker->ws))
        timer_start(worker->listen_on, 0);
}

// Those who wait take turns as long as there is room.
static void give_room(struct worker_link *worker)
{
    struct list_node turn;
    list_init(&turn);
    list_splice(&turn, &worker->waiting);
    while (!list_empty(&turn) && !worker_full(worker)) {
        struct worker_stream *stream = CONTAINER_OF(turn.next, struct worker_stream, waiting);
        list_remove(&stream->waiting);
        stream->link.events->settled(stream->link.arg);
    }
    list_splice(&turn, &worker->waiting); // those who have had no turn go first
    list_splice(&worker->waiting, &turn);
}

static void socket_ready(void *arg, unsigned events)
{
    struct worker_link *worker = arg;
    if (events & WATCH_WRITE && client_ws_flush(worker->ws) < 0)
        worker->lost = true;
    if (!worker->lost && events & (WATCH_READ | WATCH_ERROR))
        listen_now(worker);
    if (worker->lost) {
        lose(worker);
        return;
    }
    settle(worker);
    if (!worker_full(worker))
        give_room(worker);
    loop_defer(worker->options.loop, &worker->flush);
}

static void on_listen_on(void *arg)
{
    struct worker_link *worker = arg;
    if (worker->lost && worker->ws)
        lose(worker);
    else if (worker->ws)
        socket_ready(worker, WATCH_READ);
}

// --- Connecting

static void say_hello(struct worker_link *worker)
{
    CLEANUP(buf_release) struct buf text = {0};
    struct json_writer json = json_writer_to(&text);
    json_open_object(&json, NULL);
    json_add_text(&json, "type", "hello");
    json_add_u64(&json, "at", clock_boot_ms());
    worker->options.events->hello(worker->options.arg, &json);
    json_close(&json);
    json_writer_end(&json);
    worker_send_text(worker, buf_str(&text), 0);
}

static void connect_free(struct worker_connect *it)
{
    client_ws_close(&it->ws, 1001);
    buf_release(&it->text);
    free(it);
}

static void connect_work(struct job *job)
{
    struct worker_connect *it = CONTAINER_OF(job, struct worker_connect, job);
    CLEANUP(client_response_release) struct client_response response = {0};
    it->err = client_ws_open(&it->server, "/ws/workers", NULL, &response, &it->ws);
    if (it->err == 0)
        return;
    int err = response.status > 0 ? client_response_error(&response, &it->text) : 0;
    if (err < 0)
        it->err = err;
    if (it->text.len == 0)
        buf_append_text(&it->text, client_cause(&response, it->err));
}

static void adopt(struct worker_link *worker, struct worker_connect *it)
{
    int err = watch_new(worker->options.loop, client_ws_fd(it->ws), socket_ready, worker, &worker->watch);
    if (err < 0) {
        trouble(worker, err, error_text(err));
        connect_later(worker, 0);
        return;
    }
    worker->ws = TAKE_PTR(it->ws);
    worker->opened_ms = clock_mono_ms();
    client_ws_set_turn(worker->ws, TURN_MAX);
    say_hello(worker);
    timer_start(worker->listen_on, 0); // something may have come together with the answer of the handshake
}

static void connect_done(struct job *job)
{
    struct worker_connect *it = CONTAINER_OF(job, struct worker_connect, job);
    struct worker_link *worker = it->worker;
    if (worker) {
        worker->connecting = NULL;
        if (it->ws) {
            adopt(worker, it);
        } else {
            connect_later(worker, 0);
            trouble(worker, it->err, buf_cstr(&it->text));
        }
    }
    connect_free(it);
}

static void on_retry(void *arg)
{
    struct worker_link *worker = arg;
    struct worker_connect *it = xcalloc(1, sizeof(*it));
    it->worker = worker;
    it->server = *worker->options.server;
    it->server.abort = &it->abort;
    it->job.reply_to = worker->options.loop;
    it->job.work = connect_work;
    it->job.done = connect_done;
    if (pool_submit(worker->options.pool, &it->job) < 0) {
        connect_free(it);
        connect_later(worker, 0);
        return;
    }
    worker->connecting = it;
}

// --- Time

static void say_heartbeat(struct worker_link *worker)
{
    char text[96];
    worker->heartbeat_sent_ms = clock_mono_ms();
    snprintf(text, sizeof(text), "{\"type\":\"heartbeat\",\"slots_free\":%u,\"at\":%llu}",
             worker->options.events->slots_free(worker->options.arg), (unsigned long long)clock_boot_ms());
    worker_send_text(worker, str_of(text), 0);
}

static void on_tick(void *arg)
{
    struct worker_link *worker = arg;
    uint64_t now = clock_mono_ms();
    timer_start(worker->tick, TICK_MS);
    if (!worker->ws)
        return;
    if ((!worker->welcomed && now - worker->opened_ms > GREETING_MS) ||
        now - MIN(now, client_ws_last_receive_ms(worker->ws)) > SILENCE_MS) {
        breach(worker, ERR_TIMEOUT, "it says nothing any more");
        lose(worker);
    } else if (worker->last_stream == UINT32_MAX) {
        lose(worker); // numbers begin anew
    } else if (worker->welcomed && now - worker->heartbeat_sent_ms >= worker->heartbeat_ms) {
        say_heartbeat(worker);
    }
}

// --- Life

struct worker_link *worker_link_new(const struct worker_link_options *options)
{
    struct worker_link *worker = xcalloc(1, sizeof(*worker));
    worker->options = *options;
    worker->backoff.random = random_u64();
    map_init(&worker->streams);
    list_init(&worker->idle);
    list_init(&worker->waiting);
    list_init(&worker->touched);
    deferred_init(&worker->flush, link_flush);
    worker->retry = timer_new(options->loop, on_retry, worker);
    worker->tick = timer_new(options->loop, on_tick, worker);
    worker->listen_on = timer_new(options->loop, on_listen_on, worker);
    connect_later(worker, 0);
    worker->backoff.attempts = 0; // the first one was none
    timer_start(worker->tick, TICK_MS);
    return worker;
}

void worker_link_free(struct worker_link **worker_ptr)
{
    struct worker_link *worker = TAKE_PTR(*worker_ptr);
    if (!worker)
        return;
    if (worker->connecting) {
        worker->connecting->worker = NULL;
        atomic_store(&worker->connecting->abort, true);
    }
    if (worker->ws)
        link_flush(&worker->flush);
    deferred_cancel(&worker->flush);
    watch_free(&worker->watch);
    client_ws_close(&worker->ws, 1000);
    timer_free(&worker->retry);
    timer_free(&worker->tick);
    timer_free(&worker->listen_on);
    map_release(&worker->streams);
    buf_release(&worker->parts);
    free(worker);
}

void worker_link_renew(struct worker_link *worker)
{
    bool steady = worker->welcomed;
    if (!worker->ws)
        return; // the next one will say it
    lose(worker);
    if (steady)
        timer_start(worker->retry, 0); // nobody was at fault
}

bool worker_link_connected(const struct worker_link *worker)
{
    return worker->welcomed;
}

uint64_t worker_link_proved_ms(const struct worker_link *worker)
{
    return worker->proved_ms;
}

int worker_link_send(struct worker_link *worker, struct str object)
{
    return worker->welcomed ? worker_send_text(worker, object, 0) : ERR_CLOSED;
}
