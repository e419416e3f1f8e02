// For tests of the interface: a real HTTP server on socket pairs, all rooms behind it, over any store. One thread.
#pragma once

#include "api/api.h"
#include "api/route.h"
#include "net/test_peer.h"

#define HOUSE_FOLLOWERS_MAX 3 // of an account
#define HOUSE_TICKETS_MAX   2 // of an account
#define HOUSE_MESSAGE_MAX   1000

struct house {
    struct loop *loop;   // borrowed
    struct store *store; // borrowed
    struct metrics *metrics;
    struct logger logger;
    struct auth *auth;
    struct hub *hub;
    struct places *followers;
    struct broadcast *news; // of the hub
    struct pool *pool;
    struct fanout *fanout;
    struct api_limits limits;
    struct api *api;
    struct http_server *http;
};

// With a table of routes; its last row has a NULL pattern. What the store commits reaches followers.
void house_open(struct house *house, struct loop *loop, struct store *store, const struct route *routes);
void house_close(struct house *house); // before its loop and store
// A connection to it, whose other end the test holds.
void house_connect(struct house *house, struct peer *peer);
