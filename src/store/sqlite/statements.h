// Every statement that is kept prepared, in one table: X(name, SQL).
#pragma once

#define EXECUTION_COLUMNS                                                                                     \
    "e.id, e.account, e.execution_id, e.status, e.sealed, e.purged, e.pinned, e.exit_code, e.created_ms, "    \
    "e.started_ms, e.completed_ms, e.sealed_ms, e.next_sequence, e.first_sequence, e.epoch, e.digest, "       \
    "e.message_bytes, e.owner, e.script_filename, e.runtime, e.worker_id, e.worker_hostname, e.workflow_id, " \
    "e.batch_id, CASE WHEN length(d.spec) < 262144 THEN json_extract(d.spec, '$.command') END, d.metadata, "  \
    "e.cancel_reason, e.restored_from"
#define EXECUTION_FROM " FROM executions e LEFT JOIN documents d ON d.execution = e.id "
#define KEY_COLUMNS                                                                             \
    "id, account, key_id, name, role, hash, created_ms, expires_ms, last_used_ms, revoked_ms, " \
    "(SELECT suspended_ms FROM accounts a WHERE a.id = account)"
#define ACCOUNT_COLUMNS "id, created_ms, suspended_ms, name, deleted_ms"
// An operator key that counts: its account is not suspended.
#define OPERATOR_KEYS                                                                                      \
    " FROM api_keys k JOIN accounts a ON a.id = k.account WHERE k.role = 'operator' AND k.revoked_ms = 0 " \
    "AND a.suspended_ms = 0 AND a.deleted_ms = 0 "

#define STATEMENTS(X)                                                                                                      \
    X(BEGIN_WRITE, "BEGIN IMMEDIATE")                                                                                      \
    X(BEGIN_READ, "BEGIN")                                                                                                 \
    X(COMMIT, "COMMIT")                                                                                                    \
    X(ROLLBACK, "ROLLBACK")                                                                                                \
    X(SAVEPOINT, "SAVEPOINT part")                                                                                         \
    X(SAVEPOINT_RELEASE, "RELEASE part")                                                                                   \
    X(SAVEPOINT_ROLLBACK, "ROLLBACK TO part")                                                                              \
    X(META_SET, "INSERT INTO meta(name, value) VALUES(?1, ?2) ON CONFLICT(name) DO UPDATE SET value = excluded.value")     \
    X(META_GET, "SELECT value FROM meta WHERE name = ?1")                                                                  \
    X(META_DELETE, "DELETE FROM meta WHERE name = ?1")                                                                     \
    /* executions */                                                                                                       \
    X(EXECUTION_BY_ROW, "SELECT " EXECUTION_COLUMNS EXECUTION_FROM "WHERE e.id = ?1")                                      \
    X(EXECUTION_ROW_OF, "SELECT id FROM executions WHERE account = ?1 AND execution_id = ?2")                              \
    /* After a restore it may have been there before, and be made once more. */                                            \
    X(EXECUTION_INSERT,                                                                                                    \
      "INSERT INTO executions(account, execution_id, status, pinned, exit_code, created_ms, started_ms, owner, "           \
      "workflow_id, batch_id, worker_id, worker_hostname, script_filename, runtime, restored_from) "                       \
      "VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, "                                               \
      "(SELECT 0 FROM meta WHERE name = 'restored'))")                                                                     \
    /* What is not sealed goes on, and not as it did before. */                                                            \
    X(EXECUTIONS_RESTORED,                                                                                                 \
      "UPDATE executions SET restored_from = min(coalesce(restored_from, 9223372036854775807), next_sequence) "            \
      "WHERE sealed = 0")                                                                                                  \
    X(EXECUTION_HEAD,                                                                                                      \
      "SELECT account, status, sealed, purged, exit_code, epoch, next_sequence, digest, message_bytes, started_ms, "       \
      "completed_ms, sealed_ms FROM executions WHERE id = ?1")                                                             \
    X(EXECUTION_WORKER, "UPDATE executions SET worker_id = coalesce(?2, worker_id), "                                      \
                        "worker_hostname = coalesce(?3, worker_hostname) WHERE id = ?1")                                   \
    X(EXECUTION_OUTCOME,                                                                                                   \
      "UPDATE executions SET status = ?2, sealed = ?3, exit_code = ?4, epoch = ?5, started_ms = ?6, "                      \
      "completed_ms = ?7, sealed_ms = ?8, next_sequence = ?9, digest = ?10, message_bytes = ?11 WHERE id = ?1")            \
    X(EXECUTION_PIN, "UPDATE executions SET pinned = ?2 WHERE id = ?1")                                                    \
    X(EXECUTION_CANCEL, "UPDATE executions SET cancel_reason = coalesce(cancel_reason, ?2) WHERE id = ?1")                 \
    X(EXECUTION_PURGE, "UPDATE executions SET purged = 1, first_sequence = next_sequence WHERE id = ?1")                   \
    X(EXECUTION_FOLD, "UPDATE executions SET next_sequence = ?2, digest = ?3, message_bytes = ?4 WHERE id = ?1 "           \
                      "AND next_sequence < ?2")                                                                            \
    X(EXECUTION_CLOSED, "SELECT sealed, purged FROM executions WHERE id = ?1")                                             \
    X(EXECUTION_EXTENT, "SELECT next_sequence, first_sequence, purged FROM executions WHERE id = ?1")                      \
    X(COUNT_OPEN, "SELECT count(*) FROM executions WHERE account = ?1 AND sealed = 0")                                     \
    X(DOCUMENT_SET,                                                                                                        \
      "INSERT INTO documents(execution, spec, metadata) VALUES(?1, ?2, ?3) "                                               \
      "ON CONFLICT(execution) DO UPDATE SET spec = coalesce(excluded.spec, spec), metadata = excluded.metadata")           \
    X(METADATA_GET, "SELECT metadata FROM documents WHERE execution = ?1")                                                 \
    X(DOCUMENT_DELETE, "DELETE FROM documents WHERE execution = ?1")                                                       \
    X(LABELS_DELETE, "DELETE FROM labels WHERE execution = ?1")                                                            \
    X(LABELS_INSERT,                                                                                                       \
      "INSERT OR IGNORE INTO labels(account, name, value, execution) "                                                     \
      "SELECT ?1, key, CASE type WHEN 'true' THEN 'true' WHEN 'false' THEN 'false' ELSE CAST(value AS TEXT) END, ?2 "      \
      "FROM json_each(?3) WHERE type IN ('text', 'integer', 'real', 'true', 'false')")                                     \
    X(IDEMPOTENCY_FIND, "SELECT request_hash, execution, created_ms FROM idempotency WHERE account = ?1 AND key = ?2")     \
    X(IDEMPOTENCY_SET, "INSERT OR REPLACE INTO idempotency(account, key, request_hash, execution, created_ms) "            \
                       "VALUES(?1, ?2, ?3, ?4, ?5)")                                                                       \
    X(IDEMPOTENCY_EXPIRE, "DELETE FROM idempotency WHERE (account, key) IN "                                               \
                          "(SELECT account, key FROM idempotency WHERE created_ms < ?1 LIMIT 8)")                          \
    /* records */                                                                                                          \
    X(PRODUCER_FIND,                                                                                                       \
      "SELECT next, last_hash, last_counter, last_sequence, digest FROM producers WHERE execution = ?1 AND producer = ?2") \
    X(PRODUCER_FOLD,                                                                                                       \
      "INSERT INTO producers(execution, producer, next, last_hash, last_counter, last_sequence, digest) "                  \
      "VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7) ON CONFLICT(execution, producer) DO UPDATE SET next = excluded.next, "           \
      "last_hash = excluded.last_hash, last_counter = excluded.last_counter, "                                             \
      "last_sequence = excluded.last_sequence, digest = excluded.digest WHERE excluded.next > next")                       \
    X(PRODUCERS_DELETE, "DELETE FROM producers WHERE execution = ?1")                                                      \
    X(HOT_INSERT, "INSERT INTO hot(id, meta, body) VALUES(?1, ?2, ?3)")                                                    \
    /* The body's pages are not read. */                                                                                   \
    X(HOT_SCAN, "SELECT id, meta FROM hot ORDER BY id")                                                                    \
    X(HOT_BODY, "SELECT body FROM hot WHERE id = ?1")                                                                      \
    X(HOT_KEEP_DAMAGED,                                                                                                    \
      "INSERT INTO damaged(pack, meta, body) SELECT id, meta, body FROM hot WHERE id = ?1 AND NOT EXISTS "                 \
      "(SELECT 1 FROM damaged WHERE pack = hot.id AND meta = hot.meta)")                                                   \
    X(HOT_DELETE_TO, "DELETE FROM hot WHERE id <= ?1")                                                                     \
    X(HOT_LEAST, "SELECT min(id) FROM hot")                                                                                \
    X(CHUNK_INSERT,                                                                                                        \
      "INSERT INTO chunks(execution, first, count, time_min, time_max, raw, body) VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7)")     \
    X(CHUNK_DELETE, "DELETE FROM chunks WHERE id = ?1")                                                                    \
    X(CHUNK_AT,                                                                                                            \
      "SELECT id, first, count FROM chunks WHERE execution = ?1 AND first <= ?2 ORDER BY first DESC LIMIT 1")              \
    X(CHUNKS_BEFORE,                                                                                                       \
      "SELECT id, first, count, raw FROM chunks WHERE execution = ?1 AND first < ?2 ORDER BY first DESC LIMIT ?3")         \
    X(CHUNK_SINCE, "SELECT first FROM chunks WHERE execution = ?1 AND time_max >= ?2 ORDER BY first LIMIT 1")              \
    X(CHUNK_BODY, "SELECT body FROM chunks WHERE id = ?1")                                                                 \
    X(PURGING_INSERT, "INSERT OR IGNORE INTO purging(execution) VALUES(?1)")                                               \
    X(PURGING_NEXT, "SELECT execution FROM purging LIMIT 1")                                                               \
    X(PURGING_DELETE, "DELETE FROM purging WHERE execution = ?1")                                                          \
    X(PURGE_SLICE, "DELETE FROM chunks WHERE id IN (SELECT id FROM chunks WHERE execution = ?1 LIMIT 32)")                 \
    /* keys and accounts */                                                                                                \
    X(KEY_INSERT,                                                                                                          \
      "INSERT INTO api_keys(account, key_id, name, role, hash, created_ms, expires_ms, last_used_ms, revoked_ms) "         \
      "VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)")                                                                        \
    X(KEY_TAKEN, "SELECT 1 FROM api_keys WHERE key_id = ?1 OR hash = ?2")                                                  \
    X(KEY_ROW_OF, "SELECT " KEY_COLUMNS " FROM api_keys WHERE account = ?1 AND key_id = ?2")                               \
    /* The one that lasts longest of those of one key, or else of an account; 0 for ever. */                               \
    X(OPERATOR_LASTS,                                                                                                      \
      "SELECT k.expires_ms" OPERATOR_KEYS "AND (k.id = ?1 OR k.account = ?2) AND (k.expires_ms = 0 OR "                    \
      "k.expires_ms > ?3) ORDER BY k.expires_ms = 0 DESC, k.expires_ms DESC LIMIT 1")                                      \
    X(OPERATOR_OUTLASTS, "SELECT 1" OPERATOR_KEYS "AND k.id <> ?1 AND k.account <> ?2 "                                    \
                         "AND (k.expires_ms = 0 OR (?3 > 0 AND k.expires_ms >= ?3)) LIMIT 1")                              \
    X(KEYS_REVOKE, "UPDATE api_keys SET revoked_ms = ?2 WHERE account = ?1 AND revoked_ms = 0")                            \
    X(KEY_REVOKE, "UPDATE api_keys SET revoked_ms = ?2 WHERE id = ?1 AND revoked_ms = 0")                                  \
    X(KEY_USED, "UPDATE api_keys SET last_used_ms = ?2 WHERE id = ?1 AND last_used_ms < ?2")                               \
    X(KEY_BY_HASH, "SELECT " KEY_COLUMNS " FROM api_keys WHERE hash = ?1")                                                 \
    X(KEY_LIST, "SELECT " KEY_COLUMNS " FROM api_keys WHERE account = ?1 ORDER BY id")                                     \
    X(ACCOUNT_FIND, "SELECT " ACCOUNT_COLUMNS " FROM accounts WHERE name = ?1")                                            \
    X(ACCOUNT_LIST, "SELECT " ACCOUNT_COLUMNS " FROM accounts WHERE id > ?1 AND deleted_ms = 0 ORDER BY id LIMIT ?2")      \
    X(ACCOUNT_STATE, "SELECT suspended_ms, resumed_ms, deleted_ms FROM accounts WHERE id = ?1")                            \
    X(ACCOUNT_SUSPEND, "UPDATE accounts SET suspended_ms = ?2 WHERE id = ?1")                                              \
    X(ACCOUNT_RESUME, "UPDATE accounts SET suspended_ms = 0, resumed_ms = ?2 WHERE id = ?1")                               \
    X(ACCOUNT_DELETE, "UPDATE accounts SET deleted_ms = ?2 WHERE id = ?1")                                                 \
    X(ACCOUNT_HOLDS, "SELECT id FROM executions WHERE account = ?1 AND purged = 0 LIMIT ?2")                               \
    X(PURGING_ACCOUNT_INSERT, "INSERT OR IGNORE INTO purging_accounts(account) VALUES(?1)")                                \
    X(PURGING_ACCOUNT_NEXT, "SELECT account FROM purging_accounts LIMIT 1")                                                \
    X(PURGING_ACCOUNT_DELETE, "DELETE FROM purging_accounts WHERE account = ?1")                                           \
    X(ACCOUNT_INSERT, "INSERT INTO accounts(name, created_ms) VALUES(?1, ?2)")

enum statement {
#define STATEMENT_ENUM(name, sql) STATEMENT_##name,
    STATEMENTS(STATEMENT_ENUM)
#undef STATEMENT_ENUM
        STATEMENT_COUNT
};
