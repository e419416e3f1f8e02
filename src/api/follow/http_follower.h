// A follower whose bytes go into a streamed answer. What is told between records, and how, is its sink's; the rest is
// here. Everything on the loop's thread.
#pragma once

#include "api/follow/follow.h"
#include "api/streams.h"

struct http_follower {
    struct stream_node node;
    struct http_stream *stream;
    struct subscriber *subscriber;
    struct timer *keep_alive; // for SSE, and for NDJSON that follows
    int64_t account;
    char *execution_id;
    const struct format *format;
    const struct subscriber_sink *sink;
    uint64_t first; // of the records that were there when it began, as its header says
    bool follow;
    bool finishing; // the server is shutting down
    void *more;     // its sink's own; `closing` releases it. NULL: none
    void (*closing)(struct http_follower *it);
};

// The first members of a sink for one; its owner is the follower.
#define HTTP_FOLLOWER_SINK http_follower_send, http_follower_pending, http_follower_unshare
void http_follower_send(void *owner, struct payload *payload, size_t offset, size_t len);
size_t http_follower_pending(void *owner);
void http_follower_unshare(void *owner);

// Answers the call, or says why not (429), in the format that the query asks for. Takes over what the query holds.
void http_follower_begin(struct call *call, struct log_query *query, const struct subscriber_sink *sink);
// For the sink at FOLLOWER_END: what comes from now on goes in another format, and it follows. False: it has ended.
bool http_follower_goes_live(struct http_follower *it);
// `whole`: the reader has everything. Otherwise the answer is cut, so that it sees that it is not complete. Frees it.
void http_follower_end(struct http_follower *it, bool whole);
// A browser reconnects after the end, with the id of the last event, which lies past the last record. Then it is told
// to stop (204). Returns whether it was.
bool follow_is_over(struct call *call, const struct log_query *query);
void http_follower_event(struct http_follower *it, int64_t id, const char *event, const struct buf *json); // of SSE
void http_follower_position(struct http_follower *it, const struct follower *follower); // of SSE, without an event
