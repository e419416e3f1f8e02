// What is shown of a batch, from the object of GET /api/v1/batches/{id}/status. No I/O.
#pragma once

#include "cli/cli_private.h"

bool batch_over(const json_t *status);
// Exit code: 0 only if all of it succeeded.
int batch_exit_code(const json_t *status);
// The bar, the line below it, and the latest failures; lines end with '\n'. `width`: of the terminal; 0: not cut.
void batch_append_progress(struct buf *out, const json_t *status, bool colour, size_t width);
// One line without a bar, for pipes.
void batch_append_line(struct buf *out, const json_t *status);
void batch_append_summary(struct buf *out, const json_t *status, bool colour);
