// Which tables are copied, and what their columns are: as the schemas of both ends say.
#pragma once

#include "store/copy/side.h"

enum copy_class {
    COPY_ROWS, // row by row
    COPY_OWN,  // in another way: records, and what the store knows of itself
    COPY_LEFT, // not at all
};

// *ret_why: why a table is left; NULL for the others. Unless named, a table is of COPY_ROWS, and must be in each
// engine. *ret_told: whether people are told if it has rows.
enum copy_class copy_class_of(struct str table, const char **ret_why, bool *ret_told);

struct copy_column {
    char *name;
    enum sql_type type;
};

struct copy_table {
    char *name;
    struct copy_column *columns; // those of the primary key in front, in its order; the others by name
    size_t column_count, key_count;
};

void copy_table_release(struct copy_table *table);
// Returns the columns of a table, which both ends must have alike. ERR_INTERNAL, with a text, if they do not.
int copy_table_load(struct copy_side *from, struct copy_side *to, struct str name, struct copy_table *ret,
                    struct buf *ret_error);
// The tables of a class, by name; owned by the caller, as are the names.
int copy_tables_list(struct copy_side *side, enum copy_class wanted, char ***ret, size_t *ret_count);
void copy_tables_free(char ***tables, size_t count);
// Appends "name" of the first `count` columns, with commas; `read`: as what is to be read of them.
void copy_table_names(const struct copy_table *table, size_t count, bool read, struct buf *out);
