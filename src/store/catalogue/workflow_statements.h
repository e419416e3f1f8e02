// The statements for workflows and for what executions have as runs; statements.h includes them.
#pragma once

// `graph` is the text; lists leave out what may be large.
#define WORKFLOW_COLUMNS(graph, job)                                                                              \
    "w.id, w.account, w.created_ms, w.updated_ms, w.workflow_id, w.owner, w.name, w.description, " graph ", " job \
    ", w.metadata, w.retention"
#define WORKFLOW_WHOLE   WORKFLOW_COLUMNS("(SELECT g.graph FROM graphs g WHERE g.id = w.graph)", "w.job")
#define WORKFLOW_OUTLINE WORKFLOW_COLUMNS("NULL", "NULL")

#define WORKFLOW_STATEMENTS(X)                                                                                        \
    X(WORKFLOW_INSERT,                                                                                                \
      "INSERT INTO workflows(account, workflow_id, owner, name, description, graph, job, metadata, "                  \
      "retention, idempotency_key, request_hash, created_ms, updated_ms) "                                            \
      "VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?12) ON CONFLICT DO NOTHING {new_id}")               \
    X(WORKFLOW_SET, "UPDATE workflows SET name = ?2, description = ?3, graph = ?4, job = ?5, metadata = ?6, "         \
                    "retention = ?7, updated_ms = ?8 WHERE id = ?1")                                                  \
    X(WORKFLOW_GET, "SELECT " WORKFLOW_WHOLE " FROM workflows w WHERE w.id = ?1")                                     \
    X(WORKFLOW_LOCKED, "SELECT graph FROM workflows WHERE id = ?1 {locked}")                                          \
    X(WORKFLOW_OF, "SELECT id FROM workflows WHERE account = ?1 AND workflow_id = ?2")                                \
    X(WORKFLOW_HELD, "SELECT owner, graph, retention FROM workflows WHERE account = ?1 AND workflow_id = ?2 {held}")  \
    X(WORKFLOW_BY_KEY,                                                                                                \
      "SELECT id, request_hash, created_ms FROM workflows WHERE account = ?1 AND idempotency_key = ?2")               \
    X(WORKFLOW_KEY_FORGET, "UPDATE workflows SET idempotency_key = NULL WHERE id = ?1")                               \
    X(WORKFLOW_LIST, "SELECT " WORKFLOW_OUTLINE " FROM workflows w WHERE w.account = ?1 AND w.id < ?2 "               \
                     "ORDER BY w.id DESC LIMIT ?3")                                                                   \
    X(WORKFLOW_LIST_OWNER, "SELECT " WORKFLOW_OUTLINE " FROM workflows w WHERE w.account = ?1 AND w.owner = ?4 "      \
                           "AND w.id < ?2 ORDER BY w.id DESC LIMIT ?3")                                               \
    X(WORKFLOWS_COUNT, "SELECT count(*) FROM workflows WHERE account = ?1")                                           \
    X(WORKFLOW_DELETE, "DELETE FROM workflows WHERE id = ?1")                                                         \
    X(WORKFLOW_GRAPHS_OF, "SELECT id FROM workflows WHERE account = ?1 ORDER BY id LIMIT 64")                         \
    X(GRAPH_INSERT, "INSERT INTO graphs(graph) VALUES(?1) {new_id}")                                                  \
    /* Nobody names it any more. */                                                                                   \
    X(GRAPH_FORGET, "DELETE FROM graphs WHERE id = ?1 AND NOT EXISTS (SELECT 1 FROM workflows w WHERE w.graph = ?1) " \
                    "AND NOT EXISTS (SELECT 1 FROM run_details r WHERE r.graph = ?1)")                                \
    X(RUN_INSERT, "INSERT INTO run_details(execution, inputs, config, graph) VALUES(?1, ?2, ?3, ?4)")                 \
    X(RUN_AGAIN, "INSERT INTO run_details(execution, inputs, config, graph) "                                         \
                 "SELECT CAST(?2 AS {integer}), inputs, config, graph FROM run_details WHERE execution = ?1")         \
    X(RUN_GET, "SELECT r.inputs, r.config, (SELECT g.graph FROM graphs g WHERE g.id = r.graph) "                      \
               "FROM run_details r WHERE r.execution = ?1")                                                           \
    X(RUN_GRAPH, "SELECT graph FROM run_details WHERE execution = ?1")                                                \
    X(RUN_DELETE, "DELETE FROM run_details WHERE execution = ?1")                                                     \
    X(WAITING_SET, "INSERT INTO run_details(execution, waiting, waiting_until_ms) VALUES(?1, ?2, ?3) "                \
                   "ON CONFLICT(execution) DO UPDATE SET waiting = excluded.waiting, "                                \
                   "waiting_until_ms = excluded.waiting_until_ms")                                                    \
    /* Who was asked may still look, and repeat an answer. */                                                         \
    X(WAITING_END, "UPDATE run_details SET waiting_until_ms = -1 WHERE execution = ?1")                               \
    X(WAITING_GET, "SELECT waiting, waiting_until_ms FROM run_details WHERE execution = ?1")                          \
    X(WAITS_DUE, "SELECT execution FROM run_details WHERE waiting_until_ms > 0 AND waiting_until_ms <= ?1 "           \
                 "ORDER BY waiting_until_ms, execution LIMIT ?2")
