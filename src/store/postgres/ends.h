// Where logs end: what appends have led to, for each log and each of its producers. For one thread at a time.
#pragma once

#include "store/engine/engine.h"
#include "util/list.h"
#include "util/map.h"

struct ends_producer {
    struct map_node node;
    struct buf key;             // the execution's bytes, and the name
    struct ends_producer *next; // of the same log
    struct producer_state state;
};

struct ends_log {
    struct map_node node;
    struct list_node order;
    int64_t row;              // key of the map
    bool keeps;               // see appends.h
    uint64_t since, since_ms; // see journal.h
    struct log_state state;
    struct ends_producer *producers;
};

struct ends {
    struct map logs;        // of struct ends_log, by execution
    struct list_node order; // of the same, as they came
    struct map producers;   // of struct ends_producer, by execution and name
};

void ends_init(struct ends *ends);
void ends_release(struct ends *ends);
void ends_clear(struct ends *ends);
void ends_drop(struct ends *ends, int64_t row); // the log with its producers, if it is there

// Of what is there and what is given, the later one stays.
struct ends_log *ends_set(struct ends *ends, int64_t row, const struct log_state *state);
void ends_set_producer(struct ends *ends, struct ends_log *log, struct str name, const struct producer_state *state);
struct ends_log *ends_merge(struct ends *ends, const struct ends_log *log); // all of it, from another set

struct ends_log *ends_find(const struct ends *ends, int64_t row); // NULL: none
const struct producer_state *ends_find_producer(const struct ends *ends, int64_t row, struct str name);
struct str ends_producer_name(const struct ends_producer *producer);
// All logs in the order of their rows, as everybody locks them. Owned by the caller.
struct ends_log **ends_in_order(const struct ends *ends);

// As bytes, and back into what is there. A format of the database: whoever changes it needs a migration.
void ends_encode(const struct ends *ends, struct buf *out);
int ends_decode(struct ends *ends, struct str bytes); // ERR_CORRUPT

// Arrays (arrays.h): row, next, digest and bytes of each log, in the order of their rows; row, name and
// PRODUCER_COLUMNS of each producer. They begin empty, and are not ended here.
#define ENDS_HEADS  4
#define ENDS_STATES 7
void ends_list_heads(struct ends_log *const *logs, size_t count, struct buf *arrays);
void ends_list_states(struct ends_log *const *logs, size_t count, struct buf *arrays);
