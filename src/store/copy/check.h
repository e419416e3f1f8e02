// Compares the rows of both ends.
#pragma once

#include "store/copy/tables.h"

// Adds how many rows there are to *rows. ERR_DIGEST, with a text, at the first row that is not the same.
int copy_rows_compare(struct copy_side *from, struct copy_side *to, const struct copy_table *table, uint64_t *rows,
                      struct buf *ret_error);
