// Requests to a service of this machine that listens on a Unix socket, such as a container engine. Nothing blocks: each
// request has a connection of its own, on a loop. After an upgrade, the connection carries bytes both ways, to its end.
#pragma once

#include "loop/loop.h"
#include "util/error.h"
#include "util/str.h"

struct local_call;

struct local_events {
    void (*head)(void *arg, int status);
    void (*data)(void *arg, struct str bytes); // of the body, or after the upgrade; not while it is paused
    // 0: the answer is whole, or the upgraded connection has ended. ERR_UNREACHABLE: nobody listens. ERR_CLOSED: cut.
    // ERR_TIMEOUT: nothing came for as long as it might take. ERR_MALFORMED, ERR_TOO_LARGE: it does not speak HTTP.
    // Nothing is called afterwards; the owner frees the call, then or later.
    void (*ended)(void *arg, int err);
};
struct local_request {
    const char *socket; // the path, of any length
    const char *method, *target;
    const char *header; // a further line of the head without its end, "Name: value"; or NULL
    struct str body;    // JSON, or empty
    bool upgrade;       // to bytes (Upgrade: tcp)
    uint64_t idle_ms;   // how long nothing may come; 0: for ever
    int input_fd;       // after the upgrade its bytes are sent, then our side is closed; taken over. -1: none
};
// Begins it. The strings are copied. The events come in later turns of the loop.
struct local_call *local_call_new(struct loop *loop, const struct local_request *request,
                                  const struct local_events *events, void *arg);
void local_call_pause(struct local_call *call, bool pause); // reads nothing, so that the peer has to wait
void local_call_free(struct local_call **call);             // closes the connection; allowed within its events
