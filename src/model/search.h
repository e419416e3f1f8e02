// Finds the lines of one log that match a filter: how many there are, their numbers, and how they are spread.
//
// A hit is a line whose text matches, and whose group passes the rules for fields; lines and groups are those of
// line_filter.h, with the same bounds. So of a group that matches, only the lines that match are hits. A hit has the
// number of the first record of its line. The filter must look at texts, and does not invert.
//
// Chunks are fed in order, usually closed. Most of them are passed over by their header or their tokens. The text of
// the others is searched as one piece of memory; records are looked at where a line may go on in another record, or
// where there are rules for fields.
//
// No I/O and no threads. For one thread at a time.
#pragma once

#include "model/line_filter.h"

#define SEARCH_BUCKETS_MAX 1000
#define SEARCH_KEEP_MAX    1000

struct search_ask {
    struct filter *filter;       // borrowed
    uint64_t from, to;           // lines that begin in [from, to)
    uint64_t keep_from, keep_to; // of these, the numbers of hits in this range
    unsigned keep;               // at most so many: the first ones, or
    bool keep_last;              // the last ones
    bool only_keep;              // nothing is counted: it may end when there are enough
    uint64_t begin, width;       // buckets: hit n counts for (n - begin) / width
    unsigned buckets;            // 0: none
};

struct search_found {
    uint64_t count;
    uint64_t first, last; // hits; if count > 0
    uint64_t *hits;       // in ascending order; owned
    size_t kept;
    uint64_t *buckets;         // owned; NULL without buckets
    uint64_t scanned, skipped; // bytes of text, and of that which was passed over
};
void search_found_release(struct search_found *found);
// Adds what was found in the range right behind. Keeps within ask's limits.
void search_found_add(struct search_found *found, const struct search_ask *ask, const struct search_found *more);

struct search;
// `log_first`: the first record of the log.
struct search *search_new(const struct search_ask *ask, uint64_t log_first);
void search_free(struct search **search);

// The record that must be fed next. At first it may be below `from`: what began there may go on.
uint64_t search_next(const struct search *search);
// Whether all lines in the range are decided, or enough of them.
bool search_done(const struct search *search);
// Feeds the chunk that has the record search_next; opens it if need be. `run` is a budget. Returns ERR_INVALID when it
// is spent: then search_next is where to go on with a new one. If a whole budget does not suffice for one line, that
// line cannot be looked at. Other errors: ERR_CORRUPT, ERR_TOO_NEW. Returns SEARCH_WANTS_ALL, and has taken nothing, if
// the chunk is a front (chunk_is_front) and must be looked at: a line goes on into it. With rules for fields a chunk
// must not be a front.
#define SEARCH_WANTS_ALL 1
int search_feed(struct search *search, struct filter_run *run, struct chunk **chunk, uint64_t first);
// Tells that the records below `first` do not exist any more.
void search_skip(struct search *search, uint64_t first);
// Tells that the log ends here for now. Lines that have not ended are decided by what there is of them.
int search_end(struct search *search, struct filter_run *run);
// What was found so far; search_free frees it unless it is taken.
struct search_found *search_found(struct search *search);
