// A small file beside the WAL (PATH.wal-mark) that says which WAL is the store's own, and how far it was committed.
//
// What it can prove. A commit's mark is written after the commit was synced and is not synced itself. So after kill -9
// the mark says exactly what was committed; after power loss it may say less, never more: a WAL that has less than its
// mark says has lost commits. It is synced before a WAL begins anew or is cut, so a WAL that neither it nor the one
// before it names was not begun by this store. What was moved to the database and damaged there, it says nothing of;
// nor of the last commits before a power loss; nor of a WAL that is gone after another program has moved all of it
// (wal_judge).
//
// The database is known by its incarnation, and by a number, its generation, that the first transaction after each
// checkpoint raises (`meta`, wal_generation): a copy from another time has one that the WAL does not follow on.
//
// One thread at a time. No commit waits for more than a write of a hundred bytes; every new WAL waits for one fsync.
#pragma once

#include "util/buf.h"
#include "util/log.h"

#define WAL_GENERATION   "wal_generation" // its row in `meta`
#define WAL_HEADER       32u
#define WAL_FRAME_HEADER 24u
#define WAL_INCARNATION  27 // bytes, with the NUL

struct wal_salts {
    uint32_t words[2];
};

struct wal_claim { // as it lies in the file
    char incarnation[32];
    uint64_t base, last;            // generations: of the database when the WAL began, and the newest that the WAL has
    struct wal_salts salts, former; // of this WAL's header, and of the one before
    uint64_t committed;             // bytes of the WAL that are needed; 0: all is in the database
    uint64_t lost;                  // bytes that a start did not find; kept until the store has a new incarnation
    int64_t time_ms;                // when it was written
};

struct wal_mark {
    int fd; // -1: there is none, and nothing is written
    const struct logger *logger;
    struct wal_claim claim;
    uint64_t generation; // of the present transaction, told by the writer
    uint64_t stored;     // of the database with its WAL, as of the last commit
    uint64_t page_size, commit_end;
    bool claims; // what may be on the disk needs something of the WAL
};

// What lies in the file, without changing it. False if there is none that is whole.
bool wal_mark_read(const char *path, struct wal_claim *ret);
// Opens or makes the file, and makes `claim` durable in it; `page_size` is that of the WAL that is there. -errno. On a
// disk without room for a new one there is none.
int wal_mark_open(struct wal_mark *mark, const char *path, const struct wal_claim *claim, uint64_t page_size,
                  const struct logger *logger);
void wal_mark_close(struct wal_mark *mark);
// Whose the database is now, and that nothing is lost any more; durable.
int wal_mark_settle(struct wal_mark *mark, const char *incarnation, uint64_t generation);

// From the file layer. Before a write to the WAL, after a sync of it, before it is cut or deleted. Errors are -errno.
int wal_mark_writing(struct wal_mark *mark, const void *data, size_t len, uint64_t offset);
void wal_mark_synced(struct wal_mark *mark);
int wal_mark_cutting(struct wal_mark *mark, uint64_t size);
// After a checkpoint that moved everything.
void wal_mark_moved(struct wal_mark *mark);
