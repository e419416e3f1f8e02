#include "net/conn.h"

#include "net/send_queue.h"
#include "net/tls_private.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#define READS_PER_TURN 4                   // so that one fast sender does not starve the others
#define TLS_GATHER     ((size_t)16 * 1024) // one TLS record
#define SHUTDOWN_MS    5000

struct conn_count {
    unsigned refs, open;
    void (*none)(void *arg);
    void *none_arg;
};

struct conn {
    struct loop *loop;
    struct watch *watch;
    struct tls_session *tls;
    const struct conn_handler *handler;
    void *owner;
    struct deferred turn_end; // flushes, and calls the owner outside of the owner's own calls
    struct timer *shutdown_timer;
    struct conn_count *count; // may be NULL
    struct send_queue queue;
    uint64_t last_read_ms, last_write_ms;
    int fd;
    int error;     // why the connection ended; 0 while it is open
    unsigned busy; // depth of callbacks; conn_free waits until it is 0
    bool freed;
    bool ready;   // the TLS handshake is done
    bool paused;  // the owner has paused reading
    bool blocked; // the socket is full: flushing waits until it takes more
    bool peer_ended;
    bool tell_end; // a new handler has not heard of the end yet
    bool drained;  // `drained` has to be called
    bool told;     // `closed` was called
    bool shutting; // conn_shutdown was called
    bool goodbye;  // our half-close was sent
    bool handshake_failed;
    struct net_address address;
    char peer[NET_ADDRESS_TEXT];
};

static void on_ready(void *arg, unsigned events);
static void on_turn_end(struct deferred *deferred);

// --- Life

static void name_peer(struct conn *conn)
{
    struct sockaddr_storage address = {.ss_family = AF_UNSPEC};
    socklen_t len = sizeof(address);
    struct net_address peer = {0};
    if (getpeername(conn->fd, (struct sockaddr *)&address, &len) == 0)
        net_address_of((const struct sockaddr *)&address, &peer);
    conn_set_address(conn, &peer);
}

static void fail(struct conn *conn, int err)
{
    if (conn->error)
        return;
    conn->error = err;
    send_queue_clear(&conn->queue);
    if (conn->watch)
        watch_set(conn->watch, 0);
    loop_defer(conn->loop, &conn->turn_end);
}

// Reading and writing may be wanted at once. An end of the connection is noticed even when neither is wanted.
static void update_watch(struct conn *conn)
{
    if (conn->error || conn->freed)
        return;
    unsigned events = 0;
    bool reading = conn->shutting || !conn->paused || !conn->ready;
    if (reading && !conn->peer_ended)
        events |= WATCH_READ;
    if (conn->blocked || (conn->tls && tls_session_wants_write(conn->tls)))
        events |= WATCH_WRITE;
    watch_set(conn->watch, events ? events : WATCH_ERROR);
}

struct conn *conn_new(struct loop *loop, int fd, struct tls_server *tls, const struct conn_handler *handler,
                      void *owner)
{
    struct conn *conn = xcalloc(1, sizeof(*conn));
    conn->loop = loop;
    conn->fd = fd;
    conn->handler = handler;
    conn->owner = owner;
    conn->last_read_ms = conn->last_write_ms = loop_now_ms(loop);
    deferred_init(&conn->turn_end, on_turn_end);
    send_queue_init(&conn->queue);
    int on = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)); // fails on sockets that are not TCP; they do not need it
    name_peer(conn);
    if (tls)
        conn->tls = tls_session_new(tls, fd);
    conn->ready = !tls;
    int err = watch_new(loop, fd, on_ready, conn, &conn->watch);
    if (err < 0)
        fail(conn, err);
    else
        watch_set(conn->watch, WATCH_READ);
    return conn;
}

void conn_set_handler(struct conn *conn, const struct conn_handler *handler, void *owner)
{
    conn->handler = handler;
    conn->owner = owner;
    if (!conn->peer_ended || conn->error)
        return;
    conn->tell_end = true;
    loop_defer(conn->loop, &conn->turn_end);
}

struct conn_count *conn_count_new(void)
{
    struct conn_count *count = xcalloc(1, sizeof(*count));
    count->refs = 1;
    return count;
}

void conn_count_unref(struct conn_count **count_ptr)
{
    struct conn_count *count = TAKE_PTR(*count_ptr);
    if (count && --count->refs == 0)
        free(count);
}

unsigned conn_count_open(const struct conn_count *count)
{
    return count->open;
}

static void count_tell(struct conn_count *count)
{
    void (*none)(void *arg) = count->none;
    if (count->open > 0 || !none)
        return;
    count->none = NULL;
    none(count->none_arg);
}

void conn_count_when_none(struct conn_count *count, void (*none)(void *arg), void *arg)
{
    count->none = none;
    count->none_arg = arg;
    count_tell(count);
}

void conn_set_count(struct conn *conn, struct conn_count *count)
{
    conn->count = count;
    count->refs++;
    count->open++;
}

static void release(struct conn *conn)
{
    tls_session_free(&conn->tls);
    send_queue_clear(&conn->queue);
    free(conn);
}

void conn_free(struct conn **conn_ptr)
{
    struct conn *conn = *conn_ptr;
    if (!conn)
        return;
    *conn_ptr = NULL;
    deferred_cancel(&conn->turn_end);
    watch_free(&conn->watch);
    timer_free(&conn->shutdown_timer);
    close_fd(&conn->fd);
    if (conn->count) {
        conn->count->open--;
        count_tell(conn->count);
        conn_count_unref(&conn->count);
    }
    conn->freed = true;
    if (conn->busy == 0)
        release(conn);
}

// --- Sending

static void flush_plain(struct conn *conn)
{
    while (conn->queue.pending > 0) {
        struct iovec iovecs[SEND_IOVECS];
        size_t wanted;
        struct msghdr message = {.msg_iov = iovecs};
        message.msg_iovlen = send_queue_iovecs(&conn->queue, iovecs, &wanted);
        ssize_t sent = sendmsg(conn->fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (sent < 0 && errno == EINTR)
            continue;
        if (sent < 0 && errno != EAGAIN) {
            fail(conn, -errno);
            return;
        }
        if (sent > 0) {
            conn->last_write_ms = loop_now_ms(conn->loop);
            send_queue_consume(&conn->queue, (size_t)sent);
        }
        if (sent < (ssize_t)wanted) {
            conn->blocked = true;
            return;
        }
    }
}

static void flush_tls(struct conn *conn)
{
    uint8_t record[TLS_GATHER];
    while (conn->queue.pending > 0) {
        size_t len = send_queue_gather(&conn->queue, record, sizeof(record));
        ssize_t sent = tls_session_write(conn->tls, record, len);
        if (sent == -EAGAIN) {
            conn->blocked = tls_session_wants_write(conn->tls);
            return;
        }
        if (sent < 0) {
            fail(conn, (int)sent);
            return;
        }
        conn->last_write_ms = loop_now_ms(conn->loop);
        send_queue_consume(&conn->queue, (size_t)sent);
    }
}

static void flush(struct conn *conn)
{
    if (conn->error || !conn->ready || conn->blocked || conn->queue.pending == 0)
        return;
    if (conn->tls)
        flush_tls(conn);
    else
        flush_plain(conn);
    if (!conn->error && conn->queue.pending == 0)
        conn->drained = true;
    update_watch(conn);
}

static void flush_at_turn_end(struct conn *conn)
{
    if (!conn->blocked)
        loop_defer(conn->loop, &conn->turn_end);
}

void conn_write(struct conn *conn, const void *data, size_t len)
{
    if (conn->error || conn->goodbye)
        return;
    send_queue_push_copy(&conn->queue, data, len);
    flush_at_turn_end(conn);
}

void conn_write_payload(struct conn *conn, struct payload *payload, size_t offset, size_t len)
{
    if (conn->error || conn->goodbye)
        return;
    send_queue_push_payload(&conn->queue, payload, offset, len);
    flush_at_turn_end(conn);
}

void conn_unshare(struct conn *conn)
{
    send_queue_unshare(&conn->queue);
}

size_t conn_pending(const struct conn *conn)
{
    return conn->queue.pending;
}

// --- Receiving

static void peer_ended(struct conn *conn)
{
    conn->peer_ended = true;
    if (conn->shutting) {
        if (conn->goodbye)
            fail(conn, ERR_CLOSED);
        return;
    }
    if (conn->handler->half_closed)
        conn->handler->half_closed(conn->owner);
    else
        fail(conn, ERR_CLOSED);
}

static bool may_read(const struct conn *conn)
{
    return !conn->freed && !conn->error && !conn->peer_ended && conn->ready && (conn->shutting || !conn->paused);
}

static ssize_t receive(struct conn *conn, uint8_t *out)
{
    if (conn->tls)
        return tls_session_read(conn->tls, out, LOOP_SCRATCH_SIZE);
    ssize_t got = recv(conn->fd, out, LOOP_SCRATCH_SIZE, MSG_DONTWAIT);
    return got < 0 ? -errno : got;
}

static void read_some(struct conn *conn)
{
    for (int i = 0; i < READS_PER_TURN && may_read(conn); i++) {
        uint8_t *data = loop_scratch(conn->loop);
        ssize_t got = receive(conn, data);
        if (got == -EINTR)
            continue;
        if (got == -EAGAIN)
            return;
        if (got < 0) {
            fail(conn, (int)got);
            return;
        }
        if (got == 0) {
            peer_ended(conn);
            return;
        }
        conn->last_read_ms = loop_now_ms(conn->loop);
        if (!conn->shutting)
            conn->handler->data(conn->owner, data, (size_t)got);
        // The read was shorter than asked for, so the socket is empty. Another read would only confirm that.
        if (!conn->freed && !conn->tls && (size_t)got < LOOP_SCRATCH_SIZE)
            return;
    }
    // poll does not report bytes that OpenSSL has already read from the socket.
    if (may_read(conn) && conn->tls && tls_session_has_input(conn->tls))
        loop_defer(conn->loop, &conn->turn_end);
}

void conn_pause_read(struct conn *conn, bool paused)
{
    if (conn->paused == paused)
        return;
    conn->paused = paused;
    if (!paused && conn->tls)
        loop_defer(conn->loop, &conn->turn_end);
    update_watch(conn);
}

// --- Ending

static void shutdown_late(void *arg)
{
    struct conn *conn = arg;
    uint64_t idle = loop_now_ms(conn->loop) - conn->last_write_ms;
    if (conn->queue.pending > 0 && idle < SHUTDOWN_MS)
        timer_start(conn->shutdown_timer, SHUTDOWN_MS - idle);
    else
        fail(conn, -ETIMEDOUT);
}

void conn_shutdown(struct conn *conn)
{
    if (conn->shutting || conn->error)
        return;
    conn->shutting = true;
    conn->shutdown_timer = timer_new(conn->loop, shutdown_late, conn);
    timer_start(conn->shutdown_timer, SHUTDOWN_MS);
    loop_defer(conn->loop, &conn->turn_end);
    update_watch(conn);
}

static void say_goodbye(struct conn *conn)
{
    conn->goodbye = true;
    if (conn->tls && conn->ready)
        tls_session_say_goodbye(conn->tls);
    if (shutdown(conn->fd, SHUT_WR) < 0)
        fail(conn, -errno);
    else if (conn->peer_ended)
        fail(conn, ERR_CLOSED);
    else
        timer_start(conn->shutdown_timer, SHUTDOWN_MS);
}

// Tells the owner what has happened. The owner may free the connection in either callback.
static void settle(struct conn *conn)
{
    if (conn->drained && !conn->freed && !conn->error) {
        conn->drained = false;
        if (conn->queue.pending == 0 && !conn->shutting && conn->handler->drained)
            conn->handler->drained(conn->owner);
    }
    if (!conn->freed && !conn->error && conn->shutting && !conn->goodbye && conn->queue.pending == 0)
        say_goodbye(conn);
    if (!conn->freed && conn->error && !conn->told) {
        conn->told = true;
        deferred_cancel(&conn->turn_end);
        conn->handler->closed(conn->owner, conn->error);
    }
}

static void leave(struct conn *conn)
{
    if (--conn->busy == 0 && conn->freed)
        release(conn);
}

static void on_turn_end(struct deferred *deferred)
{
    struct conn *conn = CONTAINER_OF(deferred, struct conn, turn_end);
    conn->busy++;
    if (conn->tls && may_read(conn) && tls_session_has_input(conn->tls))
        read_some(conn);
    if (conn->tell_end && !conn->freed && !conn->error) {
        conn->tell_end = false;
        peer_ended(conn);
    }
    if (!conn->freed)
        flush(conn);
    settle(conn);
    leave(conn);
}

static void handshake(struct conn *conn)
{
    int err = tls_session_handshake(conn->tls);
    if (err == 0)
        conn->ready = true;
    if (err == 0 || err == -EAGAIN)
        return;
    conn->handshake_failed = true;
    fail(conn, err);
}

static void check_error(struct conn *conn)
{
    int socket_error = 0;
    socklen_t len = sizeof(socket_error);
    getsockopt(conn->fd, SOL_SOCKET, SO_ERROR, &socket_error, &len);
    if (socket_error)
        fail(conn, -socket_error);
    else if (!may_read(conn))
        fail(conn, ERR_CLOSED); // both directions are closed, and no reader would notice it
}

static void on_ready(void *arg, unsigned events)
{
    struct conn *conn = arg;
    conn->busy++;
    if (!conn->ready && !conn->error)
        handshake(conn);
    if (events & WATCH_WRITE)
        conn->blocked = false;
    if (!conn->error)
        flush(conn);
    if ((events & WATCH_READ) || conn->tls)
        read_some(conn);
    if ((events & WATCH_ERROR) && !conn->freed && !conn->error && conn->ready)
        check_error(conn);
    if (!conn->freed)
        settle(conn);
    if (!conn->freed)
        update_watch(conn);
    leave(conn);
}

const char *conn_peer(const struct conn *conn)
{
    return conn->peer;
}

const struct net_address *conn_address(const struct conn *conn)
{
    return &conn->address;
}

void conn_set_address(struct conn *conn, const struct net_address *peer)
{
    conn->address = *peer;
    net_address_format(peer, conn->peer);
}

bool conn_is_tls(const struct conn *conn)
{
    return conn->tls != NULL;
}

bool conn_is_ready(const struct conn *conn)
{
    return conn->ready;
}

const char *conn_handshake_failure(const struct conn *conn)
{
    return conn->handshake_failed ? tls_session_handshake_failure(conn->tls) : NULL;
}

uint64_t conn_last_read_ms(const struct conn *conn)
{
    return conn->last_read_ms;
}

uint64_t conn_last_write_ms(const struct conn *conn)
{
    return conn->last_write_ms;
}
