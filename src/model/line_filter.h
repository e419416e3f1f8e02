// A filter over the records of one log in their order, whose texts are asked of whole lines. A line is one record, or
// several: each but the last is `partial`, and the next record of the same stream goes on with it. When a line matches,
// all its records do, save those that the filter's other rules keep away. So a record may stay undecided until its line
// has ended.
//
// Bounds: a line is joined from at most LINE_TEXT_MAX bytes and LINE_SPAN_MAX records from its first to its last; what
// is longer is looked at in pieces of that, each as a line of its own. Whoever begins within a log feeds up to
// LINE_SPAN_MAX records before that, so that lines which began there are known.
//
// No I/O and no thread of its own; one thread at a time.
#pragma once

#include "model/filter.h"

#define LINE_TEXT_MAX (1024u * 1024)
#define LINE_SPAN_MAX 8192u

struct line_filter;

// `filter` may be NULL (matches all); own reference taken. `from`: the first record that is asked for; `log_first`: the
// log's first.
struct line_filter *line_filter_new(struct filter *filter, uint64_t from, uint64_t log_first);
void line_filter_free(struct line_filter **lines);
const struct filter *line_filter_filter(const struct line_filter *lines);

uint64_t
line_filter_next(const struct line_filter *lines); // the record that it is to be fed next; at first below `from`
uint64_t line_filter_decided(const struct line_filter *lines); // everything from `from` to below this is decided
bool line_filter_match(const struct line_filter *lines, uint64_t sequence); // of what is decided and was not forgotten
void line_filter_forget(struct line_filter *lines, uint64_t below);         // will not be asked for any more

// True if something that matches stands behind what is undecided.
bool line_filter_holds_up(const struct line_filter *lines);

// True if no record of the chunk matches, as long as no line goes on into it: told by its header.
bool line_filter_excludes(const struct filter *filter, const struct chunk *chunk);
// True if the chunk's records are decided without a look at them: it may be closed. It covers `next`.
bool line_filter_passes_over(const struct line_filter *lines, const struct chunk *chunk);
// Feeds the chunk's records from `next` on, below `end`. ERR_INVALID when the run's budget is spent: `next` is the
// record to go on with, under a new budget; when not even one was taken under a whole one, it cannot be taken.
int line_filter_feed(struct line_filter *lines, struct filter_run *run, const struct chunk *chunk, uint64_t first,
                     uint64_t end);
// The record `next` alone.
int line_filter_feed_record(struct line_filter *lines, struct filter_run *run, const struct record *record);
// The records up to below `next` are not there any more: lines end before them.
void line_filter_skip(struct line_filter *lines, uint64_t next);
// Decides what is undecided by what is there of its line. The line goes on: what comes is judged with it. ERR_INVALID
// as above.
int line_filter_settle(struct line_filter *lines, struct filter_run *run);
