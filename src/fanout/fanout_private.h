// What the files of this room share: topics, cache entries, subscribers.
#pragma once

#include "fanout/fanout.h"
#include "fanout/locate.h"
#include "model/line_filter.h"
#include "util/map.h"

// One chunk in memory, with what it was encoded to.
struct entry {
    struct list_node by_use; // fanout.entries, least recently used first
    struct topic *topic;
    uint64_t first;
    uint32_t count;
    struct chunk *chunk;
    struct encoded *encoded[FORMAT_COUNT];
    size_t bytes;
    uint64_t arrived_ns; // when the server got it; 0: long ago, or told already
};

// Somebody who waits for what becomes of an execution.
struct topic_waiter {
    struct list_node node;                                // topic.waiters
    void (*wake)(struct topic_waiter *waiter);            // at the end of the turn; there may be something to read
    void (*failed)(struct topic_waiter *waiter, int err); // what it waits for cannot be read
};

// One execution that has subscribers here, or had some and still has entries.
struct topic {
    struct map_node node;
    struct fanout *fanout;
    struct execution execution; // as of the last change heard of
    struct budget_account *account;
    struct execution_live live; // as of the last look, see topic_live
    bool live_known;            // nothing has changed since then
    bool changed;               // a change came since the topic was made
    struct entry **entries;     // by first, not overlapping; within `entry_block`, as the oldest go first
    struct entry **entry_block;
    size_t entry_count, entry_capacity; // of the block
    struct list_node waiters;
    struct list_node fetches; // reads of chunks under way
    unsigned refreshes;       // reads of the execution under way
    struct deferred wake;
};

struct window { // see window.c
    size_t size;
    struct budget_lease beyond; // what it is larger than at first
    struct list_node full;      // fanout.full_windows, while the socket has not taken all; the oldest first
    uint64_t full_ms;
    bool stalled; // it took longer than a second
};

struct subscriber {
    struct topic_waiter waiter;
    struct topic *topic;
    struct fanout *fanout;
    struct follower follower;
    enum follow_format format;
    struct filter *filter;
    const struct subscriber_sink *sink;
    void *owner;
    struct locate *locate; // while its position is looked for
    bool pumping, filtering, ended, freed;
    bool restored, follow, wants_state, wants_position;
    void (*decided)(struct subscriber *subscriber, int err); // by matching.c, when it has filtered
    // Of a filter that looks at text: what it has found, and the cursor that goes with it; elsewhere it begins anew.
    struct line_filter *lines;
    uint64_t lines_cursor;
    uint64_t settle_due_ms; // when a line that goes on is not waited for any more; 0: nothing waits behind one
    struct window window;
    struct list_node scan_wait; // fanout.scan_waiting
    struct deferred pump;
    struct timer *position_timer;
};

struct fanout {
    struct fanout_options options;
    struct map topics;
    struct list_node entries;
    size_t cache_bytes;
    struct deferred evict;
    bool evict_next;            // the followers have had their turn
    _Atomic size_t inbox_bytes; // chunks on their way to this loop
    struct list_node full_windows;
    struct timer *stall_timer;
    struct list_node scan_waiting; // subscribers, until there is room for another chunk that is filtered
    unsigned scans;                // chunks of this loop that are being filtered
};

// logcache.c
struct topic *topic_open(struct fanout *fanout, const struct execution *execution);
void topic_close_if_idle(struct topic *topic);
// What only the live server knows of it. It is looked up once, however many ask, until the topic is woken again:
// whatever changes it does that.
const struct execution_live *topic_live(struct topic *topic);
struct entry *topic_find(struct topic *topic, uint64_t sequence);
// Replaces whatever overlaps. Takes its own reference.
struct entry *topic_put(struct topic *topic, uint64_t first, struct chunk *chunk);
// Reads the chunk that covers `sequence`; all who wait are woken then. Single-flight. Of what `filter` (may be NULL)
// excludes by the header the entries stay closed.
void topic_fetch(struct topic *topic, uint64_t sequence, enum follow_format format, struct filter *filter);
// Fetches what will soon be wanted of [from, limit) by one who goes on at `from`, so that it is there when its socket
// has taken what it was given.
void topic_read_ahead(struct topic *topic, uint64_t from, uint64_t limit, enum follow_format format,
                      struct filter *filter);
// Opens the chunk if it is closed. False if it cannot be: it is damaged.
bool entry_open(struct entry *entry);
// Of an open one.
const struct encoded *entry_encode(struct entry *entry, enum follow_format format);
void entry_used(struct entry *entry);
void topic_refresh(struct topic *topic);

// matching.c
// True if the filter, which looks at text, has decided about the record at the cursor. Else it was begun, or there is
// something to wait for, and the subscriber's pump will be run again.
bool subscriber_decide(struct subscriber *subscriber);

// window.c
void windows_init(struct fanout *fanout);
void windows_release(struct fanout *fanout);
void window_init(struct subscriber *subscriber);
void window_release(struct subscriber *subscriber);
size_t window_room(struct subscriber *subscriber);  // bytes that it may be handed now; 0: not before it has drained
void window_drained(struct subscriber *subscriber); // its socket has taken all
void window_idle(struct subscriber *subscriber);    // there is nothing to hand over
bool window_stretch(struct subscriber *subscriber, size_t bytes); // for what cannot be cut; false if there is no room
