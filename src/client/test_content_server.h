// A server of contents for unit tests: real sockets, one request after the other on a thread, everything in memory, and
// faults on demand. It keeps one content at a time whole, and names of artifacts.
#pragma once

#include "net/digest.h"
#include "util/buf.h"
#include "util/id.h"
#include "util/testing.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/socket.h>
#include <unistd.h>

#define CONTENT_SERVER_KEPT 100

struct kept_content {
    char hash[65];
    struct buf bytes; // shorter than `size` after an interrupted upload
    uint64_t size;
};

struct content_server {
    int listener;
    char url[64];
    pthread_t thread;
    atomic_bool ending;
    // Faults:
    atomic_ullong cut_after; // hangs up after so many bytes of a body that comes or goes, once; 0: never
    atomic_int refuse;       // a status instead of taking content; 0: none
    atomic_bool whole;       // answers ranges by all of it
    // What came; look at it when nothing is under way
    struct kept_content kept[CONTENT_SERVER_KEPT];
    struct buf names;    // "NAME=HASH MODE\n" of artifacts
    struct buf requests; // "METHOD PATH\n"
    atomic_uint bodies;  // bytes of contents that came
};

struct content_request {
    char method[8], path[1024];
    uint64_t length, from, size;
    bool ranged;
};

static inline struct kept_content *content_server_find(struct content_server *server, const char *hash)
{
    for (size_t i = 0; i < CONTENT_SERVER_KEPT; i++) {
        if (strcmp(server->kept[i].hash, hash) == 0)
            return &server->kept[i];
    }
    return NULL;
}

static inline struct kept_content *content_server_keep(struct content_server *server, const char *hash, uint64_t size)
{
    struct kept_content *kept = content_server_find(server, hash);
    kept = kept ? kept : content_server_find(server, "");
    if (!kept)
        abort(); // a test keeps fewer
    snprintf(kept->hash, sizeof(kept->hash), "%.64s", hash);
    kept->size = size;
    return kept;
}

// Gives it a content; returns its hash.
static inline const char *content_server_add(struct content_server *server, const void *data, size_t len)
{
    uint8_t digest[32];
    char hash[65];
    sha256(data, len, digest);
    hex_encode(digest, sizeof(digest), hash);
    struct kept_content *kept = content_server_keep(server, hash, len);
    buf_reset(&kept->bytes);
    buf_append(&kept->bytes, data, len);
    return kept->hash;
}

static inline void content_answer(int fd, int status, const char *headers, struct str body)
{
    char head[512];
    int len = snprintf(head, sizeof(head), "HTTP/1.1 %d X\r\nX-Runnel-Incarnation: i\r\n%sContent-Length: %zu\r\n\r\n",
                       status, headers, body.len);
    send(fd, head, (size_t)len, MSG_NOSIGNAL);
    if (body.len > 0)
        send(fd, body.data, body.len, MSG_NOSIGNAL);
}

static inline void content_refuse(int fd, int status, const char *code)
{
    char body[128];
    snprintf(body, sizeof(body), "{\"error\":{\"code\":\"%s\",\"message\":\"it says %s\"}}", code, code);
    content_answer(fd, status, "", str_of(body));
}

// Reads a head; what follows it stays in `in`.
static inline bool content_read_head(int fd, struct buf *in, struct content_request *ret)
{
    const char *end;
    while (!(in->len > 0 && (end = memmem(in->data, in->len, "\r\n\r\n", 4)))) {
        char data[4096];
        ssize_t got = recv(fd, data, sizeof(data), 0);
        if (got <= 0)
            return false;
        buf_append(in, data, (size_t)got);
    }
    CLEANUP(free_ptr) char *head = xstrndup(in->data, (size_t)(end - in->data) + 2);
    unsigned long long a = 0, b = 0, n = 0;
    *ret = (struct content_request){0};
    assert_int_equal(sscanf(head, "%7s %1023s", ret->method, ret->path), 2);
    const char *at = strcasestr(head, "\r\ncontent-length: ");
    if (at && sscanf(at + 18, "%llu", &a) == 1)
        ret->length = a;
    ret->size = ret->length;
    at = strcasestr(head, "\r\ncontent-range: bytes ");
    if (at && sscanf(at + 23, "%llu-%llu/%llu", &a, &b, &n) == 3)
        ret->ranged = true, ret->from = a, ret->size = n;
    at = strcasestr(head, "\r\nrange: bytes=");
    if (at && sscanf(at + 15, "%llu-", &a) == 1)
        ret->ranged = true, ret->from = a;
    buf_consume(in, (size_t)(end - in->data) + 4);
    return true;
}

// Appends the body to `out`. Returns false if the connection ends, or is to be cut.
static inline bool content_read_body(struct content_server *server, int fd, struct buf *in, uint64_t length,
                                     struct buf *out)
{
    uint64_t cut = server->cut_after;
    for (uint64_t left = length; left > 0;) {
        char data[65536];
        ssize_t got = in->len > 0 ? (ssize_t)MIN(in->len, sizeof(data)) : recv(fd, data, sizeof(data), 0);
        if (got <= 0)
            return false;
        if (in->len > 0) {
            memcpy(data, in->data, (size_t)got);
            buf_consume(in, (size_t)got);
        }
        size_t take = MIN((size_t)got, left);
        if (cut > 0)
            take = MIN(take, cut - (length - left));
        buf_append(out, data, take);
        left -= take;
        if (cut > 0 && length - left >= cut) {
            server->cut_after = 0;
            return false;
        }
    }
    return true;
}

static inline bool content_put(struct content_server *server, int fd, struct buf *in,
                               const struct content_request *request, const char *hash)
{
    CLEANUP(buf_release) struct buf unwanted = {0};
    char header[64];
    if (server->refuse) {
        content_read_body(server, fd, in, request->length, &unwanted);
        content_refuse(fd, server->refuse, server->refuse == 413 ? "too_large" : "unavailable");
        return true;
    }
    struct kept_content *kept = content_server_keep(server, hash, request->size);
    snprintf(header, sizeof(header), "Upload-Offset: %zu\r\n", kept->bytes.len);
    if (request->from != kept->bytes.len && request->ranged) {
        content_read_body(server, fd, in, request->length, &unwanted);
        content_answer(fd, 409, header, STR("{\"error\":{\"code\":\"conflict\",\"message\":\"offset\"}}"));
        return true;
    }
    if (!request->ranged)
        buf_reset(&kept->bytes);
    size_t before = kept->bytes.len;
    bool whole = content_read_body(server, fd, in, request->length, &kept->bytes);
    server->bodies += (unsigned)(kept->bytes.len - before);
    if (!whole)
        return false;
    uint8_t digest[32];
    char found[65];
    sha256(kept->bytes.data ? kept->bytes.data : "", kept->bytes.len, digest);
    hex_encode(digest, sizeof(digest), found);
    if (strcmp(found, hash) != 0) {
        kept->hash[0] = 0;
        buf_reset(&kept->bytes);
        content_refuse(fd, 422, "digest_mismatch");
    } else {
        content_answer(fd, 201, "", str_n(NULL, 0));
    }
    return true;
}

static inline bool content_missing(struct content_server *server, int fd, struct buf *in,
                                   const struct content_request *request)
{
    CLEANUP(buf_release) struct buf body = {0}, answer = {0};
    if (!content_read_body(server, fd, in, request->length, &body))
        return false;
    buf_append_text(&answer, "{\"missing\":[");
    const char *quote = strchr(buf_cstr(&body) + strlen("{\"hashes\""), '"');
    for (bool first = true; quote; quote = strchr(quote + 66, '"')) {
        char hash[65];
        snprintf(hash, sizeof(hash), "%.64s", quote + 1);
        if (content_server_find(server, hash))
            continue;
        buf_printf(&answer, "%s\"%s\"", first ? "" : ",", hash);
        first = false;
    }
    buf_append_text(&answer, "]}");
    content_answer(fd, 200, "", buf_str(&answer));
    return true;
}

static inline bool content_post(struct content_server *server, int fd, struct buf *in,
                                const struct content_request *request)
{
    CLEANUP(buf_release) struct buf body = {0};
    if (!content_read_body(server, fd, in, request->length, &body))
        return false;
    if (server->refuse) {
        content_refuse(fd, server->refuse, server->refuse == 413 ? "too_large" : "unavailable");
        return true;
    }
    server->bodies += (unsigned)body.len;
    for (struct str rest = buf_str(&body); rest.len > 0;) {
        struct str size = str_split(&rest, '\n'), hash = str_split(&size, ' ');
        uint64_t len = 0;
        assert_true(hash.len == 64 && str_to_u64(size, &len) && len <= rest.len);
        const char *known = content_server_add(server, rest.data ? rest.data : "", (size_t)len);
        assert_memory_equal(known, hash.data, 64);
        rest = str_n(rest.data + len, rest.len - (size_t)len);
    }
    content_answer(fd, 201, "", STR("{}"));
    return true;
}

static inline void content_head(struct content_server *server, int fd, const char *hash)
{
    const struct kept_content *kept = content_server_find(server, hash);
    char header[64] = "";
    bool whole = kept && kept->bytes.len == kept->size;
    if (!whole)
        snprintf(header, sizeof(header), "Upload-Offset: %zu\r\n", kept ? kept->bytes.len : (size_t)0);
    content_answer(fd, whole ? 200 : 404, header, str_n(NULL, 0));
}

static inline void content_name(struct content_server *server, int fd, struct buf *in,
                                const struct content_request *request, const char *name)
{
    CLEANUP(buf_release) struct buf body = {0};
    char hash[65] = "";
    content_read_body(server, fd, in, request->length, &body);
    const char *at = strstr(buf_cstr(&body), "\"sha256\":\"");
    assert_non_null(at);
    snprintf(hash, sizeof(hash), "%.64s", at + 10);
    at = strstr(buf_cstr(&body), "\"mode\":");
    buf_printf(&server->names, "%s=%s %s\n", name, hash, at ? at + 7 : "?");
    content_answer(fd, 201, "", STR("{}"));
}

// The name is a content's hash.
static inline bool content_get(struct content_server *server, int fd, const struct content_request *request,
                               const char *hash)
{
    const struct kept_content *kept = content_server_find(server, hash);
    if (!kept) {
        content_refuse(fd, 404, "not_found");
        return true;
    }
    uint64_t from = request->ranged && !server->whole ? request->from : 0, cut = server->cut_after;
    char head[200];
    size_t len = kept->bytes.len - (size_t)from;
    snprintf(head, sizeof(head), "HTTP/1.1 %d X\r\nX-Runnel-Incarnation: i\r\nContent-Length: %zu\r\n\r\n",
             from > 0 ? 206 : 200, len);
    send(fd, head, strlen(head), MSG_NOSIGNAL);
    if (cut > 0 && cut < len) {
        server->cut_after = 0;
        send(fd, kept->bytes.data + from, (size_t)cut, MSG_NOSIGNAL);
        return false;
    }
    for (size_t at = 0; at < len;) {
        ssize_t sent = send(fd, kept->bytes.data + from + at, len - at, MSG_NOSIGNAL);
        if (sent <= 0)
            return false;
        at += (size_t)sent;
    }
    return true;
}

static inline bool content_serve(struct content_server *server, int fd, struct buf *in)
{
    static const char blobs[] = "/api/v1/blobs/", artifacts[] = "/api/v1/executions/e/artifacts/",
                      inputs[] = "/api/v1/executions/e/inputs/";
    struct content_request request;
    if (!content_read_head(fd, in, &request))
        return false;
    const char *path = request.path;
    buf_printf(&server->requests, "%s %s\n", request.method, path);
    if (strcmp(path, "/api/v1/blobs/missing") == 0)
        return content_missing(server, fd, in, &request);
    else if (strcmp(path, "/api/v1/blobs") == 0)
        return content_post(server, fd, in, &request);
    else if (strncmp(path, blobs, sizeof(blobs) - 1) == 0 && strcmp(request.method, "HEAD") == 0)
        content_head(server, fd, path + sizeof(blobs) - 1);
    else if (strncmp(path, blobs, sizeof(blobs) - 1) == 0)
        return content_put(server, fd, in, &request, path + sizeof(blobs) - 1);
    else if (strncmp(path, artifacts, sizeof(artifacts) - 1) == 0 && strcmp(request.method, "PUT") == 0)
        content_name(server, fd, in, &request, path + sizeof(artifacts) - 1);
    else if (strncmp(path, inputs, sizeof(inputs) - 1) == 0)
        return content_get(server, fd, &request, path + sizeof(inputs) - 1);
    else
        content_refuse(fd, 404, "no_such_route");
    return true;
}

static inline void *content_server_thread(void *arg)
{
    struct content_server *server = arg;
    for (;;) {
        CLEANUP(close_fd) int fd = accept4(server->listener, NULL, NULL, SOCK_CLOEXEC);
        CLEANUP(buf_release) struct buf in = {0};
        if (server->ending || fd < 0)
            return NULL;
        while (content_serve(server, fd, &in))
            ;
    }
}

static inline void content_server_start(struct content_server *server)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(address);
    server->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(server->listener, (struct sockaddr *)&address, len), 0);
    assert_int_equal(listen(server->listener, 16), 0);
    assert_int_equal(getsockname(server->listener, (struct sockaddr *)&address, &len), 0);
    snprintf(server->url, sizeof(server->url), "http://127.0.0.1:%u", ntohs(address.sin_port));
    assert_int_equal(pthread_create(&server->thread, NULL, content_server_thread, server), 0);
}

// Nobody may be connected any more.
static inline void content_server_stop(struct content_server *server)
{
    server->ending = true;
    shutdown(server->listener, SHUT_RDWR);
    pthread_join(server->thread, NULL);
    close(server->listener);
    for (size_t i = 0; i < CONTENT_SERVER_KEPT; i++)
        buf_release(&server->kept[i].bytes);
    buf_release(&server->names);
    buf_release(&server->requests);
}
