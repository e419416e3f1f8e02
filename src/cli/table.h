// Tables of text in columns. Each column is as wide as its widest cell. A table that is wider than a terminal leaves
// out columns and cuts cells.
#pragma once

#include "util/buf.h"

#define TABLE_GAP 2 // spaces between two columns

struct table_column {
    const char *title;
    unsigned leave; // if the table is too wide: 1 is left out first, then 2, …; 0: it always stays
    bool cut;       // if the table is still too wide, its cells are cut; for one column
};

// Appends the titles and the rows. `cells` has column_count cells for each row. `width` is that of the terminal in
// columns; 0: no limit.
void table_append(const struct table_column *columns, size_t column_count, const char *const *cells, size_t rows,
                  size_t width, struct buf *out);
