// The numbered migrations of each adapter, embedded from the .sql files of this folder by embed.py.
#pragma once

#include "util/attrs.h"

struct schema_migration {
    int number;       // 1, 2, …; the last entry of a table has 0
    const char *name; // of the file
    const char *sql;  // statements
};

extern const struct schema_migration schema_sqlite[];
