// The status of batches, for those who follow it. One feed for each batch and loop reads the status when a commit has
// changed something, at most once in BATCH_FEED_MS however fast jobs end, and tells it to all of its listeners.
// Everything on the loop's thread, but for api_publish.
#pragma once

#include "api/api_private.h"
#include "store/ops/batch.h"

#define BATCH_FEED_MS       200  // between two looks at a batch that changes
#define BATCH_FEED_AGAIN_MS 5000 // a look without a hint: times and costs go on, and another server may have changed it

struct batch_feed;

struct batch_news {
    const char *batch_id;
    // Of everything but what time alone changes. A number that JSON and browsers hold exactly; never 0. The same state
    // has the same version on every loop and server.
    uint64_t version;
    const char *status;
    bool over;
    struct str json; // the status object
};

struct batch_listener {
    struct batch_feed *feed; // NULL: it has left
    struct list_node node;
    uint64_t version;                // what it was told last, or had at its beginning; 0: nothing
    uint64_t joined;                 // how many looks had begun then
    enum metric_transport transport; // as it is counted
    bool behind;                     // there was no room for what it was to be told
    // Whether it can be told something now. If not, it calls batch_listener_drained when it can.
    bool (*room)(struct batch_listener *listener);
    void (*tell)(struct batch_listener *listener, const struct batch_news *news); // it may leave within the call
    void (*failed)(struct batch_listener *listener, int err); // ERR_NOT_FOUND …, not ERR_UNAVAILABLE; it must leave
};
// It is told the state soon, unless it has that version already, and then each change.
void batch_listener_join(struct batch_listener *listener, struct api *api, int64_t row, uint64_t version);
void batch_listener_leave(struct batch_listener *listener); // may be called twice
void batch_listener_drained(struct batch_listener *listener);

uint64_t batch_version(const struct batch *batch); // as in batch_news
// {"type":"batch"|"complete","batch_id",…,"batch":{…}}
void append_batch_news(struct buf *out, const struct batch_news *news);
