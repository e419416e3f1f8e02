// What the files of a socket of many followers share.
#pragma once

#include "api/follow/batch_feed.h"
#include "api/lookup.h"
#include "api/streams.h"

#define STREAMS_FRAME_MAX         (64u * 1024)
#define STREAMS_SUBSCRIPTIONS_MAX 10000
#define STREAMS_PENDING_MAX       ((size_t)4 * 1024 * 1024)

struct json_t;
struct streams_socket;
struct subscription_key;

// What can be subscribed to.
struct subscription_kind {
    const char *word, *member; // as `kind`, and of frames that are about it
    bool finishes;             // at a shutdown it sends what is durable, and ends by itself
    void (*begin)(struct streams_socket *socket, const struct subscription_key *key, const struct json_t *message);
};

struct subscription_key {
    const struct subscription_kind *kind;
    struct str id;
};

struct streams_socket {
    struct stream_node node;
    struct ws *ws;
    struct map subscriptions; // struct streamed
    // Who goes on when the socket has taken everything: who found too little room, and who has sent since the last
    // time.
    struct list_node waiting, sent;
    bool finishing;
    struct deferred finished;
    char request_id[129];
};

// One subscription.
struct streamed {
    struct streams_socket *socket; // NULL once it has ended, while what it is about is still looked up
    const struct subscription_kind *kind;
    struct map_node node;
    char *key; // kind and id
    const char *id;
    struct list_node turn; // in `waiting` or `sent` of the socket
    bool looking;
    // An execution:
    struct execution_lookup lookup;
    struct subscriber *subscriber; // once it was found
    struct position position;
    struct filter *filter;
    bool restored;
    // A batch:
    struct store_batch_get batch_get;
    struct batch_listener batch;
    uint64_t version; // that the client has already
};

// --- subscription.c
struct streamed *subscription_find(const struct streams_socket *socket, const struct subscription_key *key); // NULL
// With its place among the account's followers; NULL after having said that there is none.
struct streamed *subscription_new(struct streams_socket *socket, const struct subscription_key *key);
void subscription_end(struct streamed *it); // says nothing
void streamed_free(struct streamed *it);    // one that has ended while it was looked up
void subscriptions_init(struct streams_socket *socket);
void subscriptions_end(struct streams_socket *socket);     // all of them, with their socket
void subscriptions_finish(struct streams_socket *socket);  // each once it has what is durable now
void subscriptions_drained(struct streams_socket *socket); // the socket has taken everything

// --- subscription_execution.c, subscription_batch.c
void subscription_begin_execution(struct streams_socket *socket, const struct subscription_key *key,
                                  const struct json_t *message);
void subscription_begin_batch(struct streams_socket *socket, const struct subscription_key *key,
                              const struct json_t *message);

// --- select.c
// Position and filters of a `subscribe` frame. 0; or the error and what is wrong, in `ret_problem`.
struct selection {
    struct position position;
    struct filter *filter; // the caller's reference, or NULL
    bool restored;
};
int selection_parse(const struct api *api, const struct json_t *message, struct selection *ret,
                    struct buf *ret_problem);

// --- say.c
// `kind` NULL: it is about no subscription. `text` NULL: the error's.
void socket_say_error(struct streams_socket *socket, const struct subscription_kind *kind, struct str id, int err,
                      const char *text);
