// Filters the records of one log, in their order, by whole lines and groups. A line is one or several records: each but
// the last is `partial`, and the next record of the same stream goes on with it. A group is one or several lines: a
// record that `continues` goes on with the group of the record right before it, if that is of the same stream.
//
// The rules for fields: the first record of a group decides for all that continue it. The rules for texts: if a line of
// a group matches, all its records match, except those that the rules for fields refuse; inverted: if none does. So a
// record may stay undecided until its line has ended, and until it is known whether the group goes on.
//
// Bounds: a line is joined from at most LINE_TEXT_MAX bytes, and spans at most LINE_SPAN_MAX records from its first to
// its last; so does a group. What is longer is treated in pieces of that size, each by itself. A caller that begins in
// the middle of a log must feed records before that place, so that what began there is known: `next` says from where
// on. It may also go back while records are fed, when one of them turns out to continue what was not looked at.
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

// The record that must be fed next. At first it may be below `from`.
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
// `next`. The last one of them may stay undecided, until it is known whether the next one continues it.
bool line_filter_passes_over(const struct line_filter *lines, const struct chunk *chunk);
// True if the picks of the chunk, which is a front, are all that can match in it. The chunk must contain `next`. Then
// it may be fed.
bool line_filter_wants_picks(const struct line_filter *lines, const struct chunk *chunk);
// Feeds the chunk's records from `next` to below `end`. Returns ERR_INVALID when the run's budget is spent; then `next`
// is the record to continue with, under a new budget. If a whole budget does not suffice for even one record, that
// record cannot be taken. Afterwards `next` may lie before the chunk: then it must be fed from there on, again, too.
int line_filter_feed(struct line_filter *lines, struct filter_run *run, const struct chunk *chunk, uint64_t first,
                     uint64_t end);
// Feeds the single record `next`, in a log that is fed from its beginning. It is decided at once if its line has ended:
// what may continue it is not waited for.
int line_filter_feed_record(struct line_filter *lines, struct filter_run *run, const struct record *record);
// Tells that the records below `next` do not exist any more. Lines end before them.
void line_filter_skip(struct line_filter *lines, uint64_t next);
// Decides undecided records by the part of their line that was read. The line stays open: later records are judged
// together with it. Returns ERR_INVALID as line_filter_feed does.
int line_filter_settle(struct line_filter *lines, struct filter_run *run);
// Decides the last record, if its line has ended and it only waits for one that may continue it. For a reader that has
// looked at everything there is.
void line_filter_settle_group(struct line_filter *lines);
