#include "client/local.h"

#include "http/reply.h"
#include "util/buf.h"
#include "util/unix_path.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#define CONNECT_AGAIN_MS 10    // its queue of connections is full
#define CONNECT_MAX_MS   10000 // for so long
#define READ_STEPS       4     // of one connection before others have their turn
#define INPUT_STEP       LOOP_SCRATCH_SIZE

//   connecting ──▶ asking: the request goes, the answer comes ──▶ ended
struct local_call {
    struct loop *loop;
    const struct local_events *events;
    void *arg;
    char *socket;
    int fd, input_fd;
    struct watch *watch;
    struct timer *begin, *idle;
    uint64_t idle_ms, connect_waited_ms;
    struct buf out; // what is still to be sent
    struct http_reply *reply;
    bool answered, paused, ended;
    bool busy, freed; // an event is being told; it was freed meanwhile
};

static void release(struct local_call *call)
{
    watch_free(&call->watch);
    timer_free(&call->begin);
    timer_free(&call->idle);
    close_fd(&call->fd);
    close_fd(&call->input_fd);
    http_reply_free(&call->reply);
    buf_release(&call->out);
    free(call->socket);
    free(call);
}

// The end of an event: whoever freed the call within it gets that now.
static void leave(struct local_call *call)
{
    call->busy = false;
    if (call->freed)
        release(call);
}

static void end(struct local_call *call, int err)
{
    if (call->ended || call->freed)
        return;
    call->ended = true;
    watch_free(&call->watch);
    timer_stop(call->begin);
    timer_stop(call->idle);
    close_fd(&call->fd);
    call->events->ended(call->arg, err);
}

static void on_idle(void *arg)
{
    struct local_call *call = arg;
    call->busy = true;
    end(call, ERR_TIMEOUT);
    leave(call);
}

static void wait_anew(struct local_call *call)
{
    if (call->idle_ms > 0 && !call->paused && !call->ended)
        timer_start(call->idle, call->idle_ms);
}

static void watch_anew(struct local_call *call)
{
    bool sends = call->out.len > 0 || (call->answered && call->input_fd >= 0);
    if (call->watch)
        watch_set(call->watch, (call->paused ? 0 : WATCH_READ) | (sends ? WATCH_WRITE : 0));
}

// --- The answer

static void on_head(void *arg, int status)
{
    struct local_call *call = arg;
    call->answered = true;
    if (!call->freed)
        call->events->head(call->arg, status);
}

static void on_body(void *arg, struct str bytes)
{
    struct local_call *call = arg;
    if (!call->freed && !call->ended)
        call->events->data(call->arg, bytes);
}

static const struct http_reply_events reply_events = {on_head, on_body};

// True if there may be more.
static bool read_once(struct local_call *call)
{
    uint8_t *scratch = loop_scratch(call->loop);
    ssize_t got = read(call->fd, scratch, LOOP_SCRATCH_SIZE);
    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return false;
    if (got <= 0) {
        int err = http_reply_end(call->reply);
        end(call, got < 0 && err == 0 ? ERR_CLOSED : err);
        return false;
    }
    wait_anew(call);
    int err = http_reply_feed(call->reply, scratch, (size_t)got);
    if (err < 0 || http_reply_complete(call->reply))
        end(call, err);
    return true;
}

// --- The request

// Fills the queue from the input; at its end our side is closed.
static void take_input(struct local_call *call)
{
    char piece[INPUT_STEP];
    if (call->input_fd < 0 || !call->answered || call->out.len > 0)
        return;
    ssize_t got = read(call->input_fd, piece, sizeof(piece));
    if (got > 0) {
        buf_append(&call->out, piece, (size_t)got);
        return;
    }
    if (got < 0 && errno == EINTR)
        return;
    close_fd(&call->input_fd);
    shutdown(call->fd, SHUT_WR);
}

static void send_some(struct local_call *call)
{
    take_input(call);
    if (call->out.len == 0)
        return;
    ssize_t sent = send(call->fd, call->out.data, call->out.len, MSG_NOSIGNAL);
    if (sent > 0) {
        buf_consume(&call->out, (size_t)sent);
        wait_anew(call);
    } else if (errno != EAGAIN && errno != EINTR) {
        // What it has answered until then is still to be read.
        buf_reset(&call->out);
        close_fd(&call->input_fd);
    }
}

static void socket_ready(void *arg, unsigned events)
{
    struct local_call *call = arg;
    bool more = true;
    call->busy = true;
    if (events & WATCH_WRITE)
        send_some(call);
    for (int i = 0; i < READ_STEPS && more && events & (WATCH_READ | WATCH_ERROR); i++)
        more = !call->paused && !call->ended && !call->freed && read_once(call);
    if (!call->freed)
        watch_anew(call);
    leave(call);
}

static int connect_once(struct local_call *call)
{
    CLEANUP(unix_path_release) struct unix_path found = {.dir_fd = -1};
    int err = unix_path_find(call->socket, &found);
    if (err < 0)
        return err;
    call->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (call->fd < 0)
        return -errno;
    if (connect(call->fd, (const struct sockaddr *)&found.address, sizeof(found.address)) < 0)
        return -errno;
    return watch_new(call->loop, call->fd, socket_ready, call, &call->watch);
}

static void on_begin(void *arg)
{
    struct local_call *call = arg;
    int err = connect_once(call);
    if (err == 0) {
        wait_anew(call);
        watch_anew(call);
        return;
    }
    close_fd(&call->fd);
    if (err == -EAGAIN && call->connect_waited_ms < CONNECT_MAX_MS) {
        call->connect_waited_ms += CONNECT_AGAIN_MS;
        timer_start(call->begin, CONNECT_AGAIN_MS);
        return;
    }
    call->busy = true;
    end(call, ERR_UNREACHABLE);
    leave(call);
}

static void write_request(struct local_call *call, const struct local_request *request)
{
    buf_printf(&call->out, "%s %s HTTP/1.1\r\nHost: localhost\r\nUser-Agent: runnel/" RUNNEL_VERSION "\r\n%s",
               request->method, request->target,
               request->upgrade ? "Connection: Upgrade\r\nUpgrade: tcp\r\n" : "Connection: close\r\n");
    if (request->header)
        buf_printf(&call->out, "%s\r\n", request->header);
    if (request->body.len > 0)
        buf_append_text(&call->out, "Content-Type: application/json\r\n");
    buf_printf(&call->out, "Content-Length: %zu\r\n\r\n", request->body.len);
    buf_append_str(&call->out, request->body);
}

struct local_call *local_call_new(struct loop *loop, const struct local_request *request,
                                  const struct local_events *events, void *arg)
{
    struct local_call *call = xcalloc(1, sizeof(*call));
    call->loop = loop;
    call->events = events;
    call->arg = arg;
    call->fd = -1;
    call->input_fd = request->input_fd;
    call->idle_ms = request->idle_ms;
    call->socket = xstrdup(request->socket);
    call->reply = http_reply_new(request->upgrade, &reply_events, call);
    write_request(call, request);
    call->begin = timer_new(loop, on_begin, call);
    call->idle = timer_new(loop, on_idle, call);
    timer_start(call->begin, 0);
    return call;
}

void local_call_pause(struct local_call *call, bool pause)
{
    if (call->paused == pause)
        return;
    call->paused = pause;
    if (pause)
        timer_stop(call->idle);
    else
        wait_anew(call);
    watch_anew(call);
}

void local_call_free(struct local_call **call_ptr)
{
    struct local_call *call = TAKE_PTR(*call_ptr);
    if (!call)
        return;
    call->freed = true;
    if (!call->busy)
        release(call);
}
