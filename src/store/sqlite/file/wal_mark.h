// A small file beside the WAL (PATH.wal-mark). It tells which WAL is the store's own, and how far it was committed.
//
// What it can prove: the mark of a commit is written after the commit was synced, and is not synced itself. So after
// kill -9 it tells exactly what was committed. After power loss it may tell less, but never more. A WAL that has less
// than its mark tells has lost commits. The mark is synced before a WAL begins again or is cut; so a WAL that is named
// neither by the mark nor as the one before was not begun by this store.
//
// What it cannot prove: that nothing was damaged after it was moved to the database; that the last commits before a
// power loss are there; and what happened to a WAL that is missing because another program has moved all of it
// (wal_judge).
//
// The database is identified by its incarnation and by its generation. The generation is a number that the first
// transaction after each checkpoint raises (`meta`, wal_generation). A copy from another time has a generation that the
// WAL cannot follow.
//
// For one thread at a time. A commit waits only for a write of a hundred bytes. Every new WAL waits for one fsync.
#pragma once

#include "util/buf.h"
#include "util/log.h"

#define WAL_GENERATION   "wal_generation" // its row in `meta`
#define WAL_HEADER       32u
#define WAL_FRAME_HEADER 24u
#define WAL_INCARNATION  27 // including the NUL

struct wal_salts {
    uint32_t words[2];
};

struct wal_claim { // as it is stored in the file
    char incarnation[32];
    // Generations: that of the database when the WAL began, and the newest one in the WAL.
    uint64_t base, last;
    struct wal_salts salts, former; // of this WAL's header, and of the one before
    uint64_t committed;             // bytes of the WAL that are needed; 0: everything is in the database
    uint64_t lost;                  // bytes that were missing at a start; kept until the store has a new incarnation
    int64_t time_ms;                // when it was written
};

struct wal_mark {
    int fd; // -1: there is no file, and nothing is written
    const struct logger *logger;
    struct wal_claim claim;
    uint64_t generation; // of the present transaction; the writer tells it
    uint64_t stored;     // that of the database with its WAL, as of the last commit
    uint64_t page_size, commit_end;
    bool claims; // what may be on the disk needs something of the WAL
};

// Reads the file without changing it. Returns false if there is no complete one.
bool wal_mark_read(const char *path, struct wal_claim *ret);
// Opens or makes the file, and makes `claim` durable in it. `page_size` is that of the existing WAL. Returns 0 or
// -errno. On a disk without room for a new file there is none.
int wal_mark_open(struct wal_mark *mark, const char *path, const struct wal_claim *claim, uint64_t page_size,
                  const struct logger *logger);
void wal_mark_close(struct wal_mark *mark);
// Stores the new identity of the database, and that nothing is missing any more. Durable.
int wal_mark_settle(struct wal_mark *mark, const char *incarnation, uint64_t generation);

// Called by the file layer: before a write to the WAL, after a sync of it, before it is cut or deleted. Errors are
// -errno.
int wal_mark_writing(struct wal_mark *mark, const void *data, size_t len, uint64_t offset);
void wal_mark_synced(struct wal_mark *mark);
int wal_mark_cutting(struct wal_mark *mark, uint64_t size);
// Called after a checkpoint that has moved everything.
void wal_mark_moved(struct wal_mark *mark);
