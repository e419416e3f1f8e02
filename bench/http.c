// Clients of HTTP: `--connections`, each with one request under way, `--requests` altogether. In `--path` a {} stands
// for a number: i × `--step`, or with `--random N` a random one below N.
#include "load.h"

#include <errno.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define READ_BYTES     (256u * 1024)
#define EVENTS_AT_ONCE 256
#define HEAD_MAX       16384

enum expect { EXPECT_HEAD, EXPECT_BODY, EXPECT_SIZE, EXPECT_CHUNK, EXPECT_CHUNK_END, EXPECT_TRAILER };

struct client {
    int fd;
    enum expect expect;
    uint64_t left, began;
    struct buf head; // of the answer, or of a chunk
};

struct http_load {
    int epoll;
    unsigned port;
    const char *key, *path, *accept;
    struct corpus paths;
    uint64_t requests, begun, ended, failed, step, random, seed, bytes, newlines;
    struct samples answers;
    FILE *save;
    char *scratch;
};

static uint64_t next_random(uint64_t *seed)
{
    *seed = *seed * 6364136223846793005u + 1442695040888963407u;
    return *seed >> 24;
}

static void client_ask(struct http_load *load, struct client *client)
{
    CLEANUP(buf_release) struct buf text = {0};
    uint64_t number = load->random ? next_random(&load->seed) % load->random : load->begun * load->step;
    struct str path = load->paths.count ? load->paths.lines[load->begun % load->paths.count] : str_of(load->path);
    const char *hole = memmem(path.data, path.len, "{}", 2);
    size_t before = hole ? (size_t)(hole - path.data) : path.len;
    buf_printf(&text, "GET %.*s", (int)before, path.data);
    if (hole)
        buf_printf(&text, "%llu%.*s", (unsigned long long)number, (int)(path.len - before - 2), hole + 2);
    buf_printf(&text, " HTTP/1.1\r\nHost: 127.0.0.1\r\n");
    if (*load->key)
        buf_printf(&text, "Authorization: Bearer %s\r\n", load->key);
    buf_printf(&text, "User-Agent: bench-load/1\r\nAccept: %s\r\n\r\n", load->accept);
    load->begun++;
    client->expect = EXPECT_HEAD;
    client->began = now_ns();
    buf_reset(&client->head);
    peer_write(client->fd, text.data, text.len);
}

static void client_answered(struct http_load *load, struct client *client)
{
    samples_add(&load->answers, now_ns() - client->began);
    load->ended++;
    if (load->save) {
        fclose(load->save);
        load->save = NULL;
    }
    if (load->begun < load->requests)
        client_ask(load, client);
}

static void client_head(struct http_load *load, struct client *client)
{
    const char *text = buf_cstr(&client->head), *length = strcasestr(text, "\r\ncontent-length:");
    load->failed += client->head.len < 12 || text[9] != '2';
    if (strcasestr(text, "\r\ntransfer-encoding: chunked")) {
        client->expect = EXPECT_SIZE;
    } else {
        client->expect = EXPECT_BODY;
        client->left = length ? strtoull(length + 17, NULL, 10) : 0;
    }
    buf_reset(&client->head);
}

// Takes a line into client->head; how many bytes of `data` it took. *ret_whole: its end, `end`, was seen.
static size_t take_line(struct client *client, const char *data, size_t len, const char *end, bool *ret_whole)
{
    size_t end_len = strlen(end);
    for (size_t i = 0; i < len; i++) {
        buf_append_byte(&client->head, data[i]);
        struct buf *head = &client->head;
        *ret_whole = head->len >= end_len && memcmp(head->data + head->len - end_len, end, end_len) == 0;
        if (*ret_whole)
            return i + 1;
        if (head->len > HEAD_MAX)
            fail("a line of the answer is too long");
    }
    *ret_whole = false;
    return len;
}

static size_t take_body(struct http_load *load, struct client *client, const char *data, size_t len)
{
    size_t take = (size_t)MIN((uint64_t)len, client->left);
    for (const char *at = data, *end = data + take; (at = memchr(at, '\n', (size_t)(end - at))); at++)
        load->newlines++;
    client->left -= take;
    return take;
}

// One step over the bytes; how many it took.
static size_t client_step(struct http_load *load, struct client *client, const char *data, size_t len)
{
    bool whole = false;
    size_t took = 0;
    switch (client->expect) {
    case EXPECT_HEAD:
        took = take_line(client, data, len, "\r\n\r\n", &whole);
        if (whole)
            client_head(load, client);
        break;
    case EXPECT_BODY:
        took = take_body(load, client, data, len);
        break;
    case EXPECT_SIZE:
        took = take_line(client, data, len, "\r\n", &whole);
        if (!whole)
            break;
        client->left = strtoull(buf_cstr(&client->head), NULL, 16);
        client->expect = client->left ? EXPECT_CHUNK : EXPECT_TRAILER;
        buf_reset(&client->head);
        break;
    case EXPECT_CHUNK:
        took = take_body(load, client, data, len);
        if (client->left == 0)
            client->expect = EXPECT_CHUNK_END;
        break;
    case EXPECT_CHUNK_END:
    case EXPECT_TRAILER:
        took = take_line(client, data, len, "\r\n", &whole);
        if (!whole)
            break;
        buf_reset(&client->head);
        if (client->expect == EXPECT_CHUNK_END) {
            client->expect = EXPECT_SIZE;
        } else {
            client->expect = EXPECT_BODY;
            client->left = 0;
        }
        break;
    }
    if (client->expect == EXPECT_BODY && client->left == 0)
        client_answered(load, client);
    return took;
}

static void client_read(struct http_load *load, struct client *client)
{
    ssize_t got = recv(client->fd, load->scratch, READ_BYTES, MSG_DONTWAIT);
    if (got < 0 && errno == EAGAIN)
        return;
    if (got <= 0)
        fail("a connection has ended: %s", got < 0 ? strerror(errno) : "closed");
    load->bytes += (uint64_t)got;
    if (load->save)
        fwrite(load->scratch, 1, (size_t)got, load->save);
    for (size_t at = 0; at < (size_t)got;)
        at += client_step(load, client, load->scratch + at, (size_t)got - at);
}

int run_http(struct args *args)
{
    struct http_load load = {.epoll = epoll_create1(EPOLL_CLOEXEC), .seed = 7};
    size_t connections = args_number(args, "connections", 1);
    load.port = (unsigned)args_number(args, "port", 0);
    load.key = args_text(args, "key", "");
    load.path = args_text(args, "path", "/");
    load.accept = args_text(args, "accept", "*/*");
    load.requests = args_number(args, "requests", 1);
    load.step = args_number(args, "step", 0);
    load.random = args_number(args, "random", 0);
    uint64_t server = args_number(args, "pid", 0);
    const char *save = args_text(args, "save", ""), *paths = args_text(args, "paths", "");
    args_done(args);
    if (*save && !(load.save = fopen(save, "wb")))
        fail("%s: cannot be written", save);
    if (*paths)
        corpus_load(&load.paths, paths, SIZE_MAX);
    load.scratch = xmalloc(READ_BYTES);
    struct client *clients = xcalloc(connections, sizeof(*clients));
    for (size_t i = 0; i < connections; i++) {
        struct epoll_event event = {.events = EPOLLIN, .data.ptr = &clients[i]};
        clients[i].fd = peer_connect(load.port);
        epoll_ctl(load.epoll, EPOLL_CTL_ADD, clients[i].fd, &event);
    }
    uint64_t cpu = server ? cpu_ns(server) : 0, began = now_ns();
    for (size_t i = 0; i < connections && load.begun < load.requests; i++)
        client_ask(&load, &clients[i]);
    while (load.ended < load.requests) {
        struct epoll_event events[EVENTS_AT_ONCE];
        int count = epoll_wait(load.epoll, events, EVENTS_AT_ONCE, 1000);
        for (int i = 0; i < count; i++)
            client_read(&load, events[i].data.ptr);
    }
    double took = (double)(now_ns() - began) / 1e9;
    printf("{\"requests\":%llu,\"failed\":%llu,\"bytes\":%llu,\"newlines\":%llu,\"seconds\":%.5f,"
           "\"per_second\":%.0f,\"server_cpu_seconds\":%.3f,",
           (unsigned long long)load.requests, (unsigned long long)load.failed, (unsigned long long)load.bytes,
           (unsigned long long)load.newlines, took, (double)load.requests / took,
           server ? (double)(cpu_ns(server) - cpu) / 1e9 : 0);
    samples_print(&load.answers, "answer");
    printf("}\n");
    return 0;
}
