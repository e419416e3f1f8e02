// Reads one answer of HTTP/1.1 as it comes, in pieces of any size: its status, then its body without the framing.
// Informational answers are passed over. It holds none of the body. For one thread.
#pragma once

#include "util/error.h"
#include "util/str.h"

#define HTTP_REPLY_HEAD_MAX ((size_t)64 * 1024)

struct http_reply;

struct http_reply_events {
    void (*head)(void *arg, int status);
    void (*body)(void *arg, struct str bytes); // or what comes after the upgrade
};
// `upgrade`: after an answer of 101 or 200 the connection carries bytes of another protocol, to its end. The events may
// not free the reply.
struct http_reply *http_reply_new(bool upgrade, const struct http_reply_events *events, void *arg);
void http_reply_free(struct http_reply **reply);
// Returns ERR_MALFORMED, or ERR_TOO_LARGE for a head over HTTP_REPLY_HEAD_MAX; it takes nothing more afterwards. What
// comes behind a complete answer is malformed.
int http_reply_feed(struct http_reply *reply, const void *data, size_t len);
bool http_reply_complete(const struct http_reply *reply); // never true after an upgrade
// The peer has closed the connection. 0 if the answer is whole by that; ERR_CLOSED: it was cut.
int http_reply_end(struct http_reply *reply);
