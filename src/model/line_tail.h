// Where the last N lines of a log begin, from its records in descending order. Lines as in line_filter.h; one counts
// when it matches, and it is known only when the record before it on its stream was seen, or LINE_SPAN_MAX records
// without one.
//
// No I/O and no thread of its own; one thread at a time.
#pragma once

#include "model/filter.h"

struct line_tail;

// `filter` may be NULL (all match); own reference taken. `wanted`: N, at least 1. `output_only`: events are not
// counted.
struct line_tail *line_tail_new(struct filter *filter, uint64_t wanted, bool output_only);
void line_tail_free(struct line_tail **tail);
const struct filter *line_tail_filter(const struct line_tail *tail);

// The next record, going back: record `i` of the chunk. ERR_INVALID when the run's budget is spent: the same one again,
// under a new budget.
int line_tail_take(struct line_tail *tail, struct filter_run *run, uint64_t sequence, const struct chunk *chunk,
                   uint32_t i);
// There is nothing before the last one that was taken.
int line_tail_finish(struct line_tail *tail, struct filter_run *run);
// All N were found; further records change nothing.
bool line_tail_settled(const struct line_tail *tail);
// The first record of the N-th line from the end, or of the first line there is; false if none was found.
bool line_tail_found(const struct line_tail *tail, uint64_t *ret_sequence);
