// Long-lived connections, so that shutdown and revocation reach them. All of it on the loop's thread.
#pragma once

#include "api/api_private.h"

#define CLOSE_SUSPENDED 4403

struct stream_node {
    struct list_node node;
    struct api *api;
    struct principal principal;
    uint64_t holder; // of a runner socket; 0 for followers
    // Ends it with a WebSocket close code: 1001 going away, 4401 credential ran out, 4403 account suspended.
    void (*end)(struct stream_node *stream, unsigned code, const char *reason);
    // Ends it with 1001 once it has all that is durable now; NULL: `end` will do.
    void (*finish)(struct stream_node *stream);
    void (*cancel)(struct stream_node *stream, const char *reason); // runner sockets
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
// What the hub tells of a runner's socket, by its holder; unknown ones are none's.
void stream_replaced(void *api, uint64_t holder);
void stream_cancel(void *api, uint64_t holder, const char *reason);
