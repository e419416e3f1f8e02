// What the files of this room share: topics, cache entries, subscribers.
#pragma once

#include "fanout/fanout.h"
#include "fanout/locate.h"
#include "model/line_filter.h"
#include "util/map.h"

#define FETCH_BYTES       (1024u * 1024)
#define AHEAD_ENTRIES_MAX 16 // how many entries are looked at for a reader that goes on

// One chunk in memory, with its encoded forms.
struct entry {
    struct list_node by_use; // in fanout.entries, the least recently used first
    struct topic *topic;
    uint64_t first;
    uint32_t count;
    struct chunk *chunk;
    struct encoded *encoded[FORMAT_COUNT];
    size_t bytes;
    size_t ahead_bytes;  // what it is worth to one who reads ahead
    uint64_t arrived_ns; // when the server got it; 0: long ago, or already measured
};

// Somebody who waits for changes of an execution.
struct topic_waiter {
    struct list_node node; // in topic.waiters
    // Called at the end of the turn; there may be something to read.
    void (*wake)(struct topic_waiter *waiter);
    void (*failed)(struct topic_waiter *waiter, int err); // what it waits for cannot be read
};

// An execution that has subscribers here, or had some and still has entries.
struct topic {
    struct map_node node;
    struct fanout *fanout;
    struct execution execution; // as of the last change that was heard of
    uint64_t stored;            // the end of the log as the store, or a commit of this server, has told it; hints may
                                // say more
    struct budget_account *account;
    struct execution_live live; // as of the last look, see topic_live
    bool live_known;            // nothing has changed since then
    uint64_t changes;           // of its state that were heard of; what was read before one of them may be older
    // By `first`, not overlapping; a part of `entry_block`, because the oldest are removed at its front.
    struct entry **entries;
    struct entry **entry_block;
    size_t entry_count, entry_capacity; // capacity of the block
    struct list_node waiters;
    struct list_node fetches; // reads of chunks that are under way
    unsigned refreshes;       // reads of the execution that are under way, and wakes: it must stay
    bool refreshing;          // one of those reads is; another one follows it if refresh_again
    bool refresh_again;
    struct deferred wake;
};

struct window { // see window.c
    size_t size;
    struct budget_lease beyond; // how much it has grown
    struct list_node full;      // in fanout.full_windows while the socket has not taken everything; the oldest first
    uint64_t full_ms;
    bool stalled; // it has taken longer than a second
};

struct subscriber {
    struct topic_waiter waiter;
    struct topic *topic;
    struct fanout *fanout;
    struct follower follower;
    enum follow_format format;
    enum metric_transport transport;
    struct filter *filter;
    const struct subscriber_sink *sink;
    void *owner;
    struct locate *locate; // set while its position is looked for
    bool pumping, filtering, ended, freed;
    bool restored, follow, wants_state, wants_position;
    bool looks_again;                                        // for its position, when the timer fires
    struct position position;                                // until it was found
    void (*decided)(struct subscriber *subscriber, int err); // called by matching.c when the filter has decided
    // For a filter that looks at text, or at records that continue others: what it has found, and the cursor for which
    // that is valid. At another cursor it begins again.
    struct line_filter *lines;
    uint64_t lines_cursor;
    uint64_t settle_due_ms; // when to stop waiting for the rest of a line; 0: nothing waits behind a line
    struct window window;
    struct list_node scan_wait; // in fanout.scan_waiting
    struct deferred pump;
    struct timer *position_timer;
};

typedef void fanout_heard_fn(struct fanout *fanout, const struct store_change *change);

struct fanout {
    struct fanout_options options;
    struct map topics;
    struct list_node entries;
    size_t cache_bytes;
    struct deferred evict;
    bool evict_next;            // the followers have had their turn
    _Atomic size_t inbox_bytes; // bytes of chunks on their way to this loop
    struct list_node full_windows;
    struct timer *stall_timer;
    struct list_node scan_waiting; // subscribers that wait until another chunk may be filtered
    unsigned scans;                // chunks of this loop that are being filtered
    struct timer *look_timer;      // NULL: nobody else writes to the store
    fanout_heard_fn *look_heard;
    struct look *look; // see look.c; NULL: none is under way
    bool look_soon;    // after that one
};

// entries.c
struct entry *topic_find(struct topic *topic, uint64_t sequence);
// Replaces entries that overlap. Takes its own reference.
struct entry *topic_put(struct topic *topic, uint64_t first, struct chunk *chunk);
void topic_remove(struct entry *entry);
void topic_clear(struct topic *topic);
void topic_cut_front(struct topic *topic, uint64_t first); // retention has kept the records from `first` on
// Opens the chunk if it is closed. Returns false if it is damaged.
bool entry_open(struct entry *entry);
// The entry must be open.
const struct encoded *entry_encode(struct entry *entry, enum follow_format format);
void entry_set_encoded(struct entry *entry, enum follow_format format, struct encoded *encoded); // takes it
void entry_used(struct entry *entry);
bool entry_pinned(const struct entry *entry); // a socket holds its bytes

// logcache.c
struct topic *topic_open(struct fanout *fanout, const struct execution *execution);
void topic_close_if_idle(struct topic *topic);
// Returns what only the live server knows about it. It is looked up once, however many ask, until the topic is woken
// again; every change wakes the topic.
const struct execution_live *topic_live(struct topic *topic);
// Reads the chunk that covers `sequence`, and wakes everyone who waits for it. Reads it only once at a time. Entries
// that `filter` (may be NULL) excludes by their header stay closed.
void topic_fetch(struct topic *topic, uint64_t sequence, enum follow_format format, struct filter *filter);
// Fetches what a reader that goes on at `from` will soon want of [from, limit), so that it is in memory when the socket
// has taken the bytes before.
void topic_read_ahead(struct topic *topic, uint64_t from, uint64_t limit, enum follow_format format,
                      struct filter *filter);
void topic_refresh(struct topic *topic);
// Another server has changed the execution, or may have: what is not known yet is read.
fanout_heard_fn fanout_hear;

// look.c
// Calls `heard` with where each followed execution stands, once a second. Does nothing if the store is this server's
// alone.
void fanout_look_start(struct fanout *fanout, fanout_heard_fn *heard);
void fanout_look_stop(struct fanout *fanout);
void fanout_look_soon(struct fanout *fanout); // something may have been missed

// matching.c
// Returns true if the filter, which looks at whole lines and groups, has decided about the record at the cursor.
// Otherwise the filter is running, or there is something to wait for, and the subscriber's pump will be called again.
bool subscriber_decide(struct subscriber *subscriber);

// window.c
void windows_init(struct fanout *fanout);
void windows_release(struct fanout *fanout);
void window_init(struct subscriber *subscriber);
void window_release(struct subscriber *subscriber);
// Bytes that it may get now; 0: wait until the socket has taken what it has.
size_t window_room(struct subscriber *subscriber);
// What room there is stays unused until the socket has taken what it has.
void window_wait(struct subscriber *subscriber);
// The rest of a chunk may go beyond the room by so much. A chunk is a little longer than half a window, and what is cut
// off is copied and goes out alone.
size_t window_slack(const struct subscriber *subscriber);
void window_drained(struct subscriber *subscriber); // the socket has taken everything
void window_idle(struct subscriber *subscriber);    // there is nothing to send
// Makes room for something that cannot be divided; false if there is no room.
bool window_stretch(struct subscriber *subscriber, size_t bytes);
