// One end of a copy: a store that is open for it alone. Adapters embed struct copy_side.
#pragma once

#include "model/chunk.h"
#include "store/sql/sql.h"

struct copy_side;
struct copy_table;

// Functions of the end that is copied to run within its transaction.
struct copy_kind {
    // SQL: the names of all tables; of table ?1 each column's name, its type, and its place in the primary key, from 1
    // on (0: it is not in it); the tables whose rows are numbered, and the last number that each has given out.
    const char *tables, *columns, *numbers;
    bool text_without_zero; // it cannot hold U+0000
    // Inserts rows in the form of copy_rows.h. `names`: the columns, as SQL has a list of them.
    int (*insert)(struct copy_side *side, const struct copy_table *table, const char *names, struct str rows);
    int (*set_number)(struct copy_side *side, struct str table, int64_t last);
    // The chunk that begins at record `at`: 1 with it, 0 if none does, or an error. ERR_COLD: its body lies elsewhere.
    // ERR_CORRUPT, ERR_TOO_NEW: it cannot be read. Faster when chunks are asked for in order.
    int (*chunk)(struct copy_side *side, int64_t row, uint64_t at, struct chunk **ret);
    // Adds a chunk. It may be written later; `flush` is before the commit. `refined`: it has what searches need.
    int (*add)(struct copy_side *side, int64_t row, uint64_t first, const struct chunk *chunk, bool refined);
    int (*flush)(struct copy_side *side);
    // What helps a server, after the last commit. The copy is whole without it, so nobody hears of an error.
    int (*finish)(struct copy_side *side);
    // ERR_CONFLICT, with a text, if a server has it.
    int (*check_idle)(struct copy_side *side, struct buf *ret_error);
    void (*free)(struct copy_side *side);
};

struct copy_side {
    const struct copy_kind *kind;
    struct sql *sql; // of the adapter
    char *name;      // for people, without a password; owned
};

void copy_side_free(struct copy_side **side);
// Appends what the last failure was.
void copy_side_reason(const struct copy_side *side, struct buf *out);
