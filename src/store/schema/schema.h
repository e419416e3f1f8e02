// The numbered migrations. embed.py embeds them from the .sql files in this folder. `catalogue/` is written once, with
// the words of store/sql/words.h; what only one engine has is in the folder of its name. One number is one transaction,
// and means the same on every engine.
#pragma once

#include "store/sql/sql.h"

struct schema_migration {
    int number;          // 1, 2, …; 0 ends the table
    const char *name;    // what it adds, for people
    const char *forward; // statements; "" if this engine has nothing to do
    // What is done before a step forward, each in a transaction of its own and perhaps again, up to a NULL; or NULL.
    const char *const *before;
    const char *back;  // statements that undo it; NULL: there is no way back
    const char *loses; // what going back loses, for people; NULL: nothing, ever
    // A SELECT that counts how many of these exist now; at 0 nothing is lost. NULL: always everything, or never
    // anything.
    const char *counted_by;
    // The oldest schema that a program must know to work on this one: while servers are replaced one by one, those of
    // the former version go on. 0: it was made before this was written down.
    int works_with;
};

extern const struct schema_migration *const schema_migrations[SQL_ENGINES];

int schema_newest(void);
// Returns the number of the newest migration that was applied; 0: none.
int schema_version(struct sql *sql, int *ret);
// Migrates forward to `to`, a new store in one transaction, another by one for each step; or makes the one step back to
// `to`, if that loses nothing. If another connection begins the same at the same time, it waits and finds it done. A
// schema that is newer than the program, and that says that it works with it, is left as it is. Errors, each with a
// text for people: ERR_TOO_NEW (the schema is newer than the program), ERR_HELD (servers are alive that cannot work on
// what it would become), ERR_INVALID (no such number, or more than one step back), ERR_CONFLICT (something would be
// lost), or an error of sql.h, with the text of sql_reason.
int schema_migrate(struct sql *sql, int to, struct buf *ret_reason);
// Does the same with another table.
int schema_migrate_by(const struct schema_migration *table, struct sql *sql, int to, struct buf *ret_reason);
