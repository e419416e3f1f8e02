// Followers by WebSocket, `--followers` of them on one execution; with `--events 1` by server-sent events.
//   --mode drain   until each has been told `complete`, or its connection has ended
//   --mode idle    until standard input ends; prints "ready" once all are connected
//   --mode fan     a feeder beside them sends bursts of 16 records to the execution; at most `--window` bursts are
//                  under way, and one is under way until every follower has it.
// `--target raw`: the same against `bench-load raw --mode burst`. `--target nchan`: against nginx with nchan, where the
// feeder posts the payloads of the 16 frames in `--frames`. `--target rows`: records are sent as JSON.
#include "load.h"
#include "model/chunk.h"

#include <errno.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define BURST          16
#define BURSTS         256 // different ones
#define WINDOW_MAX     1024
#define UPGRADE_BATCH  100
#define READ_BYTES     (256u * 1024)
#define EVENTS_AT_ONCE 256
#define WARM_UP_BURSTS 20

enum target { TARGET_RUNNEL, TARGET_RAW, TARGET_NCHAN, TARGET_ROWS };

struct follower {
    int fd;
    bool ended, complete;
    uint64_t records;
    struct buf rest; // of a frame that is not whole
};

struct follow {
    int epoll, feeder;
    enum target target;
    bool fan, events;
    size_t count, ended;
    struct follower *followers;
    uint64_t records, bytes;
    // fan
    struct str chunks[BURSTS];
    const struct corpus *corpus;
    struct buf posts;             // the requests that publish a burst
    uint64_t sent, whole, window; // bursts
    size_t waiting[WINDOW_MAX];   // followers that lack the burst
    uint64_t sent_at[WINDOW_MAX];
    struct samples all_have_it;
    struct buf feeder_in;
    uint64_t feeder_reads;
    // what follower 0 gets
    FILE *save;
    uint64_t save_from, save_to; // records
    char *scratch;
};

static void follower_end(struct follow *follow, struct follower *follower)
{
    if (follower->ended)
        return;
    follower->ended = true;
    follow->ended++;
    epoll_ctl(follow->epoll, EPOLL_CTL_DEL, follower->fd, NULL);
    close(follower->fd);
}

static void burst_received(struct follow *follow, uint64_t burst)
{
    size_t slot = (size_t)(burst % WINDOW_MAX);
    follow->waiting[slot]--;
    while (follow->whole < follow->sent && follow->waiting[follow->whole % WINDOW_MAX] == 0) {
        samples_add(&follow->all_have_it, now_ns() - follow->sent_at[follow->whole % WINDOW_MAX]);
        follow->whole++;
    }
}

static void follower_frame(struct follow *follow, struct follower *follower, const struct frame *frame)
{
    static const char log[] = "{\"type\":\"log\"", complete[] = "{\"type\":\"complete\"";
    static const char log_event[] = "{\"execution_id\":";
    const char *begins = follow->events ? log_event : log;
    if (frame->opcode == 1 && frame->len > strlen(begins) && memcmp(frame->data, begins, strlen(begins)) == 0) {
        follower->records++;
        follow->records++;
        if (follow->fan && follower->records % BURST == 0)
            burst_received(follow, follower->records / BURST - 1);
    } else if (frame->opcode == 1 && frame->len >= sizeof(complete) &&
               memcmp(frame->data, complete, sizeof(complete) - 1) == 0) {
        follower->complete = true;
    } else if (frame->opcode == 9) {
        CLEANUP(buf_release) struct buf pong = {0};
        frame_append(&pong, 10, frame->data, frame->len);
        send(follower->fd, pong.data, pong.len, MSG_NOSIGNAL);
    } else if (frame->opcode == 8) {
        follower_end(follow, follower);
    }
}

// Returns how many bytes were of whole frames.
static size_t follower_parse(struct follow *follow, struct follower *follower, const char *data, size_t len)
{
    struct frame frame;
    size_t used = 0, size;
    while (!follower->ended && (size = follow->events ? event_parse(data + used, len - used, &frame)
                                                      : frame_parse(data + used, len - used, &frame)) > 0) {
        uint64_t before = follower->records;
        follower_frame(follow, follower, &frame);
        if (follow->save && follower == follow->followers && follower->records > before &&
            follower->records > follow->save_from && follower->records <= follow->save_to)
            fwrite(data + used, 1, size, follow->save);
        used += size;
    }
    return follower->ended ? len : used;
}

static void follower_take(struct follow *follow, struct follower *follower, const char *data, size_t len)
{
    follow->bytes += len;
    if (follower->rest.len == 0) {
        size_t used = follower_parse(follow, follower, data, len);
        buf_append(&follower->rest, data + used, len - used);
        return;
    }
    buf_append(&follower->rest, data, len);
    buf_consume(&follower->rest, follower_parse(follow, follower, follower->rest.data, follower->rest.len));
}

static void follower_read(struct follow *follow, struct follower *follower)
{
    ssize_t got = recv(follower->fd, follow->scratch, READ_BYTES, 0);
    if (got < 0 && errno == EAGAIN)
        return;
    if (got <= 0)
        follower_end(follow, follower);
    else
        follower_take(follow, follower, follow->scratch, (size_t)got);
}

static void feeder_read(struct follow *follow)
{
    struct frame frame;
    ssize_t got = recv(follow->feeder, follow->scratch, READ_BYTES, 0);
    if (got <= 0)
        fail("the feeder's connection has ended");
    if (follow->target == TARGET_NCHAN)
        return;
    buf_append(&follow->feeder_in, follow->scratch, (size_t)got);
    size_t used = 0, size;
    while ((size = frame_parse(follow->feeder_in.data + used, follow->feeder_in.len - used, &frame)) > 0) {
        used += size;
        if (frame.opcode == 1 && memmem(frame.data, frame.len, "\"error\"", 7))
            fail("the server says %.*s", (int)frame.len, frame.data);
        if (frame.opcode == 9) {
            CLEANUP(buf_release) struct buf pong = {0};
            frame_append(&pong, 10, frame.data, frame.len);
            peer_write(follow->feeder, pong.data, pong.len);
        }
    }
    buf_consume(&follow->feeder_in, used);
}

static void follow_wait(struct follow *follow, int timeout_ms)
{
    struct epoll_event events[EVENTS_AT_ONCE];
    int count = epoll_wait(follow->epoll, events, EVENTS_AT_ONCE, timeout_ms);
    for (int i = 0; i < count; i++) {
        if (events[i].data.ptr == follow)
            feeder_read(follow);
        else
            follower_read(follow, events[i].data.ptr);
    }
}

// --- Setting up

// A `*` in the path is the follower's number: each follows an execution of its own.
static void follower_open(struct follow *follow, size_t number, unsigned port, const char *key, const char *path)
{
    CLEANUP(buf_release) struct buf own = {0};
    const char *star = strchr(path, '*');
    if (star)
        buf_printf(&own, "%.*s%zu%s", (int)(star - path), path, number, star + 1);
    else
        buf_append_text(&own, path);
    follow->followers[number].fd = peer_connect(port);
    if (follow->target != TARGET_RAW)
        (follow->events ? peer_events_begin : peer_upgrade_begin)(follow->followers[number].fd, key, buf_cstr(&own));
}

static void followers_open(struct follow *follow, unsigned port, const char *key, const char *path)
{
    for (size_t done = 0; done < follow->count; done += UPGRADE_BATCH) {
        size_t end = MIN(done + UPGRADE_BATCH, follow->count);
        for (size_t i = done; i < end; i++)
            follower_open(follow, i, port, key, path);
        for (size_t i = done; i < end; i++) {
            struct follower *follower = &follow->followers[i];
            struct epoll_event event = {.events = EPOLLIN, .data.ptr = follower};
            CLEANUP(buf_release) struct buf rest = {0};
            if (follow->target != TARGET_RAW)
                (follow->events ? peer_events_end : peer_upgrade_end)(follower->fd, &rest);
            peer_nonblocking(follower->fd);
            epoll_ctl(follow->epoll, EPOLL_CTL_ADD, follower->fd, &event);
            follower_take(follow, follower, rest.data, rest.len);
        }
        if (!follow->fan)
            follow_wait(follow, 0);
    }
}

static void feeder_open(struct follow *follow, unsigned port, const char *key, const char *path,
                        const struct corpus *corpus)
{
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = follow};
    follow->feeder = peer_connect(port);
    follow->corpus = corpus;
    epoll_ctl(follow->epoll, EPOLL_CTL_ADD, follow->feeder, &event);
    if (follow->target == TARGET_RAW || follow->target == TARGET_NCHAN)
        return;
    peer_upgrade_begin(follow->feeder, key, path);
    peer_upgrade_end(follow->feeder, &follow->feeder_in);
    while (!memmem(follow->feeder_in.data, follow->feeder_in.len, "\"ready\"", 7)) {
        ssize_t got = recv(follow->feeder, follow->scratch, READ_BYTES, 0);
        if (got <= 0)
            fail("the feeder's connection has ended");
        buf_append(&follow->feeder_in, follow->scratch, (size_t)got);
    }
    buf_reset(&follow->feeder_in);
    CLEANUP(chunk_builder_free) struct chunk_builder *builder = chunk_builder_new();
    for (size_t i = 0; i < BURSTS; i++) {
        for (size_t j = 0; j < BURST; j++) {
            struct record record = {.time_ms = clock_real_ms(),
                                    .message = corpus->lines[(i * BURST + j) % corpus->count]};
            chunk_builder_add(builder, &record);
        }
        follow->chunks[i] = chunk_encoded(chunk_builder_finish(builder, 1)); // kept to the end of the process
    }
}

static void prepare_posts(struct follow *follow, const char *path, const char *frames_file)
{
    char bytes[65536];
    FILE *file = fopen(frames_file, "rb");
    size_t len = file ? fread(bytes, 1, sizeof(bytes), file) : 0, used = 0, size;
    struct frame frame;
    while ((size = frame_parse(bytes + used, len - used, &frame)) > 0) {
        buf_printf(&follow->posts, "POST %s HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: %zu\r\n\r\n", path,
                   frame.len);
        buf_append(&follow->posts, frame.data, frame.len);
        used += size;
    }
    if (follow->posts.len == 0)
        fail("%s: no frames", frames_file);
    fclose(file);
}

// --- Fan-out

static void append_json_burst(struct follow *follow, struct buf *out)
{
    for (size_t i = 0; i < BURST; i++) {
        uint64_t counter = follow->sent * BURST + i;
        buf_printf(out, "%c{\"sequence_number\":%llu,\"stream\":\"stdout\",\"message\":", i ? ',' : '[',
                   (unsigned long long)counter);
        buf_append_json_string(out, follow->corpus->lines[counter % follow->corpus->count]);
        buf_append_byte(out, '}');
    }
    buf_append_byte(out, ']');
}

static void feed_burst(struct follow *follow)
{
    CLEANUP(buf_release) struct buf payload = {0}, frame = {0};
    switch (follow->target) {
    case TARGET_RAW:
        peer_write(follow->feeder, "x", 1);
        return;
    case TARGET_NCHAN:
        peer_write(follow->feeder, follow->posts.data, follow->posts.len);
        return;
    case TARGET_ROWS:
        append_json_burst(follow, &payload);
        frame_append(&frame, 1, payload.data, payload.len);
        break;
    case TARGET_RUNNEL:
        buf_append_le64(&payload, follow->sent * BURST);
        buf_append_str(&payload, follow->chunks[follow->sent % BURSTS]);
        frame_append(&frame, 2, payload.data, payload.len);
        break;
    }
    peer_write(follow->feeder, frame.data, frame.len);
}

static void feed(struct follow *follow)
{
    while (follow->sent - follow->whole < follow->window) {
        size_t slot = (size_t)(follow->sent % WINDOW_MAX);
        follow->waiting[slot] = follow->count;
        follow->sent_at[slot] = now_ns();
        feed_burst(follow);
        follow->sent++;
    }
}

static void run_fan(struct follow *follow, uint64_t server, uint64_t seconds)
{
    while (follow->whole < WARM_UP_BURSTS) {
        feed(follow);
        follow_wait(follow, 1000);
    }
    samples_release(&follow->all_have_it);
    uint64_t records = follow->records, bytes = follow->bytes, cpu = cpu_ns(server), began = now_ns();
    while (now_ns() - began < seconds * 1000000000) {
        feed(follow);
        follow_wait(follow, 1000);
        if (follow->ended)
            fail("%zu followers have ended", follow->ended);
    }
    double took = (double)(now_ns() - began) / 1e9, used = (double)(cpu_ns(server) - cpu) / 1e9,
           delivered = (double)(follow->records - records);
    printf("{\"deliveries\":%.0f,\"bytes\":%llu,\"seconds\":%.4f,\"server_cpu_seconds\":%.4f,"
           "\"deliveries_per_second\":%.0f,\"deliveries_per_cpu_second\":%.0f,",
           delivered, (unsigned long long)(follow->bytes - bytes), took, used, delivered / took, delivered / used);
    samples_print(&follow->all_have_it, "burst");
    printf("}\n");
}

static void run_drain(struct follow *follow, uint64_t server, uint64_t began, uint64_t cpu)
{
    size_t complete = 0;
    uint64_t least = UINT64_MAX;
    while (follow->ended < follow->count)
        follow_wait(follow, 1000);
    for (size_t i = 0; i < follow->count; i++) {
        complete += follow->followers[i].complete;
        least = MIN(least, follow->followers[i].records);
    }
    printf("{\"followers\":%zu,\"complete\":%zu,\"records\":%llu,\"least\":%llu,\"bytes\":%llu,\"seconds\":%.4f,"
           "\"server_cpu_seconds\":%.4f}\n",
           follow->count, complete, (unsigned long long)follow->records, (unsigned long long)least,
           (unsigned long long)follow->bytes, (double)(now_ns() - began) / 1e9,
           server ? (double)(cpu_ns(server) - cpu) / 1e9 : 0);
}

static void run_idle(struct follow *follow)
{
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = NULL};
    epoll_ctl(follow->epoll, EPOLL_CTL_ADD, STDIN_FILENO, &event);
    printf("ready\n");
    fflush(stdout);
    bool told = false;
    while (!told) {
        struct epoll_event events[EVENTS_AT_ONCE];
        int count = epoll_wait(follow->epoll, events, EVENTS_AT_ONCE, -1);
        for (int i = 0; i < count && !told; i++) {
            told = !events[i].data.ptr; // by its input
            if (!told)
                follower_read(follow, events[i].data.ptr);
        }
    }
    printf("{\"followers\":%zu,\"ended\":%zu,\"records\":%llu}\n", follow->count, follow->ended,
           (unsigned long long)follow->records);
}

static enum target parse_target(const char *name)
{
    static const char *const names[] = {"runnel", "raw", "nchan", "rows"};
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        if (strcmp(name, names[i]) == 0)
            return (enum target)i;
    fail("no target %s", name);
}

int run_follow(struct args *args)
{
    struct follow follow = {.epoll = epoll_create1(EPOLL_CLOEXEC), .save_to = UINT64_MAX};
    unsigned port = (unsigned)args_number(args, "port", 0);
    const char *key = args_text(args, "key", ""), *id = args_text(args, "id", ""),
               *mode = args_text(args, "mode", NULL), *save = args_text(args, "save", ""),
               *position = args_text(args, "position", "from=0"), *file = args_text(args, "file", "");
    uint64_t server = args_number(args, "pid", 0), seconds = args_number(args, "seconds", 5);
    struct corpus corpus = {0};
    follow.count = args_number(args, "followers", 1);
    follow.window = MIN(args_number(args, "window", 1), (uint64_t)WINDOW_MAX);
    follow.save_from = args_number(args, "save-from", 0);
    follow.save_to = args_number(args, "save-to", UINT64_MAX);
    follow.target = parse_target(args_text(args, "target", "runnel"));
    const char *publish = args_text(args, "publish", ""), *frames = args_text(args, "frames", ""),
               *subscribe = args_text(args, "subscribe", "");
    follow.fan = strcmp(mode, "fan") == 0;
    follow.events = args_number(args, "events", 0) > 0;
    args_done(args);
    follow.followers = xcalloc(follow.count, sizeof(*follow.followers));
    follow.scratch = xmalloc(READ_BYTES);
    if (*save && !(follow.save = fopen(save, "wb")))
        fail("%s: cannot be written", save);
    CLEANUP(buf_release) struct buf path = {0};
    buf_printf(&path, "/ws/runner/executions/%s/stream", id);
    if (follow.fan) {
        corpus_load(&corpus, file, BURST * BURSTS);
        if (follow.target == TARGET_NCHAN)
            prepare_posts(&follow, publish, frames);
        feeder_open(&follow, port, key, buf_cstr(&path), &corpus);
    }
    buf_reset(&path);
    if (*subscribe)
        buf_append_text(&path, subscribe);
    else if (follow.events)
        buf_printf(&path, "/api/v1/executions/%s/logs/stream?%s", id, position);
    else
        buf_printf(&path, "/ws/executions/%s/logs?%s", id, position);
    uint64_t began = now_ns(), cpu = server ? cpu_ns(server) : 0;
    followers_open(&follow, port, key, buf_cstr(&path));
    if (follow.fan)
        run_fan(&follow, server, seconds);
    else if (strcmp(mode, "idle") == 0)
        run_idle(&follow);
    else
        run_drain(&follow, server, began, cpu);
    if (follow.save)
        fclose(follow.save);
    return 0;
}
