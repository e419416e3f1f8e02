// Filters the records of one log, in their order, by the text of whole lines. A line is one or several records: each
// but the last is `partial`, and the next record of the same stream continues it. If a line matches, all its records
// match, except those that other rules of the filter refuse. So a record may stay undecided until its line has ended.
//
// Bounds: a line is joined from at most LINE_TEXT_MAX bytes, and spans at most LINE_SPAN_MAX records from its first to
// its last. A longer line is treated in pieces of that size, each as a line of its own. A caller that begins in the
// middle of a log must first feed up to LINE_SPAN_MAX records before that place, so that lines which began there are
// known.
//
// No I/O and no threads. For one thread at a time.
#pragma once

#include "model/filter.h"

#define LINE_TEXT_MAX (1024u * 1024)
#define LINE_SPAN_MAX 8192u

struct line_filter;

// `filter` may be NULL (matches everything); the line filter takes its own reference. `from` is the first record that
// the caller wants. `log_first` is the first record of the log.
struct line_filter *line_filter_new(struct filter *filter, uint64_t from, uint64_t log_first);
void line_filter_free(struct line_filter **lines);
const struct filter *line_filter_filter(const struct line_filter *lines);

// The record that must be fed next. At first it is below `from`.
uint64_t line_filter_next(const struct line_filter *lines);
// Everything from `from` to below this record is decided.
uint64_t line_filter_decided(const struct line_filter *lines);
// Whether the record matches. It must be decided and not forgotten.
bool line_filter_match(const struct line_filter *lines, uint64_t sequence);
// The caller will not ask for records below `below` any more.
void line_filter_forget(struct line_filter *lines, uint64_t below);

// True if a match waits behind an undecided record.
bool line_filter_holds_up(const struct line_filter *lines);

// True if the chunk's header tells that no record of the chunk matches, provided that no open line goes on into it.
bool line_filter_excludes(const struct filter *filter, const struct chunk *chunk);
// True if the chunk's records can be decided without reading them, so the chunk may be closed. The chunk must contain
// `next`.
bool line_filter_passes_over(const struct line_filter *lines, const struct chunk *chunk);
// Feeds the chunk's records from `next` to below `end`. Returns ERR_INVALID when the run's budget is spent; then `next`
// is the record to continue with, under a new budget. If a whole budget does not suffice for even one record, that
// record cannot be taken.
int line_filter_feed(struct line_filter *lines, struct filter_run *run, const struct chunk *chunk, uint64_t first,
                     uint64_t end);
// Feeds the single record `next`.
int line_filter_feed_record(struct line_filter *lines, struct filter_run *run, const struct record *record);
// Tells that the records below `next` do not exist any more. Lines end before them.
void line_filter_skip(struct line_filter *lines, uint64_t next);
// Decides undecided records by the part of their line that was read. The line stays open: later records are judged
// together with it. Returns ERR_INVALID as line_filter_feed does.
int line_filter_settle(struct line_filter *lines, struct filter_run *run);
