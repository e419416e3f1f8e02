// All prepared statements of the log, in one table: X(name, SQL). The catalogue has its own:
// store/catalogue/statements.h.
#pragma once

#define STATEMENTS(X)                                                                                                  \
    X(BEGIN_WRITE, "BEGIN IMMEDIATE")                                                                                  \
    X(BEGIN_READ, "BEGIN")                                                                                             \
    X(COMMIT, "COMMIT")                                                                                                \
    X(ROLLBACK, "ROLLBACK")                                                                                            \
    X(SAVEPOINT, "SAVEPOINT part")                                                                                     \
    X(SAVEPOINT_RELEASE, "RELEASE part")                                                                               \
    X(SAVEPOINT_ROLLBACK, "ROLLBACK TO part")                                                                          \
    X(META_SET, "INSERT INTO meta(name, value) VALUES(?1, ?2) ON CONFLICT(name) DO UPDATE SET value = excluded.value") \
    X(META_GET, "SELECT value FROM meta WHERE name = ?1")                                                              \
    X(META_DELETE, "DELETE FROM meta WHERE name = ?1")                                                                 \
    /* records */                                                                                                      \
    X(PRODUCER_FIND, "SELECT next, last_hash, last_counter, last_sequence, digest FROM producers WHERE execution = "   \
                     "?1 AND producer = ?2")                                                                           \
    X(PRODUCER_FOLD,                                                                                                   \
      "INSERT INTO producers(execution, producer, next, last_hash, last_counter, last_sequence, digest) "              \
      "VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7) ON CONFLICT(execution, producer) DO UPDATE SET next = excluded.next, "       \
      "last_hash = excluded.last_hash, last_counter = excluded.last_counter, "                                         \
      "last_sequence = excluded.last_sequence, digest = excluded.digest WHERE excluded.next > next")                   \
    X(PRODUCERS_DELETE, "DELETE FROM producers WHERE execution = ?1")                                                  \
    X(HOT_INSERT, "INSERT INTO hot(id, meta, body) VALUES(?1, ?2, ?3)")                                                \
    /* The body's pages are not read. */                                                                               \
    X(HOT_SCAN, "SELECT id, meta FROM hot ORDER BY id")                                                                \
    X(HOT_BODY, "SELECT body FROM hot WHERE id = ?1")                                                                  \
    X(HOT_KEEP_DAMAGED,                                                                                                \
      "INSERT INTO damaged(pack, meta, body) SELECT id, meta, body FROM hot WHERE id = ?1 AND NOT EXISTS "             \
      "(SELECT 1 FROM damaged WHERE pack = hot.id AND meta = hot.meta)")                                               \
    X(HOT_DELETE_TO, "DELETE FROM hot WHERE id <= ?1")                                                                 \
    X(HOT_LEAST, "SELECT min(id) FROM hot")                                                                            \
    X(CHUNK_INSERT,                                                                                                    \
      "INSERT INTO chunks(execution, first, count, time_min, time_max, raw, body) VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7)") \
    X(CHUNK_DELETE, "DELETE FROM chunks WHERE id = ?1")                                                                \
    X(CHUNK_AT,                                                                                                        \
      "SELECT id, first, count FROM chunks WHERE execution = ?1 AND first <= ?2 ORDER BY first DESC LIMIT 1")          \
    X(CHUNKS_BEFORE,                                                                                                   \
      "SELECT id, first, count, raw FROM chunks WHERE execution = ?1 AND first < ?2 ORDER BY first DESC LIMIT ?3")     \
    X(CHUNK_SINCE, "SELECT first FROM chunks WHERE execution = ?1 AND time_max >= ?2 ORDER BY first LIMIT 1")          \
    X(CHUNK_BODY, "SELECT body FROM chunks WHERE id = ?1")                                                             \
    X(CHUNKS_FROM, "SELECT id, first, count FROM chunks WHERE execution = ?1 AND first >= ?2 ORDER BY first LIMIT ?3") \
    X(CHUNKS_CUT, "DELETE FROM chunks WHERE execution = ?1 AND first < ?2")                                            \
    X(PURGING_INSERT, "INSERT OR IGNORE INTO purging(execution) VALUES(?1)")                                           \
    X(PURGING_NEXT, "SELECT execution FROM purging LIMIT 1")                                                           \
    X(PURGING_DELETE, "DELETE FROM purging WHERE execution = ?1")                                                      \
    X(PURGE_SLICE, "DELETE FROM chunks WHERE id IN (SELECT id FROM chunks WHERE execution = ?1 LIMIT 32)")

enum statement {
#define STATEMENT_ENUM(name, sql) STATEMENT_##name,
    STATEMENTS(STATEMENT_ENUM)
#undef STATEMENT_ENUM
        STATEMENT_COUNT
};
