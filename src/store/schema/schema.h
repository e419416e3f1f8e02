// The numbered migrations, embedded from the .sql files of this folder by embed.py. `catalogue/` is written once, with
// the words of store/sql/words.h; what an engine alone has is in the folder of its name. One number is one transaction,
// and means the same on every engine.
#pragma once

#include "store/sql/sql.h"

struct schema_migration {
    int number;          // 1, 2, …; the last entry of a table has 0
    const char *name;    // what it brings, for people
    const char *forward; // statements; "" where this engine has nothing to do
    const char *back;    // that undo it; NULL: there is no way back
    const char *loses;   // by going back, for people; NULL: nothing, ever
    // A SELECT of how many of these there are now: at 0 nothing is lost. NULL: all of it always is, or nothing ever.
    const char *counted_by;
};

extern const struct schema_migration *const schema_migrations[SQL_ENGINES];

int schema_newest(void);
// The number of the newest that was applied; 0: none.
int schema_version(struct sql *sql, int *ret);
// Forward to `to`, each step in a transaction of its own; or the one step back to it, if nothing is lost by that. Who
// begins it at the same time on another connection waits, and finds it done. With a text for people: ERR_TOO_NEW (the
// schema is newer than the program), ERR_INVALID (no such number, or more than one step back), ERR_CONFLICT (something
// would be lost), or an error of sql.h, as sql_reason says it.
int schema_migrate(struct sql *sql, int to, struct buf *ret_reason);
// The same by another table.
int schema_migrate_by(const struct schema_migration *table, struct sql *sql, int to, struct buf *ret_reason);
