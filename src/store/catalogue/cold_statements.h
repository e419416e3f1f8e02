// The statements of cold chunks; statements.h includes them. `chunks` is the log's, with the same columns on each
// engine.
#pragma once

#define COLD_STATEMENTS(X)                                                                                             \
    X(COLD_WARM, "SELECT id, sealed_ms, execution_id FROM executions WHERE sealed = 1 AND purged = 0 AND cold = 0 "    \
                 "AND sealed_ms <= ?1 AND (sealed_ms, id) >= (?2, ?3) ORDER BY sealed_ms, id LIMIT ?4")                \
    X(COLD_BACKLOG, "SELECT count(*) FROM (SELECT 1 FROM executions WHERE sealed = 1 AND purged = 0 AND cold = 0 "     \
                    "AND sealed_ms <= ?1 LIMIT ?2) AS waiting")                                                        \
    X(COLD_BODIES,                                                                                                     \
      "SELECT first, count, raw, body FROM chunks{part} WHERE execution = ?1 AND first >= ?2 ORDER BY first "          \
      "LIMIT ?3")                                                                                                      \
    X(COLD_PACK_ADD, "INSERT INTO cold_packs(object, made_ms, bytes, live_bytes, live_chunks) VALUES(?1, ?2, 0, 0, 0)" \
                     " {new_id}")                                                                                      \
    X(COLD_PACK_FILL, "UPDATE cold_packs SET bytes = ?2, live_bytes = ?2, live_chunks = ?3 WHERE id = ?1")             \
    X(COLD_PACK_LOSE, "UPDATE cold_packs SET live_bytes = live_bytes - ?2, live_chunks = live_chunks - ?3 "            \
                      "WHERE id = ?1")                                                                                 \
    X(COLD_PACK_EMPTY, "SELECT id FROM cold_packs WHERE id = ?1 AND live_chunks = 0 {locked}")                         \
    X(COLD_PACK_DELETE, "DELETE FROM cold_packs WHERE id = ?1")                                                        \
    X(COLD_PACK_FIND, "SELECT id FROM cold_packs WHERE object = ?1")                                                   \
    X(COLD_PACK_SPARSE, "SELECT id, object FROM cold_packs WHERE live_bytes * 2 < bytes AND id > ?1 ORDER BY id "      \
                        "LIMIT 1")                                                                                     \
    X(COLD_PACK_CHUNKS,                                                                                                \
      "SELECT c.execution, c.first, c.count, c.raw, c.place, c.length, c.checksum, e.execution_id FROM cold_chunks c " \
      "JOIN executions e ON e.id = c.execution WHERE c.pack = ?1 AND e.purged = 0 ORDER BY c.place LIMIT ?2")          \
    X(COLD_ADD, "INSERT INTO cold_chunks(execution, first, count, raw, pack, place, length, checksum) "                \
                "VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8) ON CONFLICT(execution, first) DO NOTHING")                     \
    X(COLD_CHILL, "UPDATE chunks{part} SET body = ?4 WHERE execution = ?1 AND first = ?2 AND count = ?3 AND "          \
                  "length(body) > 0")                                                                                  \
    X(COLD_MOVE, "UPDATE cold_chunks SET pack = ?4, place = ?5 WHERE execution = ?1 AND first = ?2 AND pack = ?3")     \
    X(COLD_REMOVE, "DELETE FROM cold_chunks WHERE execution = ?1 AND first = ?2")                                      \
    X(COLD_REMOVE_TO, "DELETE FROM cold_chunks WHERE execution = ?1 AND first <= ?2")                                  \
    X(COLD_SLICE, "SELECT first, pack, length FROM cold_chunks WHERE execution = ?1 AND first < ?2 ORDER BY first "    \
                  "LIMIT ?3")                                                                                          \
    X(COLD_FROM, "SELECT c.first, c.raw, c.place, c.length, c.checksum, p.object FROM cold_chunks c "                  \
                 "JOIN cold_packs p ON p.id = c.pack WHERE c.execution = ?1 AND c.first >= ?2 ORDER BY c.first "       \
                 "LIMIT ?3")                                                                                           \
    X(COLD_BEFORE, "SELECT c.first, c.raw, c.place, c.length, c.checksum, p.object FROM cold_chunks c "                \
                   "JOIN cold_packs p ON p.id = c.pack WHERE c.execution = ?1 AND c.first <= ?2 ORDER BY "             \
                   "c.first DESC LIMIT ?3")                                                                            \
    /* Programs that do not know of it cannot read what was moved. */                                                  \
    X(COLD_READERS, "UPDATE schema_reader SET minimum = ?1 WHERE minimum < ?1")                                        \
    X(COLD_OLDER, "SELECT count(*) FROM nodes WHERE kind = ?1 AND fenced_ms = 0 AND heartbeat_ms >= {now_ms} - ?2 "    \
                  "AND knows < ?3")                                                                                    \
    X(COLD_SET, "UPDATE executions SET cold = 1 WHERE id = ?1")
