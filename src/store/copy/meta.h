// What a store knows of itself, and what an unfinished copy knows of the store that it is one of.
#pragma once

#include "store/sql/sql.h"

// The row that marks a copy with which somebody may go on beside the original, or after it: whoever opens the store
// first gives it a new incarnation, and removes the mark.
#define STORE_BACKUP_MARK "backup"

int copy_meta_get(struct sql *sql, const char *name, struct buf *ret); // 1 with a value, 0 without, or an error
int copy_meta_set(struct sql *sql, const char *name, struct str value);
int copy_meta_delete(struct sql *sql, const char *name);

struct copy_mark {
    struct str incarnation; // of the store that is copied
    int64_t servers;        // that have been started on it: one more, and it may have changed
    struct str command;     // goes on with the copy
};

void copy_mark_read(struct str mark, struct copy_mark *ret); // views of `mark`
void copy_mark_write(const struct copy_mark *mark, struct buf *out);
