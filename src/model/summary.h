// What is counted of one log: levels, event types, milestones, nodes, times. A fold over the records, in order, that
// goes on from where it stopped. However the records are cut into chunks, the summary is the same. Without I/O; a
// summary belongs to one thread at a time. See docs/internals/workflows.md.
#pragma once

#include "model/chunk.h"
#include "model/run.h"

#define SUMMARY_EVENT_TYPES_MAX 64    // listed by name; further ones are counted in `other_events`
#define SUMMARY_NODES_MAX       10000 // further ones are counted in `other_nodes`
#define SUMMARY_MILESTONES_MAX  1000  // the first ones; all are counted
#define SUMMARY_LINE_MAX        200   // bytes kept of a message, cut between characters
#define SUMMARY_NAME_MAX        1020  // bytes kept of any name
#define SUMMARY_EARLIER_MAX     15    // attempts of a node before its last one, the latest of them
#define SUMMARY_ENCODED_MAX     (48u * 1024 * 1024)

struct summary_event_type {
    struct buf name;
    uint64_t count;
};

struct summary_milestone {
    uint64_t sequence_number;
    int64_t time_ms;
    struct buf message, event_type; // the user-friendly message if there is one; empty: there is none
};

// An attempt of a node that was tried again.
struct summary_attempt {
    enum node_state state; // how it ended
    struct node_times times;
};

struct summary_node {
    struct buf id, name, type; // empty: unknown. The id is the node's name where records have no other
    struct node_progress progress;
    struct summary_attempt *earlier; // before the last one, or before the one that it waits for; in order
    size_t earlier_count;
    uint64_t records, levels[LEVEL_COUNT];
    bool has_step_number, has_total_steps, has_percent;
    uint64_t step_number, total_steps; // what was told last
    uint16_t percent;                  // how far the last attempt is, in hundredths, 0 to 10000
    int64_t first_ms;                  // of its first record
    uint64_t last_sequence;
    struct buf last_line; // of the last record that has a message; the user-friendly one if there is one
    uint64_t hash;        // private
};

struct summary {
    uint64_t first, next; // of the records in [first, next) those are counted that were still there
    uint64_t streams[STREAM_COUNT], levels[LEVEL_COUNT];
    uint64_t business;                      // records of that category; all others are technical
    uint64_t other_events;                  // records of event types that are not listed
    uint64_t other_nodes;                   // records of nodes that are not listed
    uint64_t first_error;                   // number of the first record of ERROR or CRITICAL; UINT64_MAX: none
    int64_t first_ms, last_ms;              // least and greatest time; 0 without records
    struct summary_event_type *event_types; // by their first appearance
    size_t event_type_count;
    uint64_t milestone_count;
    struct summary_milestone *milestones; // the first ones
    size_t milestones_kept;
    struct summary_node *nodes; // by their first appearance
    size_t node_count;
    // private
    size_t node_room, milestone_room;
    uint64_t seed[2];
    uint32_t *slots; // nodes by the hash of their id: place plus one, 0 for none
    size_t slot_count;
};

void summary_init(struct summary *summary, uint64_t first);
void summary_release(struct summary *summary); // it is then as after summary_init(…, 0)
void summary_copy(const struct summary *summary, struct summary *ret);
size_t summary_memory(const struct summary *summary); // about what it holds, in bytes
uint64_t summary_records(const struct summary *summary);
// Records of no event type. Where every record has one, output lines are those of the type `log`.
uint64_t summary_untyped(const struct summary *summary);

// Counts the records of a chunk whose first has the number `first`; those below `next` are passed over. The chunk may
// be closed if summary_wants_open says no. Returns ERR_GAP if the chunk begins behind `next`.
int summary_add(struct summary *summary, const struct chunk *chunk, uint64_t first);
bool summary_wants_open(const struct summary *summary, const struct chunk *chunk, uint64_t first);
// The records below `next` that were not counted are not there any more.
void summary_skip(struct summary *summary, uint64_t next);

// A compact form with a version byte, for storing. Earlier versions are read: what they did not count is counted from
// there on. summary_decode returns ERR_CORRUPT or ERR_TOO_NEW; who gets that counts anew.
void summary_encode(const struct summary *summary, struct buf *out);
int summary_decode(struct str bytes, struct summary *ret);
const struct summary_node *summary_node_find(const struct summary *summary, struct str id); // NULL: it has none
