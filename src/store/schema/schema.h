// The numbered migrations, embedded from the .sql files of this folder by embed.py. `catalogue/` is written once, with
// the words of store/sql/words.h; what an engine alone has is in the folder of its name. One number is one transaction,
// and means the same on every engine.
#pragma once

#include "store/sql/sql.h"

struct schema_migration {
    int number;      // 1, 2, …; the last entry of a table has 0
    const char *sql; // statements; "" where this engine has nothing to do
};

extern const struct schema_migration *const schema_migrations[SQL_ENGINES];

int schema_newest(void);
// The number of the newest that was applied; 0: none.
int schema_version(struct sql *sql, int *ret);
// Applies all after `from`, each in a transaction of its own.
int schema_migrate(struct sql *sql, int from);
