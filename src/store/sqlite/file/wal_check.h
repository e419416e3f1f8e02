// Finds out to which database a WAL belongs, and whether it holds everything that was committed. This must happen
// before SQLite sees it, because SQLite applies any WAL that has the right name.
#pragma once

#include "store/sqlite/file/wal_mark.h"

struct wal_facts {
    bool database;      // it exists and is not empty
    bool rollback_mode; // its header says that it never had a WAL: it is a backup, or a store that is being made
    bool known;         // even without its WAL it tells its identity, which is:
    char incarnation[WAL_INCARNATION];
    uint64_t generation;
    uint64_t wal_bytes; // size of the file; 0: there is none
    bool wal_header;    // it begins like a WAL
    struct wal_salts salts;
    uint64_t wal_committed; // bytes up to the last complete commit
    uint64_t page_size;     // that of the WAL
    bool marked;
    struct wal_claim claim;
};

enum wal_verdict {
    WAL_NONE,    // there is nothing that SQLite would apply
    WAL_OWN,     // the store's own
    WAL_ADOPTED, // nothing tells whose it is: a version without marks has left it, or the mark is gone
    WAL_OTHERS,  // it belongs to another database, or to this one at another time; it must be set aside
    WAL_UNKNOWN, // it is not the one that the mark knows, and the database may need it; a person has to decide
};

struct wal_judgement {
    enum wal_verdict verdict;
    uint64_t lost; // bytes of commits that are missing
};

struct wal_judgement wal_judge(const struct wal_facts *facts); // pure

// Reads the files. Returns 0 or -errno.
int wal_facts_read(const char *path, struct wal_facts *ret);
