// Long-lived connections, so that shutdown and revocation reach them. All of it on the loop's thread.
#pragma once

#include "api/api_private.h"

#define CLOSE_SUSPENDED 4403

struct stream_node {
    struct list_node node;
    struct api *api;
    struct principal principal;
    // Ends it with a WebSocket close code: 1001 going away, 4401 credential ran out, 4403 account suspended.
    void (*end)(struct stream_node *stream, unsigned code, const char *reason);
    // Ends it with 1001 once it has all that is durable now; NULL: `end` will do.
    void (*finish)(struct stream_node *stream);
};
// 0 if the principal is still good, else ERR_UNAUTHORIZED or ERR_SUSPENDED. It is compared with the change that it was
// judged as of, so that none slips through between two looks, and judged again if it is not that. To be asked again
// after each wait.
int api_standing(struct api *api, struct principal *principal);
// Only of a principal that stands.
void stream_add(struct stream_node *stream, struct api *api, const struct principal *principal);
void stream_remove(struct stream_node *stream);

void streams_init(struct api *api);
void streams_release(struct api *api);
void streams_drain(struct api *api, void (*fewer)(void *arg), void *arg); // as api_drain
void streams_close(struct api *api);

// A runner's stream, for what the hub tells of it by its holder.
struct holder_node {
    struct map_node node;
    uint64_t holder; // not 0
    void (*replaced)(struct holder_node *it);
    void (*cancel)(struct holder_node *it, const char *reason);
};
void holder_add(struct holder_node *it, struct api *api);
void holder_remove(struct holder_node *it, struct api *api);
// Of the hub's listener; unknown holders are none's.
void holder_replaced(void *api, uint64_t holder);
void holder_cancel(void *api, uint64_t holder, const char *reason);
