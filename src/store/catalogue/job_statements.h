// The statements for jobs and batches; statements.h includes them. Literals for jobs.state and `kind` are the values of
// enum job_state and enum ending_kind, because some indexes cover only some states.
#pragma once

// --- Jobs
#define JOB_COLUMNS                                                                                            \
    "execution, account, state, rank, turn, waits_for, root, attempt, tries, retry_of, superseded_by, batch, " \
    "batch_index, not_before_ms, failed_ms, rate_micros"

// Joins an execution `e` with what the queue says about it, in the order of struct job_view.
#define JOB_VIEW_COLUMNS                                                                             \
    "j.state, j.attempt, j.retries, j.rank, j.batch, j.batch_index, j.timeout_ms, j.not_before_ms, " \
    "j.rate_micros, j.trusted, j.demand, j.reason, "                                                 \
    "(SELECT execution_id FROM executions p WHERE p.id = j.retry_of), "                              \
    "(SELECT execution_id FROM executions n WHERE n.id = j.superseded_by), j.secrets"

#define JOB_STATEMENTS(X)                                                                                              \
    X(JOB_INSERT,                                                                                                      \
      "INSERT INTO jobs(" JOB_COLUMNS ", timeout_ms, trusted, retries, retry_delay_ms, retry_on, demand, secrets) "    \
      "VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20, "             \
      "?21, ?22, ?23)")                                                                                                \
    X(JOB_INSERT_AGAIN,                                                                                                \
      "INSERT INTO jobs(" JOB_COLUMNS ", timeout_ms, trusted, retries, retry_delay_ms, retry_on, demand, secrets) "    \
      "SELECT CAST(?1 AS {integer}), account, CAST(?3 AS {integer}), rank, CAST(?4 AS {integer}), 0, root, "           \
      "attempt + 1, CAST(?5 AS {integer}), execution, 0, batch, batch_index, CAST(?6 AS {integer}), 0, "               \
      "rate_micros, timeout_ms, trusted, retries, retry_delay_ms, retry_on, demand, secrets FROM jobs WHERE "          \
      "execution = ?2")                                                                                                \
    X(JOB_GET, "SELECT " JOB_COLUMNS " FROM jobs WHERE execution = ?1 {locked}")                                       \
    X(JOB_HELD, "SELECT " JOB_COLUMNS " FROM jobs WHERE execution = ?1 {held}")                                        \
    X(JOB_SET, "UPDATE jobs SET state = ?2, turn = ?3, waits_for = ?4, superseded_by = ?5, not_before_ms = ?6, "       \
               "failed_ms = ?7 WHERE execution = ?1")                                                                  \
    X(JOB_REASON, "UPDATE jobs SET reason = coalesce(reason, ?2) WHERE execution = ?1")                                \
    X(JOB_RULE, "SELECT retries, retry_delay_ms, retry_on, tries FROM jobs WHERE execution = ?1")                      \
    X(JOB_DEMAND, "SELECT demand FROM jobs WHERE execution = ?1")                                                      \
    X(JOB_BATCH, "SELECT batch FROM jobs WHERE execution = ?1")                                                        \
    X(JOB_ACCOUNT, "SELECT account FROM jobs WHERE execution = ?1")                                                    \
    X(JOB_TURN, "SELECT turn FROM jobs WHERE execution = ?1")                                                          \
    X(JOB_RELINK, "UPDATE jobs SET superseded_by = ?2 WHERE execution = ?1")                                           \
    X(JOB_DELETE, "DELETE FROM jobs WHERE execution = ?1")                                                             \
    X(JOB_VIEW, "SELECT " JOB_VIEW_COLUMNS " FROM jobs j WHERE j.execution = ?1")                                      \
    X(JOB_END, "SELECT status, sealed, exit_code, completed_ms, CASE WHEN cancel_reason IS NULL THEN 0 ELSE 1 END "    \
               "FROM executions WHERE id = ?1")                                                                        \
    X(JOBS_QUEUED, "SELECT count(*) FROM jobs WHERE account = ?1 AND state < 3")                                       \
    X(LINE_TURN, "SELECT turn FROM jobs WHERE account = ?1 AND demand = ?2 AND rank = ?3 AND state = 2 "               \
                 "ORDER BY turn LIMIT 1")                                                                              \
    X(LINE_READY, "SELECT execution, turn, rank FROM jobs WHERE account = ?1 AND demand = ?2 AND state = 2 "           \
                  "ORDER BY rank, turn, execution LIMIT ?3")                                                           \
    X(LINE_BEFORE, "SELECT count(*) FROM jobs WHERE account = ?1 AND demand = ?2 AND state = 2 "                       \
                   "AND (rank, turn, execution) < (?3, ?4, ?5)")                                                       \
    X(LINE_NEXT, "SELECT account, demand FROM jobs WHERE state = 2 AND (account, demand) > (?1, ?2) "                  \
                 "ORDER BY account, demand LIMIT 1")                                                                   \
    X(JOBS_CLAIMED,                                                                                                    \
      "SELECT e.id, e.account, e.epoch, j.state, e.next_sequence, e.execution_id, j.demand FROM leases l "             \
      "JOIN jobs j ON j.execution = l.subject JOIN executions e ON e.id = l.subject "                                  \
      "WHERE l.kind = ?5 AND l.subject > ?6 AND e.worker_id = ?2 AND e.sealed = 0 AND (?3 = 0 OR e.account = ?3) AND " \
      "((j.state = 3 AND l.node IN "                                                                                   \
      "(SELECT CAST(?1 AS {integer}) UNION ALL SELECT id FROM nodes WHERE fenced_ms > 0)) "                            \
      "OR (j.state IN (4, 5) AND e.status = 'lost' AND e.sealed = 0)) ORDER BY l.subject LIMIT ?4")                    \
    X(JOBS_DUE, "SELECT execution FROM jobs WHERE state = 1 AND not_before_ms <= ?1 "                                  \
                "ORDER BY not_before_ms, execution LIMIT ?2")                                                          \
    X(JOB_NEXT_DUE, "SELECT not_before_ms FROM jobs WHERE state = 1 ORDER BY not_before_ms LIMIT 1")                   \
    X(EXECUTION_AGAIN,                                                                                                 \
      "INSERT INTO executions(account, execution_id, status, pinned, created_ms, restored_from, owner, workflow_id, "  \
      "batch_id, script_filename, runtime, retention_ms, log_records, log_bytes) SELECT account, ?2, 'queued', "       \
      "pinned, CAST(?3 AS "                                                                                            \
      "{integer}), CAST(?4 AS "                                                                                        \
      "{integer}), owner, workflow_id, "                                                                               \
      "batch_id, script_filename, runtime, retention_ms, log_records, log_bytes FROM executions WHERE id = ?1 "        \
      "{new_id}")                                                                                                      \
    X(DOCUMENT_AGAIN, "INSERT INTO documents(execution, spec, metadata) "                                              \
                      "SELECT CAST(?2 AS {integer}), spec, metadata FROM documents WHERE execution = ?1")              \
    X(LABELS_AGAIN, "INSERT INTO labels(account, name, value, execution) "                                             \
                    "SELECT account, name, value, CAST(?2 AS {integer}) FROM labels WHERE execution = ?1")             \
    X(DOCUMENT_SPEC, "SELECT spec FROM documents WHERE execution = ?1")                                                \
    X(EXECUTION_NO_WORKER, "UPDATE executions SET worker_id = NULL, worker_hostname = NULL WHERE id = ?1")             \
    X(CANCEL_ASKED, "SELECT CASE WHEN cancel_reason IS NULL THEN 0 ELSE 1 END FROM executions WHERE id = ?1")          \
    X(EXECUTION_NAME, "SELECT execution_id FROM executions WHERE id = ?1")                                             \
    X(EXECUTION_END_HELD, "SELECT status, sealed FROM executions WHERE id = ?1 {held}")

// --- What jobs wait for, and what must be settled
#define DEPENDENCY_STATEMENTS(X)                                                                                  \
    X(DEPENDENCY_INSERT, "INSERT INTO dependencies(child, kind, parent, wish) VALUES(?1, ?2, ?3, ?4) "            \
                         "ON CONFLICT DO NOTHING")                                                                \
    X(DEPENDENTS, "SELECT child, wish FROM dependencies WHERE kind = ?1 AND parent = ?2 ORDER BY child LIMIT ?3") \
    X(DEPENDENTS_AFTER, "SELECT child FROM dependencies WHERE kind = ?1 AND parent = ?2 AND child > ?3 "          \
                        "ORDER BY child LIMIT 1")                                                                 \
    /* Child 0 is whatever waits in other stores. */                                                              \
    X(AWAITED_INSERT, "INSERT INTO dependencies(child, kind, parent, wish) VALUES(0, ?1, ?2, 0) "                 \
                      "ON CONFLICT DO NOTHING")                                                                   \
    X(PARENT_AFTER, "SELECT parent FROM dependencies WHERE kind = ?1 AND parent > ?2 ORDER BY parent LIMIT 1")    \
    X(DEPENDENCY_DELETE, "DELETE FROM dependencies WHERE child = ?1 AND kind = ?2 AND parent = ?3 AND wish = ?4") \
    X(DEPENDENCIES_DELETE, "DELETE FROM dependencies WHERE child = ?1")                                           \
    X(DEPENDENCY_FIRST, "SELECT kind, parent FROM dependencies WHERE child = ?1 ORDER BY kind, parent LIMIT 1")   \
    X(LINK_INSERT, "INSERT INTO links(child, kind, parent, wish) VALUES(?1, ?2, ?3, ?4) ON CONFLICT DO NOTHING")  \
    X(LINKS_DELETE, "DELETE FROM links WHERE child = ?1")                                                         \
    X(LINKS_UP, "SELECT l.kind, l.parent, l.wish, CASE WHEN d.child IS NULL THEN 0 ELSE 1 END FROM links l "      \
                "LEFT JOIN dependencies d ON d.child = l.child AND d.kind = l.kind AND d.parent = l.parent "      \
                "AND d.wish = l.wish WHERE l.child = ?1 ORDER BY l.kind, l.parent, l.wish LIMIT ?2")              \
    X(LINKS_DOWN, "SELECT 0, l.child, l.wish, CASE WHEN d.child IS NULL THEN 0 ELSE 1 END FROM links l "          \
                  "LEFT JOIN dependencies d ON d.child = l.child AND d.kind = l.kind AND d.parent = l.parent "    \
                  "AND d.wish = l.wish WHERE l.kind = 0 AND l.parent = ?1 ORDER BY l.child, l.wish LIMIT ?2")     \
    X(LINK_EXECUTION, "SELECT execution_id, owner, status, purged FROM executions WHERE id = ?1")                 \
    X(JOB_ROOT, "SELECT root FROM jobs WHERE execution = ?1")                                                     \
    X(JOB_BY_ROOT, "SELECT execution FROM jobs WHERE root = ?1 AND retry_of <> 0 AND superseded_by = 0 LIMIT 1")  \
    X(JOB_NEXT_ATTEMPT, "SELECT superseded_by FROM jobs WHERE execution = ?1 AND superseded_by <> 0")             \
    X(DEPENDENCIES_COUNT, "SELECT count(*) FROM dependencies WHERE child = ?1")                                   \
    X(ENDING_INSERT, "INSERT INTO endings(kind, subject) VALUES(?1, ?2) ON CONFLICT DO NOTHING")                  \
    /* What is no job has consequences only for those that wait for it. */                                        \
    X(ENDING_OF_PARENT, "INSERT INTO endings(kind, subject) SELECT 0, CAST(?1 AS {integer}) WHERE EXISTS "        \
                        "(SELECT 1 FROM dependencies WHERE kind = 0 AND parent = ?1) ON CONFLICT DO NOTHING")     \
    X(ENDINGS, "SELECT subject FROM endings WHERE kind = ?1 ORDER BY subject LIMIT ?2 {free}")                    \
    X(ENDING_FIND, "SELECT 1 FROM endings WHERE kind = ?1 AND subject = ?2")                                      \
    X(ENDING_DELETE, "DELETE FROM endings WHERE kind = ?1 AND subject = ?2")

// --- Batches
#define BATCH_COUNT_COLUMNS                                                                                   \
    "queued, running, waiting, paused, completed, failed, cancelled_count, timed_out, skipped, lost, ended, " \
    "ended_ms_sum, running_started_sum, cost_micros, first_started_ms, last_ended_ms"
#define BATCH_COLUMNS                                                                                           \
    "id, account, created_ms, parallel, max_fails, max_fails_percent, rate_micros, expected, open, cancelled, " \
    "stopped, turn, active, " BATCH_COUNT_COLUMNS ", batch_id, owner, name, metadata, retention, pinned"

#define BATCH_STATEMENTS(X)                                                                                            \
    X(BATCH_INSERT, "INSERT INTO batches(account, batch_id, owner, name, metadata, idempotency_key, request_hash, "    \
                    "created_ms, parallel, max_fails, max_fails_percent, rate_micros, expected, open, retention, "     \
                    "pinned) VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16) "           \
                    "ON CONFLICT DO NOTHING {new_id}")                                                                 \
    X(BATCH_GET, "SELECT " BATCH_COLUMNS " FROM batches WHERE id = ?1")                                                \
    X(BATCH_LOCKED, "SELECT " BATCH_COLUMNS " FROM batches WHERE id = ?1 {locked}")                                    \
    X(BATCH_ACCOUNT, "SELECT account FROM batches WHERE id = ?1")                                                      \
    X(BATCH_PLACES, "SELECT parallel, active FROM batches WHERE id = ?1")                                              \
    X(BATCH_NAME, "SELECT batch_id FROM batches WHERE id = ?1")                                                        \
    X(BATCH_OF, "SELECT id FROM batches WHERE account = ?1 AND batch_id = ?2")                                         \
    X(BATCH_BY_KEY, "SELECT id, request_hash, created_ms FROM batches WHERE account = ?1 AND idempotency_key = ?2")    \
    /* Made by the same request, which had no key. */                                                                  \
    X(BATCH_SAME, "SELECT id FROM batches WHERE id = ?1 AND request_hash = ?2 AND created_ms >= ?3 "                   \
                  "AND coalesce(owner, '') = ?4 AND idempotency_key IS NULL")                                          \
    X(BATCH_KEY_FORGET, "UPDATE batches SET idempotency_key = NULL WHERE id = ?1")                                     \
    X(BATCH_SET,                                                                                                       \
      "UPDATE batches SET expected = ?2, open = ?3, cancelled = ?4, stopped = ?5, turn = ?6, active = ?7, "            \
      "queued = ?8, running = ?9, waiting = ?10, paused = ?11, completed = ?12, failed = ?13, cancelled_count = ?14, " \
      "timed_out = ?15, skipped = ?16, lost = ?17, ended = ?18, ended_ms_sum = ?19, running_started_sum = ?20, "       \
      "cost_micros = ?21, first_started_ms = ?22, last_ended_ms = ?23 WHERE id = ?1")                                  \
    X(BATCH_LIST, "SELECT id FROM batches WHERE account = ?1 AND id < ?2 ORDER BY id DESC LIMIT ?3")                   \
    X(BATCH_LIST_OWNER, "SELECT id FROM batches WHERE account = ?1 AND owner = ?4 AND id < ?2 "                        \
                        "ORDER BY id DESC LIMIT ?3")                                                                   \
    X(BATCH_LAST_JOB, "SELECT batch_index FROM jobs WHERE batch = ?1 AND batch > 0 ORDER BY batch_index DESC LIMIT 1") \
    X(BATCH_JOB, "SELECT execution FROM jobs WHERE batch = ?1 AND batch > 0 AND batch_index = ?2 "                     \
                 "ORDER BY attempt DESC LIMIT 1")                                                                      \
    X(BATCH_LIVE, "SELECT execution FROM jobs WHERE batch = ?1 AND batch > 0 AND state < 6 LIMIT 1")                   \
    X(BATCH_LOST, "SELECT count(*) FROM jobs WHERE batch = ?1 AND batch > 0 AND state < 6 AND state = 4")              \
    X(BATCH_IN_STATE, "SELECT execution FROM jobs WHERE batch = ?1 AND batch > 0 AND state < 6 AND state = ?2 "        \
                      "AND execution > ?3 ORDER BY execution LIMIT ?4")                                                \
    X(BATCH_UNCLAIMED,                                                                                                 \
      "SELECT execution FROM jobs WHERE batch = ?1 AND batch > 0 AND state < 6 AND state < 3 LIMIT ?2")                \
    X(BATCH_NOBODYS,                                                                                                   \
      "SELECT execution FROM jobs WHERE batch = ?1 AND batch > 0 AND state < 6 AND (state < 3 OR state = 4) LIMIT ?2") \
    X(BATCH_NEXT,                                                                                                      \
      "SELECT execution FROM jobs WHERE batch = ?1 AND batch > 0 AND state < 6 AND state = 0 AND waits_for = 0 "       \
      "ORDER BY batch_index, execution LIMIT ?2")                                                                      \
    X(BATCH_FAILURES, "SELECT execution, failed_ms FROM jobs WHERE batch = ?1 AND failed_ms > 0 "                      \
                      "AND (failed_ms, execution) < (?3, ?4) ORDER BY failed_ms DESC, execution DESC LIMIT ?2")        \
    X(BATCH_CELLS,                                                                                                     \
      "SELECT j.batch_index, e.status, e.execution_id FROM jobs j JOIN executions e ON e.id = j.execution "            \
      "WHERE j.batch = ?1 AND j.batch > 0 AND j.batch_index >= ?2 AND j.superseded_by = 0 "                            \
      "ORDER BY j.batch_index, j.attempt LIMIT ?3")                                                                    \
    X(BATCH_FAILED, "SELECT execution FROM jobs WHERE batch = ?1 AND failed_ms > 0 AND failed_ms <= ?2 "               \
                    "ORDER BY failed_ms, execution LIMIT ?3")                                                          \
    /* Nothing of it is left, and nobody waits for it. */                                                              \
    X(BATCH_EMPTIED, "DELETE FROM batches WHERE id = ?1 AND open = 0 AND NOT EXISTS "                                  \
                     "(SELECT 1 FROM jobs j WHERE j.batch = ?1 AND j.batch > 0) AND NOT EXISTS "                       \
                     "(SELECT 1 FROM dependencies d WHERE d.kind = 1 AND d.parent = ?1) AND NOT EXISTS "               \
                     "(SELECT 1 FROM endings n WHERE n.kind = 1 AND n.subject = ?1)")                                  \
    X(BATCH_SKIPPED, "SELECT j.execution FROM jobs j JOIN executions e ON e.id = j.execution "                         \
                     "WHERE j.batch = ?1 AND j.batch > 0 AND j.superseded_by = 0 AND e.status = 'skipped' "            \
                     "AND e.completed_ms <= ?2 ORDER BY j.batch_index, j.attempt LIMIT ?3")                            \
    X(BATCHES_FORGET, "DELETE FROM batches WHERE account = ?1")

// --- What each server says to the others: its workers, and what it has counted
#define SAID_STATEMENTS(X, table, column, SET, FORGET, SAID)                                                      \
    X(SET, "INSERT INTO " table "(node, " column ") VALUES(?1, ?2) ON CONFLICT(node) DO UPDATE SET " column       \
           " = excluded." column)                                                                                 \
    X(FORGET, "DELETE FROM " table " WHERE NOT EXISTS (SELECT 1 FROM nodes WHERE nodes.id = " table ".node "      \
              "AND nodes.fenced_ms = 0)")                                                                         \
    /* Of servers that are heard of, without one. */                                                              \
    X(SAID,                                                                                                       \
      "SELECT " column " FROM " table " WHERE node <> ?1 AND EXISTS (SELECT 1 FROM nodes WHERE nodes.id = " table \
      ".node AND nodes.fenced_ms = 0 AND nodes.heartbeat_ms >= {now_ms} - ?2) ORDER BY node LIMIT ?3")
#define WORKER_STATEMENTS(X)                                                     \
    SAID_STATEMENTS(X, "rosters", "roster", ROSTER_SET, ROSTERS_FORGET, ROSTERS) \
    SAID_STATEMENTS(X, "tallies", "tally", TALLY_SET, TALLIES_FORGET, TALLIES)
