// The table of `runnel list`: as wide as it is, or fitted to a terminal by leaving out columns and cutting commands and
// metadata.
#pragma once

#include "cli/cli_private.h"

struct list_table {
    size_t width, height; // of the terminal; 0: no bound
    bool utc, colour;
    int64_t now_ms;
    struct list_row *rows;
    size_t count;
};

void list_table_release(struct list_table *table);
void list_table_clear(struct list_table *table);
// From the object of an execution.
void list_table_add(struct list_table *table, const json_t *execution);
// Sorted by what it shows: the last one started first, before them what has not started.
void list_table_append(struct list_table *table, struct buf *out);
