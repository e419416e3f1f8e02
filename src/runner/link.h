// How a delivery reaches the server: on a WebSocket of its own, or as a stream on one that many share. It is a port:
// one const table of functions. On the loop's thread.
#pragma once

#include "util/buf.h"
#include "util/error.h"

struct json_t;

// What the link tells its delivery. `opened` and `lost` may come from within `connect`; the others never come from
// within a call of the link.
struct delivery_link_events {
    void (*reached)(void *arg); // the server itself has answered, whatever it said
    void (*opened)(void *arg);
    void (*message)(void *arg, struct json_t *message); // from the server; NULL: it was not a JSON object
    void (*acked)(void *arg, uint64_t sequence_number); // everything up to that number is durable
    // The connection could not be made or has ended; `text` is for people, and NULL if there is nothing to say.
    void (*lost)(void *arg, int err, const char *text);
    void (*refused)(void *arg, int err, const char *text); // the server has refused the connection
    // Everything that has come so far was told, or there is room again: the delivery goes on.
    void (*settled)(void *arg);
};

struct delivery_link;

struct delivery_link_ops {
    void (*connect)(struct delivery_link *link);
    // Queued, in order. 0, or ERR_CLOSED when the connection has ended; `lost` need not follow.
    int (*send_text)(struct delivery_link *link, struct str object); // a JSON object that has members
    // The records [first, next) as an encoded chunk. At most LINK_CHUNK_MAX bytes.
    int (*send_chunk)(struct delivery_link *link, uint64_t first, uint64_t next, struct str encoded);
    // As much is queued as may be, so no chunk is sent now. `settled` is called when there is room.
    bool (*full)(struct delivery_link *link);
    // When the server was last heard of; clock_mono_ms.
    uint64_t (*last_receive_ms)(const struct delivery_link *link);
    void (*close)(struct delivery_link *link, unsigned code); // does nothing if it is closed
    void (*free)(struct delivery_link *link);                 // closes it
};

struct delivery_link {
    const struct delivery_link_ops *ops;
    bool keeps_lease; // it keeps the lease by itself: the delivery need not send anything for that
    // Set by the delivery that takes it over:
    const struct delivery_link_events *events;
    void *arg;
};

#define LINK_CHUNK_MAX (1024u * 1024 - 16) // a frame is at most 1 MiB, and has a head of up to 16 bytes
