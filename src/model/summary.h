// What is counted of one log: levels, event types, milestones, nodes, times. A fold over the records, in order, that
// goes on from where it stopped. Without I/O; a summary belongs to one thread at a time. See
// docs/internals/workflows.md.
#pragma once

#include "model/chunk.h"
#include "model/run.h"
#include "util/map.h"

#define SUMMARY_EVENT_TYPES_MAX 64    // listed by name; further ones are counted in `other_events`
#define SUMMARY_NODES_MAX       10000 // further ones are counted in `other_nodes`
#define SUMMARY_MILESTONES_MAX  1000  // the first ones; all are counted
#define SUMMARY_LINE_MAX        200   // bytes kept of a message, cut between characters
#define SUMMARY_ENCODED_MAX     (16u * 1024 * 1024)

struct summary_event_type {
    char *name;
    uint64_t count;
};

struct summary_milestone {
    uint64_t sequence_number;
    int64_t time_ms;
    char *message; // the user-friendly one if there is one
    char *event_type;
};

struct summary_node { // strings are owned; NULL: unknown
    char *id, *name, *type;
    enum node_state state;
    uint64_t attempts, records, levels[LEVEL_COUNT];
    bool has_step_number;
    uint64_t step_number;
    int64_t first_ms, started_ms, ended_ms; // of its first record, its last start, its last end; 0: none
    uint64_t last_sequence;
    char *last_line;
};

struct summary {
    uint64_t first, next; // the records [first, next) are counted
    uint64_t streams[STREAM_COUNT], levels[LEVEL_COUNT], business, milestone_count, other_events, other_nodes;
    uint64_t first_error; // number of the first record of ERROR or CRITICAL; UINT64_MAX: none
    int64_t first_ms, last_ms;
    struct summary_event_type *event_types; // by their first appearance
    size_t event_type_count;
    struct summary_milestone *milestones;
    size_t milestone_count_kept;
    struct summary_node *nodes; // by their first appearance
    size_t node_count;
    struct map node_by_id; // private
};

void summary_init(struct summary *summary, uint64_t first);
void summary_release(struct summary *summary);
// Counts the records of a chunk whose first has the number `first`; those below `next` are passed over. The chunk may
// be closed if summary_wants_open says no. Returns ERR_GAP if the chunk begins behind `next`.
int summary_add(struct summary *summary, const struct chunk *chunk, uint64_t first);
bool summary_wants_open(const struct summary *summary, const struct chunk *chunk, uint64_t first);
// A compact form with a version byte, for storing. summary_decode returns ERR_CORRUPT or ERR_TOO_NEW; who gets that
// counts anew.
void summary_encode(const struct summary *summary, struct buf *out);
int summary_decode(struct str bytes, struct summary *ret);
const struct summary_node *summary_node_find(const struct summary *summary, struct str id);
