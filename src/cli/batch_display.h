// What is shown of a batch, from the object of GET /api/v1/batches/{id}/status. No I/O.
#pragma once

#include "cli/cli_private.h"

bool batch_over(const json_t *status);
// Exit code: 0 only if all of it succeeded.
int batch_exit_code(const json_t *status);
// The bar, the line below it, and the latest failures; lines end with '\n'. `width`: of the terminal; 0: not cut.
void batch_append_progress(struct buf *out, const json_t *status, bool colour, size_t width);
struct batch_view {
    const json_t *status;
    int64_t passed_ms;     // since the status was made
    const json_t *running; // executions that run; NULL: none are shown
    int64_t listed_ms;     // since these were listed
    bool colour;
    size_t width;       // of the terminal; 0: lines are not cut
    size_t rows;        // at most so many failures and running ones
    bool keys;          // one of them can be chosen
    const char *chosen; // its identifier; NULL: none
    const char *hint;   // a line below them; may be NULL
};
void batch_append_view(struct buf *out, const struct batch_view *view);
size_t batch_view_count(const struct batch_view *view); // of the failures and running ones that it shows
const char *batch_view_id(const struct batch_view *view, size_t i);
// Two spaces and which of the many it is, from its document or that of a failure; nothing if that is not known.
void batch_append_title(struct buf *out, const json_t *execution);
// How it has failed. `exit_code`: -1: none.
void batch_append_why(struct buf *out, const char *status, int64_t exit_code);
// One line without a bar, for pipes.
void batch_append_line(struct buf *out, const json_t *status);
void batch_append_summary(struct buf *out, const json_t *status, bool colour);
// A line if the batch has rules of its own for how long it is kept.
void batch_append_kept(struct buf *out, const json_t *status);
