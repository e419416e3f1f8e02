// A filter says which records a reader wants. It is immutable once made. Threads may share it (each regex match uses
// its own match data).
#pragma once

#include "model/chunk.h"

#define FILTER_TEXT_MAX 1024 // bytes of one value

// A filter is made from these query parameters. The builder and the table of routes are both made from this table. Its
// columns: name, meaning, the kind of the value, bounds (of a number, or of the bytes of a text), words, and whether it
// may be repeated or hold a list with commas; any of the values then matches.
// The kinds are WORD (one of the words), LEVEL, TEXT, NUMBER, FLAG and TIME (RFC 3339). The words of `stream` stand in
// the order of enum record_stream.
#define FILTER_PARAMETERS(X)   \
    FILTER_FIELD_PARAMETERS(X) \
    FILTER_TEXT_PARAMETERS(X)
#define FILTER_FIELD_PARAMETERS(X)                                              \
    X(stream, "of output, or events", WORD, 0, 0, "stdout stderr event", true)  \
    X(level, "these levels", LEVEL, 0, FILTER_TEXT_MAX, NULL, true)             \
    X(min_level, "at least this level", LEVEL, 0, FILTER_TEXT_MAX, NULL, false) \
    X(category, "of events", WORD, 0, 0, "technical business", false)           \
    X(event_type, "of events", TEXT, 1, FILTER_TEXT_MAX, NULL, true)            \
    X(node, "of a node", TEXT, 1, FILTER_TEXT_MAX, NULL, true)                  \
    X(milestone, "milestones alone", FLAG, 0, 0, NULL, false)                   \
    X(min_priority, "at least this priority", NUMBER, 1, 10, NULL, false)       \
    X(start_time, "at or after", TIME, 0, 0, NULL, false)                       \
    X(end_time, "at or before", TIME, 0, 0, NULL, false)
#define FILTER_TEXT_PARAMETERS(X)                                           \
    X(grep, "holds this text", TEXT, 1, FILTER_TEXT_MAX, NULL, false)       \
    X(regex, "matches this pattern", TEXT, 1, FILTER_TEXT_MAX, NULL, false) \
    X(ignore_case, "of grep and regex", FLAG, 0, 0, NULL, false)            \
    X(invert, "what grep and regex do not match", FLAG, 0, 0, NULL, false)

struct filter;
struct filter_builder;
struct filter_builder *filter_builder_new(void);
void filter_builder_free(struct filter_builder **builder);
// Takes one parameter. *ret_taken is false for a name that is no filter's. Returns ERR_INVALID and *ret_reason (static)
// for a bad value.
int filter_builder_offer(struct filter_builder *builder, struct str name, struct str value, bool *ret_taken,
                         const char **ret_reason);
// Makes the filter; *ret is NULL if nothing is filtered. The builder is empty afterwards. Returns ERR_INVALID and
// *ret_reason (static) if the values contradict each other or the regular expression is wrong.
int filter_builder_finish(struct filter_builder *builder, struct filter **ret, const char **ret_reason);
struct filter *filter_ref(struct filter *filter);
void filter_unref(struct filter **filter);

// True if the filter looks at texts or structured fields. Then it must run in the reader pool, never on a loop.
bool filter_needs_text(const struct filter *filter);
// True if the filter looks at texts. Texts are those of whole lines, so other records can decide about a record
// (line_filter.h).
bool filter_joins_lines(const struct filter *filter);
// True if there are rules beside those for texts.
bool filter_has_rules(const struct filter *filter);
bool filter_wants_stream(const struct filter *filter, enum record_stream stream);
// True if the header alone tells that no record of the chunk can match, whatever the texts are. Works on a closed
// chunk.
bool filter_excludes_chunk(const struct filter *filter, const struct chunk *chunk);
// True if all records that can match are among the picks of the chunk, which is a front. The filter does not look at
// texts.
bool filter_wants_picks(const struct filter *filter, const struct chunk *chunk);
// True if the header alone tells how many of its records match. Works on a closed chunk. A NULL filter matches all.
bool filter_tells_count(const struct filter *filter, const struct chunk *chunk, uint32_t *ret);
// True if no text of a line that lies completely within the chunk can match.
bool filter_excludes_texts(const struct filter *filter, const struct chunk *chunk);
// True if the front of a chunk suffices, unless a line or group goes on into it: nothing in it can match, or its picks
// are all that can.
bool filter_wants_front(const struct filter *filter, const struct chunk *chunk);

// The budget of regex steps for one page. When it is spent, matching stops with ERR_INVALID.
struct filter_run {
    uint64_t steps_left; // an easy expression takes about one step per byte of text, a hard one more
    struct buf scratch;
    void *match_data;
    // Which of the wanted names are in the dictionaries of the last chunk.
    struct chunk *chunk;
    uint64_t event_types, nodes;
};
void filter_run_init(struct filter_run *run, const struct filter *filter, uint64_t steps);
void filter_run_release(struct filter_run *run);
// Checks everything but the texts: for record `i` of an open chunk, or for `record` if it is in no chunk (`chunk`
// NULL). A NULL filter matches everything. `run` may be NULL if the filter does not need structured fields
// (filter_needs_text).
bool filter_match_fields(const struct filter *filter, struct filter_run *run, const struct chunk *chunk, uint32_t i,
                         const struct record *record);
// Checks the text of a whole line. Returns 1 for a match, 0 for none, ERR_INVALID when the budget is spent.
int filter_match_text(const struct filter *filter, struct filter_run *run, struct str text);
// A piece of text that consists of lines, each ended by '\n'.
struct filter_column {
    struct str text;
    size_t reach; // no line is longer
};
struct filter_column filter_column_of(struct str text);
// Finds the first line whose text matches; `at` is where one of the lines begins. The filter must look at texts and
// must not invert. Returns 1 and the line, without its end; 0; or ERR_INVALID when the budget is spent: then *ret is
// the line to go on with, under a new budget.
int filter_find_line(const struct filter *filter, struct filter_run *run, const struct filter_column *column, size_t at,
                     struct str *ret);
// Finds what matches within a line, from `at` on: one text, which may be empty. Returns 1, 0 or ERR_INVALID.
int filter_find_text(const struct filter *filter, struct filter_run *run, struct str line, size_t at, size_t *ret_from,
                     size_t *ret_to);
