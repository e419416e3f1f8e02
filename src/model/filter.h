// Which records a reader wants. Immutable once made; may be shared by threads (each regex match uses its own match
// data).
#pragma once

#include "model/chunk.h"

#define FILTER_TEXT_MAX 1024 // bytes of a parameter's value

struct filter;

// Made from query parameters: stream, level, min_level, category, event_type, node, milestone, min_priority,
// start_time, end_time, grep, regex, ignore_case, invert. Repeating stream, level, event_type or node means any of
// them; a comma-separated list too.
struct filter_builder;
struct filter_builder *filter_builder_new(void);
void filter_builder_free(struct filter_builder **builder);
// ERR_INVALID with *ret_reason (static) on a bad value. Other names are left alone (*ret_taken = false).
int filter_builder_offer(struct filter_builder *builder, struct str name, struct str value, bool *ret_taken,
                         const char **ret_reason);
// NULL in *ret if nothing filters. The builder is empty afterwards. ERR_INVALID with *ret_reason (static) when the
// values do not go together, or the regular expression is none.
int filter_builder_finish(struct filter_builder *builder, struct filter **ret, const char **ret_reason);
struct filter *filter_ref(struct filter *filter);
void filter_unref(struct filter **filter);

// True if it must look at texts or structured fields: then it runs in the reader pool, never on a loop.
bool filter_needs_text(const struct filter *filter);
// True if it asks for texts: of whole lines, so that what it says of a record can depend on others (line_filter.h).
bool filter_joins_lines(const struct filter *filter);
bool filter_wants_stream(const struct filter *filter, enum record_stream stream);
// By the header alone, also of a closed chunk: none of its records can match by what is not text.
bool filter_excludes_chunk(const struct filter *filter, const struct chunk *chunk);
// The same for the texts of lines that lie within the chunk as a whole.
bool filter_excludes_texts(const struct filter *filter, const struct chunk *chunk);

// A budget of regex steps for a page; when it runs out, matching stops with ERR_INVALID.
struct filter_run {
    uint64_t steps_left; // about one a byte of text for an easy expression, more for a hard one
    struct buf scratch;
    void *match_data;
    // What the names asked for are in the dictionaries of the chunk looked at last.
    struct chunk *chunk;
    uint64_t event_types, nodes;
};
void filter_run_init(struct filter_run *run, const struct filter *filter, uint64_t steps);
void filter_run_release(struct filter_run *run);
// `filter` may be NULL (matches all). All but the texts, of record `i` of an open chunk, or of a record that is in none
// (NULL). `run` may be NULL if the filter does not need structured fields (filter_needs_text).
bool filter_match_fields(const struct filter *filter, struct filter_run *run, const struct chunk *chunk, uint32_t i,
                         const struct record *record);
// The texts, of a whole line. 1 match, 0 none, ERR_INVALID when the budget is spent.
int filter_match_text(const struct filter *filter, struct filter_run *run, struct str text);
