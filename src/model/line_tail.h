// Finds where the last N lines of a log begin. It reads the records in descending order. Lines and groups are those of
// line_filter.h; a group counts as one line. A line counts when it matches. Its beginning is known only when the
// previous record of its stream was seen, or after LINE_SPAN_MAX records without one.
//
// No I/O and no threads. For one thread at a time.
#pragma once

#include "model/filter.h"

struct line_tail;

// `filter` may be NULL (every line matches); line_tail takes its own reference. `wanted` is N, at least 1. With
// `output_only`, events are not counted.
struct line_tail *line_tail_new(struct filter *filter, uint64_t wanted, bool output_only);
void line_tail_free(struct line_tail **tail);
const struct filter *line_tail_filter(const struct line_tail *tail);

// Takes the next record, going back: record `i` of the chunk. Returns ERR_INVALID when the run's budget is spent; the
// same record must then be given again, under a new budget.
int line_tail_take(struct line_tail *tail, struct filter_run *run, uint64_t sequence, const struct chunk *chunk,
                   uint32_t i);
// What a chunk's header alone tells, going back to it: 1 if its records need not be taken, 0 if they do, or an error.
// The chunk may be closed; `first` is its first record's number.
int line_tail_take_header(struct line_tail *tail, struct filter_run *run, const struct chunk *chunk, uint64_t first);
// Tells that there is nothing before the last record that was taken.
int line_tail_finish(struct line_tail *tail, struct filter_run *run);
// True if all N lines were found; further records change nothing.
bool line_tail_settled(const struct line_tail *tail);
// Gives the first record of the N-th line from the end, or of the first line if there are fewer. Returns false if none
// was found.
bool line_tail_found(const struct line_tail *tail, uint64_t *ret_sequence);
