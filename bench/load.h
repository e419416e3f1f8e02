// What the load generators share. Each is a process of its own, started by bench/run, that prints one JSON object.
// They are clients as anybody could write them: they know the documented protocols, and of the program only the chunk.
#pragma once

#include "util/buf.h"

// --- Arguments: --name VALUE, flags as --name 1. Unknown ones end the process.
struct args;
struct args *args_parse(int argc, char **argv);
const char *args_text(struct args *args, const char *name, const char *otherwise); // NULL otherwise: it is required
uint64_t args_number(struct args *args, const char *name, uint64_t otherwise);
void args_done(struct args *args); // ends the process if one was not asked for

NORETURN void fail(const char *fmt, ...) PRINTF_LIKE(1, 2);
uint64_t now_ns(void);            // CLOCK_MONOTONIC
uint64_t cpu_ns(uint64_t pid);    // all threads of a process so far
void sleep_until(uint64_t at_ns); // the pace of a paced load

// --- Samples of a time; all are kept.
struct samples {
    uint64_t *ns;
    size_t count, cap;
};
void samples_add(struct samples *samples, uint64_t ns);
// Appends "NAME_p50_ms":…,"NAME_p99_ms":…,"NAME_p999_ms":…,"NAME_max_ms":…,"NAME_count":…
void samples_print(struct samples *samples, const char *name);
void samples_release(struct samples *samples);

// --- Text to send
struct corpus {
    char *data;
    size_t len;
    struct str *lines; // without the newline, at most 8 KiB each
    size_t count;
};
void corpus_load(struct corpus *corpus, const char *path, size_t lines_max);

// --- Sockets of a peer on 127.0.0.1
int peer_listen(unsigned *ret_port);
int peer_connect(unsigned port); // blocking; TCP_NODELAY
void peer_nonblocking(int fd);
void peer_write(int fd, const void *data, size_t len); // all of it, on a blocking socket
// Upgrades a blocking socket to a WebSocket; in two steps, so that many can be under way. What came behind the answer's
// head is appended to `rest`.
void peer_upgrade_begin(int fd, const char *key, const char *path);
void peer_upgrade_end(int fd, struct buf *rest);
// Asks for server-sent events, in two steps as well.
void peer_events_begin(int fd, const char *key, const char *path);
void peer_events_end(int fd, struct buf *rest);
// One request and its whole answer (Content-Length), on a blocking socket; the status code.
void peer_request_begin(int fd, const char *key, const char *method, const char *path, const char *body);
unsigned peer_request_end(int fd);
// Makes the executions PREFIX0 … PREFIX<count-1>, many requests at a time.
void executions_create(unsigned port, const char *key, const char *prefix, size_t count);
// Appends one masked, final frame, as a client must send it.
void frame_append(struct buf *out, unsigned opcode, const void *data, size_t len);

// A whole unmasked frame at the front of the bytes, as a server sends it.
struct frame {
    unsigned opcode;
    const char *data;
    size_t len;
};
// Bytes that the frame takes, 0 if it is not whole yet.
size_t frame_parse(const char *data, size_t len, struct frame *ret);
// The same for a server-sent event: its data is taken as a text frame, and one without data has the opcode 0. What
// frames the chunks of the answer stands between events, and is passed.
size_t event_parse(const char *data, size_t len, struct frame *ret);

// --- The generators
int run_ingest(struct args *args); // runners
int run_shared(struct args *args); // workers: many runners a socket
int run_follow(struct args *args); // followers, and a feeder
int run_http(struct args *args);   // requests
int run_raw(struct args *args);    // the references: plain senders
int run_child(struct args *args);  // a job that writes lines with the time in them
int run_reader(struct args *args); // who reads them
int run_probe(struct args *args);  // fdatasync
