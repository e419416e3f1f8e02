// The table of `runnel list`. It has its full width, or fits a terminal: then columns are left out, and commands and
// metadata are cut.
#pragma once

#include "cli/cli_private.h"

struct list_table {
    size_t width, height; // of the terminal; 0: no limit
    bool utc, colour;
    int64_t now_ms;
    struct list_row *rows;
    size_t count;
};

void list_table_release(struct list_table *table);
void list_table_clear(struct list_table *table);
// Adds a row for the JSON object of an execution.
void list_table_add(struct list_table *table, const json_t *execution);
// Appends the sorted table: executions that have not started first, then the others, the last one started first.
void list_table_append(struct list_table *table, struct buf *out);
