// What the files of this room know about the interface of one loop.
#pragma once

#include "api/api.h"
#include "ingest/gate.h"
#include "store/execution_cache.h"
#include "util/id.h"
#include "util/list.h"
#include "util/map.h"

#define GOING_AWAY      "the server is shutting down"
#define CLOCKS_APART_MS (60 * 1000) // a client's time may lie so far in the future

struct readiness;

struct api {
    struct api_options options;
    struct route_tree *tree; // of options.routes
    const struct api_limits *limits;
    struct record_parser *parser; // without a limit on messages, because messages that are too long are split
    struct record_parser *strict_parser;
    size_t strict_max;
    struct execution_cache *executions;
    struct readiness *readiness;
    struct intake_gate gate;
    struct list_node streams; // of struct stream_node
    unsigned stream_count;
    struct map holders;  // of struct holder_node
    struct timer *sweep; // ends streams whose credential ran out or was revoked
    struct map feeds;    // of struct batch_feed: the batches that somebody follows here
    _Atomic unsigned feed_count;
    struct log_limiter strange_tokens;
    bool draining;
    void (*fewer)(void *arg); // may be NULL
    void *fewer_arg;
};

static inline struct execution_terms api_terms(const struct api *api)
{
    return (struct execution_terms){.currency = api->limits->currency, .retention = &api->limits->retention};
}
