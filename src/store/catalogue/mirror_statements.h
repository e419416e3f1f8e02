// The statements of the mirror; statements.h includes them.
#pragma once

#define MIRROR_STATEMENTS(X)                                                                                        \
    X(MIRROR_ADD,                                                                                                   \
      "INSERT INTO mirrors(execution, next, time_ms, pending) VALUES(?1, 0, ?2, 1) ON CONFLICT DO NOTHING")         \
    X(MIRROR_RESET, "INSERT INTO mirrors(execution, next, time_ms, pending) VALUES(?1, 0, ?2, 1) "                  \
                    "ON CONFLICT(execution) DO UPDATE SET next = 0, time_ms = excluded.time_ms, pending = 1")       \
    X(MIRROR_GET, "SELECT m.next, m.pending, a.name FROM mirrors m JOIN executions e ON e.id = m.execution "        \
                  "JOIN accounts a ON a.id = e.account WHERE m.execution = ?1")                                     \
    X(MIRROR_STEP, "UPDATE mirrors SET next = ?3, time_ms = ?4, pending = ?5 WHERE execution = ?1 AND next = ?2")   \
    X(MIRROR_DELETE, "DELETE FROM mirrors WHERE execution = ?1")                                                    \
    X(MIRRORS_LOOK, "SELECT m.execution, m.next, m.time_ms, {next_sequence}, e.sealed, e.account, e.execution_id, " \
                    "a.name FROM mirrors m JOIN executions e ON e.id = m.execution JOIN accounts a "                \
                    "ON a.id = e.account WHERE m.pending = 1 AND (m.time_ms, m.execution) > (?1, ?2) "              \
                    "ORDER BY m.time_ms, m.execution LIMIT ?3")                                                     \
    X(MIRROR_MAY_ENTER, "SELECT id, created_ms, account, purged, sealed FROM executions WHERE id > ?1 "             \
                        "ORDER BY id LIMIT ?2")                                                                     \
    X(MIRROR_MAY_ENTER_OPEN, "SELECT id, created_ms, account, purged, sealed FROM executions WHERE sealed = 0 "     \
                             "AND id > ?1 ORDER BY id LIMIT ?2")                                                    \
    X(MIRROR_PLACE_COUNT, "SELECT count(*) FROM mirror_places WHERE execution = ?1")                                \
    X(MIRROR_PLACE_ADD, "UPDATE mirror_places SET from_ms = CASE WHEN from_ms < ?4 THEN from_ms ELSE ?4 END, "      \
                        "until_ms = CASE WHEN until_ms > ?5 THEN until_ms ELSE ?5 END, lines = lines + ?6 "         \
                        "WHERE execution = ?1 AND node = ?2 AND labels = ?3")                                       \
    X(MIRROR_PLACE_INSERT, "INSERT INTO mirror_places(execution, node, labels, from_ms, until_ms, lines) "          \
                           "VALUES(?1, ?2, ?3, ?4, ?5, ?6)")                                                        \
    X(MIRROR_PLACES, "SELECT node, labels, from_ms, until_ms, lines FROM mirror_places WHERE execution = ?1 "       \
                     "ORDER BY node, labels LIMIT ?2")                                                              \
    X(MIRROR_PLACES_DELETE, "DELETE FROM mirror_places WHERE execution = ?1")
