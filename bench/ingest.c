// Runners: `--sockets` of them, each with an execution of its own. With `--rate 0` they send as fast as the acks let
// them, `--window` frames in flight each, all prepared beforehand; else each sends `--rate` lines a second, each line
// as a frame of its own at its time, or `--burst` lines at once: the first alone and the others in a second frame, as
// the runner gathers what comes while an ack is owed. Counted is what is acknowledged, and acks are for what is
// durable. With `--hold 1` it says "ready" once all are connected, and begins with the first byte on its standard
// input. With `--bare 1` the other side is `raw --mode ack`: frames on plain connections.
#include "load.h"
#include "model/chunk.h"

#include <errno.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define CHUNK_RAW      (256u * 1024) // as the runner closes its chunks
#define ZSTD_LEVEL     1             // as the runner compresses
#define UPGRADE_BATCH  200
#define PACED_CHUNKS   2048
#define IN_FLIGHT_MAX  1024
#define EVENTS_AT_ONCE 1024

struct prepared {
    char *data; // a masked frame
    size_t len, lines, bytes;
    uint64_t end; // counter behind its last record
};

struct socket_state {
    int fd;
    bool ready, done, out_armed;
    struct buf in;
    size_t at, sent;          // frame under way, bytes of it that are sent
    uint64_t acked, next;     // counters
    uint64_t *due, due_first; // when each frame in flight was due; ring of window_ring
};

struct ingest {
    int epoll;
    size_t count, ready, done, window, ring;
    struct socket_state *sockets;
    struct prepared *frames;
    size_t frame_count, frame_cap;
    bool binary, paced;
    struct samples acks;
    uint64_t acked_lines;
    struct buf scratch;
};

static void prepared_add(struct ingest *ingest, const struct buf *payload, size_t lines, size_t bytes)
{
    struct buf frame = {0};
    if (ingest->frame_count == ingest->frame_cap) {
        ingest->frame_cap = ingest->frame_cap ? ingest->frame_cap * 2 : 256;
        ingest->frames = xrealloc(ingest->frames, ingest->frame_cap * sizeof(*ingest->frames));
    }
    frame_append(&frame, ingest->binary ? 2 : 1, payload->data, payload->len);
    uint64_t before = ingest->frame_count ? ingest->frames[ingest->frame_count - 1].end : 0;
    ingest->frames[ingest->frame_count++] =
        (struct prepared){.data = frame.data, .len = frame.len, .lines = lines, .bytes = bytes, .end = before + lines};
}

static void prepare_chunk(struct ingest *ingest, struct chunk_builder *builder, uint64_t first, size_t bytes)
{
    CLEANUP(buf_release) struct buf payload = {0};
    size_t lines = chunk_builder_count(builder);
    if (lines == 0)
        return;
    CLEANUP(chunk_unref) struct chunk *chunk = chunk_builder_finish(builder, ZSTD_LEVEL);
    buf_append_le64(&payload, first);
    buf_append_str(&payload, chunk_encoded(chunk));
    prepared_add(ingest, &payload, lines, bytes);
}

static void prepare_chunks(struct ingest *ingest, const struct corpus *corpus, size_t lines, size_t chunk_lines)
{
    CLEANUP(chunk_builder_free) struct chunk_builder *builder = chunk_builder_new();
    uint64_t first = 0;
    size_t bytes = 0;
    for (size_t i = 0; i < lines; i++) {
        struct record record = {.time_ms = clock_real_ms(), .message = corpus->lines[i % corpus->count]};
        chunk_builder_add(builder, &record);
        bytes += record.message.len + 1;
        if (chunk_builder_raw(builder) < CHUNK_RAW && chunk_builder_count(builder) < chunk_lines)
            continue;
        prepare_chunk(ingest, builder, first, bytes);
        first = i + 1;
        bytes = 0;
    }
    prepare_chunk(ingest, builder, first, bytes);
}

static void append_object(struct buf *out, uint64_t counter, struct str message)
{
    char time[TIME_RFC3339_LEN + 1] = "";
    time_format_rfc3339(clock_real_ms(), time);
    buf_printf(out, "%s{\"sequence_number\":%llu,\"timestamp\":\"%.*s\",\"stream\":\"stdout\",\"message\":",
               out->len > 1 ? "," : "", (unsigned long long)counter, TIME_RFC3339_LEN, time);
    buf_append_json_string(out, message);
    buf_append_byte(out, '}');
}

static void prepare_arrays(struct ingest *ingest, const struct corpus *corpus, size_t lines, size_t array_lines)
{
    CLEANUP(buf_release) struct buf payload = {0};
    for (size_t i = 0; i < lines;) {
        size_t first = i, bytes = 0;
        buf_reset(&payload);
        buf_append_byte(&payload, '[');
        for (; i < lines && i - first < array_lines && payload.len < CHUNK_RAW; i++) {
            struct str line = corpus->lines[i % corpus->count];
            append_object(&payload, i, line);
            bytes += line.len + 1;
        }
        buf_append_byte(&payload, ']');
        prepared_add(ingest, &payload, i - first, bytes);
    }
}

// --- Setting up

static void socket_watch(struct ingest *ingest, size_t i)
{
    struct socket_state *socket = &ingest->sockets[i];
    struct epoll_event event = {.events = EPOLLIN, .data.u64 = i};
    peer_nonblocking(socket->fd);
    epoll_ctl(ingest->epoll, EPOLL_CTL_ADD, socket->fd, &event);
    socket->due = xcalloc(ingest->ring, sizeof(*socket->due));
}

static void sockets_open_bare(struct ingest *ingest, unsigned port)
{
    for (size_t i = 0; i < ingest->count; i++) {
        ingest->sockets[i].fd = peer_connect(port);
        socket_watch(ingest, i);
    }
    ingest->ready = ingest->count;
}

static void sockets_open(struct ingest *ingest, unsigned port, const char *key, const char *prefix)
{
    CLEANUP(buf_release) struct buf path = {0};
    executions_create(port, key, prefix, ingest->count);
    for (size_t done = 0; done < ingest->count; done += UPGRADE_BATCH) {
        size_t end = MIN(done + UPGRADE_BATCH, ingest->count);
        for (size_t i = done; i < end; i++) {
            buf_reset(&path);
            buf_printf(&path, "/ws/runner/executions/%s%zu/stream", prefix, i);
            ingest->sockets[i].fd = peer_connect(port);
            peer_upgrade_begin(ingest->sockets[i].fd, key, buf_cstr(&path));
        }
        for (size_t i = done; i < end; i++) {
            peer_upgrade_end(ingest->sockets[i].fd, &ingest->sockets[i].in);
            socket_watch(ingest, i);
        }
    }
}

// --- Sending

static void socket_arm(struct ingest *ingest, struct socket_state *socket, bool out)
{
    struct epoll_event event = {.events = EPOLLIN | (out ? EPOLLOUT : 0u),
                                .data.u64 = (uint64_t)(socket - ingest->sockets)};
    if (socket->out_armed == out)
        return;
    socket->out_armed = out;
    epoll_ctl(ingest->epoll, EPOLL_CTL_MOD, socket->fd, &event);
}

// Frames of this socket that are not acknowledged, with the one under way.
static size_t socket_in_flight(const struct socket_state *socket)
{
    return (size_t)(socket->at - socket->due_first);
}

static void socket_send(struct ingest *ingest, struct socket_state *socket)
{
    while (socket->at < ingest->frame_count && socket_in_flight(socket) < ingest->window) {
        const struct prepared *frame = &ingest->frames[socket->at];
        if (socket->sent == 0)
            socket->due[socket->at % ingest->ring] = now_ns();
        ssize_t sent = send(socket->fd, frame->data + socket->sent, frame->len - socket->sent, MSG_NOSIGNAL);
        if (sent < 0 && errno == EAGAIN) {
            socket_arm(ingest, socket, true);
            return;
        }
        if (sent <= 0)
            fail("send: %s", strerror(errno));
        socket->sent += (size_t)sent;
        if (socket->sent < frame->len)
            continue;
        socket->sent = 0;
        socket->at++;
    }
    socket_arm(ingest, socket, false);
}

// A chunk as a frame of its own. It was encoded beforehand, the counter and the mask are put in here.
static void socket_send_chunk(struct ingest *ingest, struct socket_state *socket, const struct chunk *chunk,
                              uint64_t due)
{
    CLEANUP(buf_release) struct buf payload = {0};
    if (socket->next + chunk_count(chunk) - socket->acked > ingest->ring)
        fail("over %zu lines of one runner are not acknowledged", ingest->ring);
    buf_append_le64(&payload, socket->next);
    buf_append_str(&payload, chunk_encoded(chunk));
    buf_reset(&ingest->scratch);
    frame_append(&ingest->scratch, 2, payload.data, payload.len);
    for (uint32_t i = 0; i < chunk_count(chunk); i++)
        socket->due[socket->next++ % ingest->ring] = due;
    if (send(socket->fd, ingest->scratch.data, ingest->scratch.len, MSG_NOSIGNAL) != (ssize_t)ingest->scratch.len)
        fail("send: %s", strerror(errno));
}

// --- What comes back

static void socket_acked(struct ingest *ingest, struct socket_state *socket, uint64_t acked)
{
    uint64_t now = now_ns();
    ingest->acked_lines += acked - socket->acked;
    if (ingest->paced) {
        for (uint64_t i = socket->acked; i < acked; i++)
            samples_add(&ingest->acks, now - socket->due[i % ingest->ring]);
        socket->acked = acked;
        return;
    }
    socket->acked = acked;
    while (socket->due_first < socket->at && ingest->frames[socket->due_first].end <= acked)
        samples_add(&ingest->acks, now - socket->due[socket->due_first++ % ingest->ring]);
    if (socket->due_first == ingest->frame_count && !socket->done) {
        socket->done = true;
        ingest->done++;
    }
    socket_send(ingest, socket);
}

static void socket_frame(struct ingest *ingest, struct socket_state *socket, const struct frame *frame)
{
    static const char ack[] = "{\"type\":\"ack\",\"sequence_number\":", ready[] = "{\"type\":\"ready\"";
    if (frame->opcode == 9) {
        buf_reset(&ingest->scratch);
        frame_append(&ingest->scratch, 10, frame->data, frame->len);
        send(socket->fd, ingest->scratch.data, ingest->scratch.len, MSG_NOSIGNAL);
    } else if (frame->opcode == 1 && frame->len > sizeof(ack) && memcmp(frame->data, ack, sizeof(ack) - 1) == 0) {
        socket_acked(ingest, socket, strtoull(frame->data + sizeof(ack) - 1, NULL, 10) + 1);
    } else if (frame->opcode == 1 && frame->len > sizeof(ready) && memcmp(frame->data, ready, sizeof(ready) - 1) == 0) {
        ingest->ready += !socket->ready;
        socket->ready = true;
    } else if (frame->opcode == 1 && memmem(frame->data, frame->len, "\"completed\"", 11)) {
        ingest->done++;
    } else if (frame->opcode != 8 && frame->opcode != 10) {
        fail("the server says %.*s", (int)frame->len, frame->data);
    }
}

static void socket_read(struct ingest *ingest, struct socket_state *socket)
{
    buf_reserve(&socket->in, 2048);
    ssize_t got = recv(socket->fd, socket->in.data + socket->in.len, 2048, 0);
    if (got <= 0) {
        if (got < 0 && errno == EAGAIN)
            return;
        epoll_ctl(ingest->epoll, EPOLL_CTL_DEL, socket->fd, NULL);
        return;
    }
    socket->in.len += (size_t)got;
}

static void socket_parse(struct ingest *ingest, struct socket_state *socket)
{
    struct frame frame;
    size_t used = 0, size;
    while ((size = frame_parse(socket->in.data + used, socket->in.len - used, &frame)) > 0) {
        socket_frame(ingest, socket, &frame);
        used += size;
    }
    buf_consume(&socket->in, used);
}

static void ingest_wait(struct ingest *ingest, int timeout_ms)
{
    struct epoll_event events[EVENTS_AT_ONCE];
    int count = epoll_wait(ingest->epoll, events, EVENTS_AT_ONCE, timeout_ms);
    for (int i = 0; i < count; i++) {
        struct socket_state *socket = &ingest->sockets[events[i].data.u64];
        if (events[i].events & ~(uint32_t)EPOLLOUT) {
            socket_read(ingest, socket);
            socket_parse(ingest, socket);
        }
        if (events[i].events & EPOLLOUT)
            socket_send(ingest, socket);
    }
}

static void wait_ready(struct ingest *ingest)
{
    for (size_t i = 0; i < ingest->count; i++)
        socket_parse(ingest, &ingest->sockets[i]);
    while (ingest->ready < ingest->count)
        ingest_wait(ingest, 1000);
}

// --- The two loads

static void run_free(struct ingest *ingest)
{
    for (size_t i = 0; i < ingest->count; i++)
        socket_send(ingest, &ingest->sockets[i]);
    while (ingest->done < ingest->count)
        ingest_wait(ingest, 1000);
}

static void prepare_paced(const struct corpus *corpus, size_t lines, struct chunk *ret[PACED_CHUNKS])
{
    CLEANUP(chunk_builder_free) struct chunk_builder *builder = chunk_builder_new();
    for (size_t i = 0, line = 0; lines > 0 && i < PACED_CHUNKS; i++) {
        for (size_t j = 0; j < lines; j++, line++) {
            struct record record = {.time_ms = clock_real_ms(), .message = corpus->lines[line % corpus->count]};
            chunk_builder_add(builder, &record);
        }
        ret[i] = chunk_builder_finish(builder, ZSTD_LEVEL);
    }
}

static uint64_t run_paced(struct ingest *ingest, const struct corpus *corpus, uint64_t rate, uint64_t seconds,
                          uint64_t burst, uint64_t *ret_bytes)
{
    struct chunk *singles[PACED_CHUNKS] = {0}, *rests[PACED_CHUNKS] = {0};
    prepare_paced(corpus, 1, singles);
    prepare_paced(corpus, burst - 1, rests);
    uint64_t began = now_ns(), turns = ingest->count * rate * seconds / burst, each = seconds * 1000000000;
    for (uint64_t sent = 0; sent < turns || ingest->acked_lines < turns * burst;) {
        uint64_t now = now_ns() - began, at_once = 0;
        for (; sent < turns && at_once < EVENTS_AT_ONCE; sent++, at_once++) {
            uint64_t due = (uint64_t)((double)sent * (double)each / (double)turns);
            if (due > now)
                break;
            size_t which = (sent * 7919) % PACED_CHUNKS;
            struct socket_state *socket = &ingest->sockets[sent % ingest->count];
            *ret_bytes += chunk_message_bytes(singles[which]) + 1;
            socket_send_chunk(ingest, socket, singles[which], began + due);
            if (burst == 1)
                continue;
            *ret_bytes += chunk_message_bytes(rests[which]) + burst - 1;
            socket_send_chunk(ingest, socket, rests[which], began + due);
        }
        ingest_wait(ingest, at_once == EVENTS_AT_ONCE ? 0 : 1);
        if (now > each + 60000000000u)
            fail("%llu lines were never acknowledged", (unsigned long long)(turns * burst - ingest->acked_lines));
    }
    for (size_t i = 0; i < PACED_CHUNKS; i++) {
        chunk_unref(&singles[i]);
        chunk_unref(&rests[i]);
    }
    return turns * burst;
}

static void complete_all(struct ingest *ingest)
{
    static const char complete[] = "{\"type\":\"complete\",\"exit_code\":0}";
    CLEANUP(buf_release) struct buf frame = {0};
    frame_append(&frame, 1, complete, sizeof(complete) - 1);
    ingest->done = 0;
    for (size_t i = 0; i < ingest->count; i++)
        send(ingest->sockets[i].fd, frame.data, frame.len, MSG_NOSIGNAL);
    for (uint64_t began = now_ns(); ingest->done < ingest->count;) {
        ingest_wait(ingest, 1000);
        if (now_ns() - began > 60000000000u)
            fail("%zu runs were not sealed", ingest->count - ingest->done);
    }
}

int run_ingest(struct args *args)
{
    struct ingest ingest = {.epoll = epoll_create1(EPOLL_CLOEXEC), .ring = IN_FLIGHT_MAX};
    struct corpus corpus = {0};
    unsigned port = (unsigned)args_number(args, "port", 0);
    bool bare = args_number(args, "bare", 0);
    const char *key = args_text(args, "key", bare ? "" : NULL), *prefix = args_text(args, "prefix", bare ? "" : NULL);
    uint64_t rate = args_number(args, "rate", 0), seconds = args_number(args, "seconds", 10), bytes = 0, lines = 0;
    size_t each = args_number(args, "lines", 100000), frame_lines = args_number(args, "frame-lines", 1u << 20);
    bool complete = args_number(args, "complete", 1);
    ingest.count = args_number(args, "sockets", 8);
    uint64_t burst = args_number(args, "burst", 1);
    ingest.window = MIN(args_number(args, "window", 8), (uint64_t)IN_FLIGHT_MAX);
    ingest.binary = strcmp(args_text(args, "format", "binary"), "binary") == 0;
    ingest.paced = rate > 0;
    ingest.sockets = xcalloc(ingest.count, sizeof(*ingest.sockets));
    corpus_load(&corpus, args_text(args, "file", NULL), each);
    uint64_t server = args_number(args, "pid", 0);
    bool hold = args_number(args, "hold", 0);
    args_done(args);
    if (ingest.paced)
        ingest.ring = 256;
    else if (ingest.binary)
        prepare_chunks(&ingest, &corpus, each, frame_lines);
    else
        prepare_arrays(&ingest, &corpus, each, frame_lines);

    if (bare)
        sockets_open_bare(&ingest, port);
    else
        sockets_open(&ingest, port, key, prefix);
    wait_ready(&ingest);
    if (hold) {
        printf("ready\n");
        fflush(stdout);
        (void)getchar();
    }
    uint64_t cpu = server ? cpu_ns(server) : 0, own = cpu_ns((uint64_t)getpid()), began = now_ns();
    if (ingest.paced) {
        lines = run_paced(&ingest, &corpus, rate, seconds, MAX(burst, 1u), &bytes);
    } else {
        run_free(&ingest);
        for (size_t i = 0; i < ingest.frame_count; i++)
            bytes += ingest.frames[i].bytes * ingest.count;
        lines = each * ingest.count;
    }
    double took = (double)(now_ns() - began) / 1e9;
    cpu = server ? cpu_ns(server) - cpu : 0;
    own = cpu_ns((uint64_t)getpid()) - own;
    if (complete)
        complete_all(&ingest);
    printf("{\"lines\":%llu,\"bytes\":%llu,\"seconds\":%.4f,\"lines_per_second\":%.0f,\"server_cpu_seconds\":%.3f,"
           "\"client_cpu_seconds\":%.3f,",
           (unsigned long long)lines, (unsigned long long)bytes, took, (double)lines / took, (double)cpu / 1e9,
           (double)own / 1e9);
    samples_print(&ingest.acks, "ack");
    printf("}\n");
    return 0;
}
