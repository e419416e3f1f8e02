// Whose the WAL beside a database is, and whether it has all that was committed: found out before SQLite sees it, as
// SQLite applies any WAL that has the right name.
#pragma once

#include "store/sqlite/file/wal_mark.h"

struct wal_facts {
    bool database;      // there is one, and it is not empty
    bool rollback_mode; // its header says that it never had a WAL of its own: a backup, or a store that is being made
    bool known;         // without its WAL it says who it is:
    char incarnation[WAL_INCARNATION];
    uint64_t generation;
    uint64_t wal_bytes; // of the file; 0: there is none
    bool wal_header;    // it begins as one
    struct wal_salts salts;
    uint64_t wal_committed; // bytes up to the last commit that is whole
    uint64_t page_size;     // of the WAL
    bool marked;
    struct wal_claim claim;
};

enum wal_verdict {
    WAL_NONE,    // nothing there that SQLite would apply
    WAL_OWN,     // the store's
    WAL_ADOPTED, // nothing says whose it is: a version without marks has left it, or the mark is gone
    WAL_OTHERS,  // of another database, or of this one at another time: to be set aside
    WAL_UNKNOWN, // not the one that the mark knows, beside a database that may need it: somebody has to decide
};

struct wal_judgement {
    enum wal_verdict verdict;
    uint64_t lost; // bytes of commits that should be there and are not
};

struct wal_judgement wal_judge(const struct wal_facts *facts); // values in, values out

// Reads the files. 0 or -errno.
int wal_facts_read(const char *path, struct wal_facts *ret);
