// Rows of a table in the order of its primary key, some at a time, in the binary form of COPY
// (store/postgres/copy_rows.h). So the rows of two ends can be compared as bytes.
#pragma once

#include "store/copy/tables.h"

struct copy_scan {
    struct copy_side *side;
    const struct copy_table *table;
    struct buf last; // the row behind which the next ones are; empty: from the first one on
    size_t limit;    // how many are read at once; see rows.c
};

void copy_scan_release(struct copy_scan *scan);
// Goes on behind the last row that this end has.
int copy_scan_behind(struct copy_scan *scan, struct copy_side *end);
// Reads the next rows into `rows`, which is emptied first. *ret_count is 0 at the end.
int copy_scan_next(struct copy_scan *scan, struct buf *rows, size_t *ret_count);

// Takes the next row from the front of `rows`: its bytes.
struct str copy_row_next(struct str *rows);
// The cells of a row, in order; one without data is NULL. For as many as the row has.
void copy_row_cells(struct str row, struct str *ret_cells);
int64_t copy_cell_number(struct str cell);
// Appends the key of a row for people, as "(1, name)".
void copy_row_key(const struct copy_table *table, struct str row, struct buf *out);
