// Selects what -A, -B and -C show: lines that match, and lines around them. It gets all records in order, and passes on
// those that must be shown.
#pragma once

#include "model/line_filter.h"

struct log_select;
// `record` NULL: something was left out here.
typedef void log_select_fn(void *arg, uint64_t sequence_number, const struct record *record, struct str json);

// Takes over the filter. `first_match`: lines before that number do not count as matches.
struct log_select *log_select_new(struct filter *filter, unsigned before, unsigned after, uint64_t first_match,
                                  log_select_fn *show, void *arg);
void log_select_free(struct log_select **select);
void log_select_take(struct log_select *select, uint64_t sequence_number, const struct record *record, struct str json);
void log_select_finish(struct log_select *select); // nothing more comes
