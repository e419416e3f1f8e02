// Which records a reader wants. Immutable once made; may be shared by threads (each regex match uses its own match
// data).
#pragma once

#include "model/chunk.h"

struct filter;

// Made from query parameters: stream, level, min_level, category, event_type, node, milestone, min_priority,
// start_time, end_time, grep, regex. Repeating stream, level, event_type or node means any of them; a comma-separated
// list too.
struct filter_builder;
struct filter_builder *filter_builder_new(void);
void filter_builder_free(struct filter_builder **builder);
// ERR_INVALID with *ret_reason (static) on a bad value. Other names are left alone (*ret_taken = false).
int filter_builder_offer(struct filter_builder *builder, struct str name, struct str value, bool *ret_taken,
                         const char **ret_reason);
// NULL in *ret if nothing filters. The builder is empty afterwards.
void filter_builder_finish(struct filter_builder *builder, struct filter **ret);
struct filter *filter_ref(struct filter *filter);
void filter_unref(struct filter **filter);

// True if it must look at texts or structured fields: then it runs in the reader pool, never on a loop.
bool filter_needs_text(const struct filter *filter);
// By the header alone: none of the chunk's records can match.
bool filter_excludes_chunk(const struct filter *filter, const struct chunk *chunk);

// A budget of regex steps for a page; when it runs out, matching stops with ERR_INVALID.
struct filter_run {
    uint64_t steps_left; // PCRE2 match-limit units
    struct buf scratch;
    void *match_data;
};
void filter_run_init(struct filter_run *run, const struct filter *filter, uint64_t steps);
void filter_run_release(struct filter_run *run);
// 1 match, 0 none, ERR_INVALID when the budget is spent. `filter` may be NULL (matches all).
int filter_match(const struct filter *filter, struct filter_run *run, const struct record *record);
