#include "runner/socket_link.h"

#include "runner/delivery_private.h"
#include "runner/link.h"

#include <jansson.h>

#define PENDING_MAX     (1024u * 1024) // when so many bytes are queued for the socket, sending pauses
#define TURN_MAX        (1024u * 1024) // bytes that are read before others have their turn
#define WS_TEXT_FRAME   1
#define WS_BINARY_FRAME 2

struct socket_link {
    struct delivery_link link;
    const struct delivery_options *options;
    struct client_ws *ws;
    struct watch *watch;
    struct connect_job *connecting;
    struct timer *listen_on; // started when more has arrived than one turn takes
    struct buf scratch;
};

static struct socket_link *of(struct delivery_link *link)
{
    return CONTAINER_OF(link, struct socket_link, link);
}

static void rewatch(struct socket_link *it)
{
    if (it->watch)
        watch_set(it->watch, WATCH_READ | (client_ws_pending(it->ws) > 0 ? WATCH_WRITE : 0));
}

// --- Listening

static void heard(void *arg, int opcode, struct str data)
{
    const struct socket_link *it = arg;
    if (opcode != WS_TEXT_FRAME)
        return;
    json_t *message = json_loadb(data.data, data.len, 0, NULL);
    it->link.events->message(it->link.arg, message);
    json_decref(message);
}

static void listen_now(struct socket_link *it)
{
    const struct delivery_link *link = &it->link;
    int err = client_ws_receive(it->ws, heard, it, NULL);
    if (err == ERR_MALFORMED)
        link->events->lost(link->arg, err, "what it sends breaks the WebSocket protocol");
    else if (err < 0)
        link->events->lost(link->arg, err, NULL);
    else if (client_ws_more(it->ws))
        timer_start(it->listen_on, 0);
}

static void socket_ready(void *arg, unsigned events)
{
    struct socket_link *it = arg;
    int err = 0;
    if (events & WATCH_WRITE)
        err = client_ws_flush(it->ws);
    if (err < 0)
        it->link.events->lost(it->link.arg, err, NULL);
    else if (events & (WATCH_READ | WATCH_ERROR))
        listen_now(it);
    rewatch(it);
    it->link.events->settled(it->link.arg);
}

static void on_listen_on(void *arg)
{
    const struct socket_link *it = arg;
    if (it->ws)
        socket_ready(arg, WATCH_READ);
}

// --- Connecting

static void adopt_socket(struct socket_link *it, struct connect_job *job)
{
    const struct delivery_link *link = &it->link;
    int err = watch_new(it->options->loop, client_ws_fd(job->ws), socket_ready, it, &it->watch);
    if (err < 0) {
        link->events->lost(link->arg, err, NULL);
        return;
    }
    it->ws = TAKE_PTR(job->ws);
    link->events->opened(link->arg);
    watch_set(it->watch, WATCH_READ);
    client_ws_set_turn(it->ws, TURN_MAX);
    // `ready` may have come together with the answer of the handshake.
    listen_now(it);
}

static void take_result(struct socket_link *it, struct connect_job *job)
{
    const struct delivery_link *link = &it->link;
    struct run_file *run = it->options->run;
    bool changed = run->registered != job->registered || run->existed != job->existed;
    run->registered = job->registered;
    run->existed = job->existed;
    if (job->reached)
        link->events->reached(link->arg);
    if (changed)
        it->options->events->changed(it->options->arg);
    if (job->ws)
        adopt_socket(it, job);
    else if (job->refused)
        link->events->refused(link->arg, job->err, buf_cstr(&job->text));
    else
        link->events->lost(link->arg, job->err, buf_cstr(&job->text));
}

static void connect_done(struct job *work)
{
    struct connect_job *job = CONTAINER_OF(work, struct connect_job, job);
    struct socket_link *it = job->owner;
    if (it) {
        it->connecting = NULL;
        take_result(it, job);
        rewatch(it);
    }
    connect_job_free(&job);
    if (it)
        it->link.events->settled(it->link.arg);
}

static void link_connect(struct delivery_link *link)
{
    struct socket_link *it = of(link);
    struct connect_job *job = connect_job_new(it->options);
    job->owner = it;
    job->job.reply_to = it->options->loop;
    job->job.work = connect_job_work;
    job->job.done = connect_done;
    if (pool_submit(it->options->pool, &job->job) < 0) {
        connect_job_free(&job);
        link->events->lost(link->arg, ERR_OVERLOADED, NULL);
        return;
    }
    it->connecting = job;
}

// --- Sending

static int send_frame(struct socket_link *it, int opcode, const void *data, size_t len)
{
    if (!it->ws)
        return ERR_CLOSED;
    int err = client_ws_send(it->ws, opcode, data, len);
    rewatch(it);
    return err;
}

static int link_send_text(struct delivery_link *link, struct str object)
{
    return send_frame(of(link), WS_TEXT_FRAME, object.data, object.len);
}

static int link_send_chunk(struct delivery_link *link, uint64_t first, uint64_t next, struct str encoded)
{
    struct socket_link *it = of(link);
    (void)next;
    buf_reset(&it->scratch);
    buf_append_le64(&it->scratch, first);
    buf_append_str(&it->scratch, encoded);
    return send_frame(it, WS_BINARY_FRAME, it->scratch.data, it->scratch.len);
}

static bool link_full(struct delivery_link *link)
{
    const struct socket_link *it = of(link);
    return it->ws && client_ws_pending(it->ws) > PENDING_MAX;
}

static uint64_t link_last_receive_ms(const struct delivery_link *link)
{
    const struct socket_link *it = CONTAINER_OF(link, struct socket_link, link);
    return it->ws ? client_ws_last_receive_ms(it->ws) : 0;
}

// --- End

static void link_close(struct delivery_link *link, unsigned code)
{
    struct socket_link *it = of(link);
    watch_free(&it->watch);
    client_ws_close(&it->ws, code);
}

static void link_free(struct delivery_link *link)
{
    struct socket_link *it = of(link);
    if (it->connecting) {
        it->connecting->owner = NULL;
        atomic_store(&it->connecting->abort, true);
    }
    link_close(link, 1000);
    timer_free(&it->listen_on);
    buf_release(&it->scratch);
    free(it);
}

static const struct delivery_link_ops ops = {
    .connect = link_connect,
    .send_text = link_send_text,
    .send_chunk = link_send_chunk,
    .full = link_full,
    .last_receive_ms = link_last_receive_ms,
    .close = link_close,
    .free = link_free,
};

struct delivery_link *socket_link_new(const struct delivery_options *options)
{
    struct socket_link *it = xcalloc(1, sizeof(*it));
    it->link.ops = &ops;
    it->options = options;
    it->listen_on = timer_new(options->loop, on_listen_on, it);
    return &it->link;
}
