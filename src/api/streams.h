// Long-lived connections are listed here, so that shutdown and revocation reach them. Everything on the loop's thread.
#pragma once

#include "api/api_private.h"

#define CLOSE_SUSPENDED 4403

struct stream_node {
    struct list_node node;
    struct api *api;
    struct principal principal;
    // Ends it with a WebSocket close code: 1001 going away, 4401 credential ran out, 4403 account suspended. `err` is
    // what an error frame or event says before that, where there are such; 0: nothing.
    void (*end)(struct stream_node *stream, unsigned code, int err, const char *reason);
    // Ends it with 1001 when it has everything that is durable now. NULL: `end` is used.
    void (*finish)(struct stream_node *stream);
};
// Returns 0 if the principal is still good, else ERR_UNAUTHORIZED, ERR_TOKEN_EXPIRED or ERR_SUSPENDED. If credentials
// have changed since it was judged, it is judged again; so no change slips through between two checks. Must be called
// after each wait.
int api_standing(struct api *api, struct principal *principal);
// Only for a principal that api_standing has just found good.
void stream_add(struct stream_node *stream, struct api *api, const struct principal *principal);
void stream_remove(struct stream_node *stream);

void streams_init(struct api *api);
void streams_release(struct api *api);
void streams_drain(struct api *api, void (*fewer)(void *arg), void *arg); // as api_drain
void streams_close(struct api *api);

// A runner's stream, for messages of the hub, which names it by its holder number.
struct holder_node {
    struct map_node node;
    uint64_t holder; // never 0
    void (*replaced)(struct holder_node *it);
    void (*cancel)(struct holder_node *it, const char *reason);
};
void holder_add(struct holder_node *it, struct api *api);
void holder_remove(struct holder_node *it, struct api *api);
// For the hub's listener. A holder that is not known is ignored.
void holder_replaced(void *api, uint64_t holder);
void holder_cancel(void *api, uint64_t holder, const char *reason);
