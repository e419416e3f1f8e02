// Workers: `--sockets` of them, which share `--executions` among them, each a stream with a number. Each execution
// writes
// `--rate` lines a second, each line at its time; what is due in one turn goes out as one frame of parts for each
// socket, as the worker gathers it. With `--hold 1` it says "ready" once all streams have begun, and goes on with the
// first byte on its standard input.
#include "load.h"
#include "model/chunk.h"
#include "model/parts.h"

#include <errno.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define ZSTD_LEVEL   1 // as the runner compresses
#define PACED_CHUNKS 2048
#define DUE_MAX      256 // lines of one stream that are not acknowledged
#define AT_ONCE      4096
#define FRAME_MAX    (1024u * 1024)
#define GIVE_UP_NS   60000000000u
#define OPEN_AT_ONCE 1000

struct stream {
    uint64_t next, acked;
    uint64_t due[DUE_MAX];
};

struct worker {
    int fd;
    bool armed;
    struct buf in, out, parts;
};

struct shared {
    int epoll;
    size_t worker_count, stream_count, ready;
    struct worker *workers;
    struct stream *streams;
    struct samples acks;
    uint64_t acked_lines;
};

// --- Frames

// At least one, which the analyzer cannot know.
static size_t sockets_of(const struct shared *shared)
{
    return MAX(shared->worker_count, (size_t)1);
}

static struct worker *worker_of(struct shared *shared, size_t stream)
{
    return &shared->workers[stream % sockets_of(shared)];
}

static uint32_t number_of(const struct shared *shared, size_t stream)
{
    return (uint32_t)(stream / sockets_of(shared)) + 1;
}

static void worker_send(struct shared *shared, struct worker *worker)
{
    while (worker->out.len > 0) {
        ssize_t sent = send(worker->fd, worker->out.data, worker->out.len, MSG_NOSIGNAL);
        if (sent < 0 && errno != EAGAIN)
            fail("send: %s", strerror(errno));
        if (sent <= 0)
            break;
        buf_consume(&worker->out, (size_t)sent);
    }
    bool arm = worker->out.len > 0;
    if (arm == worker->armed)
        return;
    struct epoll_event event = {.events = EPOLLIN | (arm ? EPOLLOUT : 0u), .data.ptr = worker};
    epoll_ctl(shared->epoll, EPOLL_CTL_MOD, worker->fd, &event);
    worker->armed = arm;
}

static void worker_flush(struct shared *shared, struct worker *worker)
{
    if (worker->parts.len > 0)
        frame_append(&worker->out, 2, worker->parts.data, worker->parts.len);
    buf_reset(&worker->parts);
    worker_send(shared, worker);
}

// [[1,5],[2,7],…]: of each stream the last counter that is durable.
static void take_acks(struct shared *shared, size_t worker, const char *at, const char *end)
{
    uint64_t now = now_ns();
    while (at < end && (at = memchr(at, '[', (size_t)(end - at))) != NULL) {
        char *comma;
        uint64_t number = strtoull(at + 1, &comma, 10);
        uint64_t acked = strtoull(comma + 1, NULL, 10) + 1;
        struct stream *stream = &shared->streams[(number - 1) * shared->worker_count + worker];
        shared->acked_lines += acked - stream->acked;
        for (; stream->acked < acked; stream->acked++)
            samples_add(&shared->acks, now - stream->due[stream->acked % DUE_MAX]);
        at = comma;
    }
}

static void take_frame(struct shared *shared, struct worker *worker, const struct frame *frame)
{
    static const char acks[] = "{\"type\":\"acks\",\"acks\":[", ready[] = "{\"type\":\"ready\"";
    if (frame->opcode == 9)
        frame_append(&worker->out, 10, frame->data, frame->len);
    else if (frame->opcode == 1 && frame->len > sizeof(acks) && memcmp(frame->data, acks, sizeof(acks) - 1) == 0)
        take_acks(shared, (size_t)(worker - shared->workers), frame->data + sizeof(acks) - 1, frame->data + frame->len);
    else if (frame->opcode == 1 && frame->len > sizeof(ready) && memcmp(frame->data, ready, sizeof(ready) - 1) == 0)
        shared->ready++;
    else if (frame->opcode == 1 && !memmem(frame->data, frame->len, "\"welcome\"", 9))
        fail("the server says %.*s", (int)frame->len, frame->data);
}

static void worker_read(struct shared *shared, struct worker *worker)
{
    struct frame frame;
    size_t used = 0, size;
    buf_reserve(&worker->in, 256 * 1024);
    ssize_t got = recv(worker->fd, worker->in.data + worker->in.len, 256 * 1024, 0);
    if (got < 0 && errno == EAGAIN)
        return;
    if (got <= 0)
        fail("a socket was closed");
    worker->in.len += (size_t)got;
    while ((size = frame_parse(worker->in.data + used, worker->in.len - used, &frame)) > 0) {
        take_frame(shared, worker, &frame);
        used += size;
    }
    buf_consume(&worker->in, used);
}

static void shared_wait(struct shared *shared, int timeout_ms)
{
    struct epoll_event events[64];
    int count = epoll_wait(shared->epoll, events, 64, timeout_ms);
    for (int i = 0; i < count; i++) {
        struct worker *worker = events[i].data.ptr;
        if (events[i].events & ~(uint32_t)EPOLLOUT)
            worker_read(shared, worker);
        worker_send(shared, worker);
    }
}

// --- Setting up

static void workers_open(struct shared *shared, unsigned port, const char *key)
{
    static const char hello[] = "{\"type\":\"hello\",\"slots\":0}";
    for (size_t i = 0; i < shared->worker_count; i++) {
        struct worker *worker = &shared->workers[i];
        worker->fd = peer_connect(port);
        peer_upgrade_begin(worker->fd, key, "/ws/workers");
        peer_upgrade_end(worker->fd, &worker->in);
        peer_nonblocking(worker->fd);
        struct epoll_event event = {.events = EPOLLIN, .data.ptr = worker};
        epoll_ctl(shared->epoll, EPOLL_CTL_ADD, worker->fd, &event);
        frame_append(&worker->out, 1, hello, sizeof(hello) - 1);
    }
}

static void streams_open(struct shared *shared, const char *prefix)
{
    CLEANUP(buf_release) struct buf text = {0};
    for (size_t i = 0; i < shared->stream_count; i++) {
        buf_reset(&text);
        buf_printf(&text, "{\"type\":\"open\",\"stream\":%u,\"execution_id\":\"%s%zu\"}", number_of(shared, i), prefix,
                   i);
        frame_append(&worker_of(shared, i)->out, 1, text.data, text.len);
        if (i % OPEN_AT_ONCE < OPEN_AT_ONCE - 1 && i + 1 < shared->stream_count)
            continue;
        for (size_t w = 0; w < shared->worker_count; w++)
            worker_send(shared, &shared->workers[w]);
        while (shared->ready <= i)
            shared_wait(shared, 1000);
    }
}

// --- The load

static void line_send(struct shared *shared, size_t at, const struct chunk *chunk, uint64_t due)
{
    struct stream *stream = &shared->streams[at];
    struct worker *worker = worker_of(shared, at);
    struct part part = {.stream = number_of(shared, at), .first = stream->next, .chunk = chunk_encoded(chunk)};
    if (stream->next - stream->acked >= DUE_MAX)
        fail("over %u lines of one execution are not acknowledged", DUE_MAX);
    stream->due[stream->next++ % DUE_MAX] = due;
    if (worker->parts.len + PART_HEADER + part.chunk.len > FRAME_MAX)
        worker_flush(shared, worker);
    part_append(&worker->parts, &part);
}

static void prepare(const struct corpus *corpus, struct chunk *ret[PACED_CHUNKS])
{
    CLEANUP(chunk_builder_free) struct chunk_builder *builder = chunk_builder_new();
    for (size_t i = 0; i < PACED_CHUNKS; i++) {
        struct record record = {.time_ms = clock_real_ms(), .message = corpus->lines[i % corpus->count]};
        chunk_builder_add(builder, &record);
        ret[i] = chunk_builder_finish(builder, ZSTD_LEVEL);
    }
}

static uint64_t run_paced(struct shared *shared, struct chunk *const *chunks, uint64_t rate, uint64_t seconds,
                          uint64_t *ret_bytes)
{
    uint64_t lines = shared->stream_count * rate * seconds, whole = seconds * 1000000000, began = now_ns();
    for (uint64_t sent = 0; sent < lines || shared->acked_lines < lines;) {
        uint64_t now = now_ns() - began, at_once = 0;
        for (; sent < lines && at_once < AT_ONCE; sent++, at_once++) {
            uint64_t due = (uint64_t)((double)sent * (double)whole / (double)lines);
            if (due > now)
                break;
            const struct chunk *chunk = chunks[(sent * 7919) % PACED_CHUNKS];
            *ret_bytes += chunk_message_bytes(chunk) + 1;
            line_send(shared, sent % shared->stream_count, chunk, began + due);
        }
        for (size_t w = 0; w < shared->worker_count; w++)
            worker_flush(shared, &shared->workers[w]);
        shared_wait(shared, at_once == AT_ONCE ? 0 : 1);
        if (now > whole + GIVE_UP_NS)
            fail("%llu lines were never acknowledged", (unsigned long long)(lines - shared->acked_lines));
    }
    return lines;
}

int run_shared(struct args *args)
{
    struct shared shared = {.epoll = epoll_create1(EPOLL_CLOEXEC)};
    struct corpus corpus = {0};
    struct chunk *chunks[PACED_CHUNKS];
    unsigned port = (unsigned)args_number(args, "port", 0);
    const char *key = args_text(args, "key", NULL), *prefix = args_text(args, "prefix", NULL);
    uint64_t rate = args_number(args, "rate", 10), seconds = args_number(args, "seconds", 10), bytes = 0;
    uint64_t server = args_number(args, "pid", 0);
    bool hold = args_number(args, "hold", 0);
    shared.worker_count = MAX(args_number(args, "sockets", 8), (uint64_t)1);
    shared.stream_count = args_number(args, "executions", 10000);
    shared.workers = xcalloc(shared.worker_count, sizeof(*shared.workers));
    shared.streams = xcalloc(shared.stream_count, sizeof(*shared.streams));
    corpus_load(&corpus, args_text(args, "file", NULL), PACED_CHUNKS);
    args_done(args);
    prepare(&corpus, chunks);
    executions_create(port, key, prefix, shared.stream_count);
    workers_open(&shared, port, key);
    streams_open(&shared, prefix);
    if (hold) {
        printf("ready\n");
        fflush(stdout);
        (void)getchar();
    }
    uint64_t cpu = server ? cpu_ns(server) : 0, own = cpu_ns((uint64_t)getpid()), began = now_ns();
    uint64_t lines = run_paced(&shared, chunks, rate, seconds, &bytes);
    double took = (double)(now_ns() - began) / 1e9;
    cpu = server ? cpu_ns(server) - cpu : 0;
    own = cpu_ns((uint64_t)getpid()) - own;
    printf("{\"lines\":%llu,\"bytes\":%llu,\"seconds\":%.4f,\"lines_per_second\":%.0f,\"server_cpu_seconds\":%.3f,"
           "\"client_cpu_seconds\":%.3f,",
           (unsigned long long)lines, (unsigned long long)bytes, took, (double)lines / took, (double)cpu / 1e9,
           (double)own / 1e9);
    samples_print(&shared.acks, "ack");
    printf("}\n");
    return 0;
}
