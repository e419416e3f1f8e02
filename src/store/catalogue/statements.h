// All statements of the catalogue, by subject: X(NAME, SQL), for both engines (store/sql/words.h).
// docs/internals/store.md tells how to add one.
#pragma once

#include "store/catalogue/blob_statements.h"
#include "store/catalogue/cold_statements.h"
#include "store/catalogue/job_statements.h"
#include "store/catalogue/mirror_statements.h"
#include "store/catalogue/workflow_statements.h"
#include "store/sql/sql.h"

// --- Accounts
#define ACCOUNT_COLUMNS                                           \
    "id, created_ms, suspended_ms, name, deleted_ms, retention, " \
    "coalesce((SELECT bytes FROM blob_bytes b WHERE b.account = accounts.id), 0)"

#define ACCOUNT_STATEMENTS(X)                                                                                       \
    X(ACCOUNT_FIND, "SELECT " ACCOUNT_COLUMNS " FROM accounts WHERE name = ?1")                                     \
    X(ACCOUNT_LIST, "SELECT " ACCOUNT_COLUMNS " FROM accounts WHERE id > ?1 AND deleted_ms = 0 "                    \
                    "ORDER BY id LIMIT ?2")                                                                         \
    X(ACCOUNT_STATE, "SELECT suspended_ms, resumed_ms, deleted_ms FROM accounts WHERE id = ?1")                     \
    X(ACCOUNT_STATE_HELD, "SELECT suspended_ms, resumed_ms, deleted_ms FROM accounts WHERE id = ?1 {held}")         \
    X(ACCOUNT_LOCK, "SELECT id FROM accounts WHERE name = ?1 {locked}")                                             \
    X(ACCOUNT_INSERT, "INSERT INTO accounts(name, created_ms) VALUES(?1, ?2) ON CONFLICT DO NOTHING {new_id}")      \
    X(ACCOUNT_SUSPEND, "UPDATE accounts SET suspended_ms = ?2 WHERE id = ?1")                                       \
    X(ACCOUNT_RESUME, "UPDATE accounts SET suspended_ms = 0, resumed_ms = ?2 WHERE id = ?1")                        \
    X(ACCOUNT_DELETE, "UPDATE accounts SET deleted_ms = ?2 WHERE id = ?1")                                          \
    X(ACCOUNT_RETENTION_SET, "UPDATE accounts SET retention = ?2 WHERE id = ?1")                                    \
    X(ACCOUNT_HOLDS, "SELECT id FROM executions WHERE account = ?1 AND purged = 0 ORDER BY id LIMIT ?2")            \
    X(ACCOUNT_ROWS, "SELECT id, created_ms, suspended_ms, resumed_ms, deleted_ms, name, retention "                 \
                    "FROM accounts WHERE id > ?1 ORDER BY id LIMIT ?2")                                             \
    X(ACCOUNT_PLACED, "SELECT deleted_ms, retention FROM accounts WHERE id = ?1")                                   \
    X(ACCOUNT_PLACE, "INSERT INTO accounts(id, name, created_ms, suspended_ms, resumed_ms, deleted_ms, retention) " \
                     "VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7) ON CONFLICT(id) DO UPDATE SET name = excluded.name, "      \
                     "suspended_ms = excluded.suspended_ms, resumed_ms = excluded.resumed_ms, "                     \
                     "deleted_ms = excluded.deleted_ms, retention = excluded.retention")                            \
    X(PURGING_ACCOUNT_INSERT, "INSERT INTO purging_accounts(account) VALUES(?1) ON CONFLICT DO NOTHING")            \
    X(PURGING_ACCOUNT_NEXT, "SELECT account FROM purging_accounts ORDER BY account LIMIT 1")                        \
    X(PURGING_ACCOUNT_DELETE, "DELETE FROM purging_accounts WHERE account = ?1")

// --- API keys
#define KEY_COLUMNS                                                                             \
    "id, account, key_id, name, role, hash, created_ms, expires_ms, last_used_ms, revoked_ms, " \
    "(SELECT suspended_ms FROM accounts a WHERE a.id = api_keys.account)"
// An operator's key that counts: its account is not suspended.
#define OPERATOR_KEYS                                                                                      \
    " FROM api_keys k JOIN accounts a ON a.id = k.account WHERE k.role = 'operator' AND k.revoked_ms = 0 " \
    "AND a.suspended_ms = 0 AND a.deleted_ms = 0 "

#define KEY_STATEMENTS(X)                                                                                              \
    X(KEY_INSERT, "INSERT INTO api_keys(account, key_id, name, role, hash, created_ms, expires_ms, last_used_ms, "     \
                  "revoked_ms) VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9) ON CONFLICT DO NOTHING {new_id}")            \
    X(KEY_OF, "SELECT " KEY_COLUMNS " FROM api_keys WHERE account = ?1 AND key_id = ?2")                               \
    X(KEY_BY_HASH, "SELECT " KEY_COLUMNS " FROM api_keys WHERE hash = ?1")                                             \
    X(KEY_LIST, "SELECT " KEY_COLUMNS " FROM api_keys WHERE account = ?1 ORDER BY id LIMIT ?2")                        \
    X(KEY_REVOKE, "UPDATE api_keys SET revoked_ms = ?2 WHERE id = ?1 AND revoked_ms = 0")                              \
    X(KEY_RENAME, "UPDATE api_keys SET name = ?2 WHERE id = ?1")                                                       \
    X(KEYS_REVOKE, "UPDATE api_keys SET revoked_ms = ?2 WHERE account = ?1 AND revoked_ms = 0")                        \
    X(KEY_USED, "UPDATE api_keys SET last_used_ms = ?2 WHERE id = ?1 AND last_used_ms < ?2")                           \
    X(OPERATORS_ALONE, "SELECT {alone}")                                                                               \
    /* The one that lasts longest of those of one key, or else of an account; 0 for ever. */                           \
    X(OPERATOR_LASTS, "SELECT k.expires_ms" OPERATOR_KEYS "AND (k.id = ?1 OR k.account = ?2) "                         \
                      "AND (k.expires_ms = 0 OR k.expires_ms > ?3) ORDER BY k.expires_ms = 0 DESC, k.expires_ms DESC " \
                      "LIMIT 1")                                                                                       \
    X(OPERATOR_OUTLASTS, "SELECT k.id" OPERATOR_KEYS "AND k.id <> ?1 AND k.account <> ?2 "                             \
                         "AND (k.expires_ms = 0 OR (?3 > 0 AND k.expires_ms >= ?3)) LIMIT 1")

// --- Secrets
#define SECRET_COLUMNS "name, version, created_ms, changed_ms, used_ms"

#define TICKET_STATEMENTS(X)                                                                                        \
    X(TICKETS_EXPIRE, "DELETE FROM tickets WHERE until_ms < ?1")                                                    \
    X(TICKETS_COUNT, "SELECT count(*) FROM tickets WHERE account = ?1 AND until_ms >= ?2")                          \
    X(TICKET_INSERT, "INSERT INTO tickets(id, account, key_row, principal, until_ms) VALUES(?1, ?2, ?3, ?4, ?5)")   \
    X(TICKET_LOCKED, "SELECT principal, kind, execution_id, account FROM tickets WHERE id = ?1 AND until_ms >= ?2 " \
                     "{locked}")                                                                                    \
    X(TICKET_USE, "UPDATE tickets SET kind = ?2, execution_id = ?3, until_ms = ?4 WHERE id = ?1")                   \
    X(TICKETS_KEEP, "UPDATE tickets SET until_ms = ?2 WHERE id IN (SELECT m.value FROM "                            \
                    "{members}(CAST(?1 AS {json})) AS m)")                                                          \
    X(TICKETS_END_KEY, "DELETE FROM tickets WHERE key_row = ?1")                                                    \
    X(TICKETS_END_ACCOUNT, "DELETE FROM tickets WHERE account = ?1")

#define SECRET_STATEMENTS(X)                                                                                         \
    X(SECRET_GET, "SELECT " SECRET_COLUMNS " FROM secrets WHERE account = ?1 AND name = ?2")                         \
    X(SECRET_LOCKED, "SELECT " SECRET_COLUMNS " FROM secrets WHERE account = ?1 AND name = ?2 {locked}")             \
    X(SECRET_SEALED, "SELECT sealed FROM secrets WHERE account = ?1 AND name = ?2")                                  \
    X(SECRET_LIST, "SELECT " SECRET_COLUMNS " FROM secrets WHERE account = ?1 AND name > ?2 ORDER BY name LIMIT ?3") \
    X(SECRETS_COUNT, "SELECT count(*) FROM secrets WHERE account = ?1")                                              \
    X(SECRET_SET, "INSERT INTO secrets(account, name, sealed, version, created_ms, changed_ms, used_ms) "            \
                  "VALUES(?1, ?2, ?3, 1, ?4, ?4, 0) ON CONFLICT(account, name) DO UPDATE SET "                       \
                  "sealed = excluded.sealed, version = secrets.version + 1, changed_ms = excluded.changed_ms")       \
    X(SECRET_RESEAL, "UPDATE secrets SET sealed = ?3 WHERE account = ?1 AND name = ?2")                              \
    X(SECRET_USED, "UPDATE secrets SET used_ms = ?3 WHERE account = ?1 AND name = ?2")                               \
    X(SECRET_DELETE, "DELETE FROM secrets WHERE account = ?1 AND name = ?2")                                         \
    X(SECRETS_FORGET, "DELETE FROM secrets WHERE account = ?1")

// --- Executions
#define EXECUTION_COLUMNS                                                                                     \
    "e.id, e.account, e.execution_id, e.status, e.sealed, e.purged, e.pinned, e.exit_code, e.created_ms, "    \
    "e.started_ms, e.completed_ms, e.sealed_ms, {next_sequence}, e.first_sequence, e.epoch, e.digest, "       \
    "e.message_bytes, e.owner, e.script_filename, e.runtime, e.worker_id, e.worker_hostname, e.workflow_id, " \
    "e.batch_id, CASE WHEN length(d.spec) < 262144 THEN {command} END, d.metadata, e.cancel_reason, "         \
    "e.restored_from, e.retention_ms, (SELECT a.retention FROM accounts a WHERE a.id = e.account), "          \
    "r.details, r.result, e.artifacts, e.artifact_bytes, e.cut_digest, e.log_records, e.log_bytes, "          \
    "CASE WHEN j.execution IS NOT NULL AND length(d.spec) < 262144 THEN {image} END, "                        \
    "CASE WHEN length(d.spec) < 262144 THEN {args} END, CASE WHEN length(d.spec) < 262144 THEN {name} "       \
    "END, e.to_fetch, e.next_sequence, e.claim, " JOB_VIEW_COLUMNS

#define EXECUTION_TABLES                                                                                     \
    " FROM executions e LEFT JOIN documents d ON d.execution = e.id LEFT JOIN jobs j ON j.execution = e.id " \
    "LEFT JOIN results r ON r.execution = e.id "

// Of the table `executions`; catalogue_head_row reads them.
#define HEAD_COLUMNS                                                                                          \
    "account, status, sealed, purged, exit_code, epoch, started_ms, completed_ms, sealed_ms, next_sequence, " \
    "digest, message_bytes, batch_id, workflow_id, first_sequence, "                                          \
    "CASE WHEN status = 'lost' THEN (SELECT count(r.waiting) FROM run_details r "                             \
    "WHERE r.execution = executions.id AND r.waiting_until_ms >= 0) ELSE 0 END, late, id, {journal} "

#define EXECUTION_STATEMENTS(X)                                                                                        \
    X(EXECUTION_BY_ROW, "SELECT " EXECUTION_COLUMNS EXECUTION_TABLES "WHERE e.id = ?1")                                \
    X(EXECUTIONS_BY_ROWS, "SELECT " EXECUTION_COLUMNS EXECUTION_TABLES "WHERE e.id {among}?1{among_end}")              \
    X(EXECUTIONS_LOOK,                                                                                                 \
      "SELECT e.id, e.account, {next_sequence}, e.first_sequence, e.status, e.sealed, e.purged FROM executions e "     \
      "WHERE e.id {among}?1{among_end}")                                                                               \
    X(EXECUTIONS_BACK,                                                                                                 \
      "SELECT id, created_ms FROM executions WHERE account = ?1 AND id < ?2 ORDER BY id DESC LIMIT ?4 OFFSET ?3")      \
    X(EXECUTION_ROW_OF, "SELECT id FROM executions WHERE account = ?1 AND execution_id = ?2")                          \
    X(EXECUTION_HEAD, "SELECT " HEAD_COLUMNS "FROM executions WHERE id = ?1 {locked}")                                 \
    X(EXECUTION_INSERT,                                                                                                \
      "INSERT INTO executions(account, execution_id, status, pinned, exit_code, created_ms, started_ms, "              \
      "restored_from, owner, workflow_id, batch_id, worker_id, worker_hostname, script_filename, runtime, "            \
      "retention_ms, log_records, log_bytes, quiet_ms, late, to_fetch) VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, "    \
      "?10, ?11, ?12, ?13, ?14, "                                                                                      \
      "?15, ?16, ?17, ?18, ?19, ?20, ?21) "                                                                            \
      "ON CONFLICT DO NOTHING {new_id}")                                                                               \
    X(EXECUTION_CLAIMED, "UPDATE executions SET worker_id = coalesce(?2, worker_id), "                                 \
                         "worker_hostname = coalesce(?3, worker_hostname), claim = coalesce(?4, claim) WHERE id = ?1") \
    X(EXECUTION_OUTCOME,                                                                                               \
      "UPDATE executions SET status = ?2, sealed = ?3, exit_code = ?4, epoch = ?5, started_ms = ?6, "                  \
      "completed_ms = ?7, sealed_ms = ?8, next_sequence = ?9, digest = ?10, message_bytes = ?11{journal_closed} "      \
      "WHERE id = ?1")                                                                                                 \
    X(EXECUTION_FETCHED, "UPDATE executions SET to_fetch = 0 WHERE id = ?1")                                           \
    X(EXECUTION_PIN, "UPDATE executions SET pinned = ?2 WHERE id = ?1")                                                \
    X(EXECUTION_CANCEL, "UPDATE executions SET cancel_reason = coalesce(cancel_reason, ?2) WHERE id = ?1")             \
    X(EXECUTION_PURGE, "UPDATE executions SET purged = 1, first_sequence = next_sequence WHERE id = ?1")               \
    X(EXECUTION_FOLD, "UPDATE executions SET next_sequence = ?2, digest = ?3, message_bytes = ?4 WHERE id = ?1 "       \
                      "AND next_sequence < ?2")                                                                        \
    X(EXECUTION_CLOSED, "SELECT sealed, purged FROM executions WHERE id = ?1")                                         \
    X(EXECUTION_EXTENT, "SELECT next_sequence, first_sequence, purged, {journal} FROM executions WHERE id = ?1")       \
    /* What is not sealed goes on, and not as it did before. */                                                        \
    X(EXECUTIONS_RESTORED, "UPDATE executions SET restored_from = next_sequence WHERE sealed = 0 "                     \
                           "AND (restored_from IS NULL OR restored_from > next_sequence)")                             \
    X(EXECUTIONS_QUIET,                                                                                                \
      "SELECT e.id, {next_sequence}, e.status, e.epoch, e.quiet_ms, e.to_fetch, e.account, e.execution_id "            \
      "FROM executions e WHERE e.sealed = 0 AND e.quiet_ms > 0 AND e.id > ?1 ORDER BY e.id LIMIT ?2")                  \
    X(EXECUTIONS_OPEN, "SELECT count(*) FROM executions WHERE account = ?1 AND sealed = 0")                            \
    X(DOCUMENT_SET,                                                                                                    \
      "INSERT INTO documents(execution, spec, metadata) VALUES(?1, ?2, ?3) ON CONFLICT(execution) DO UPDATE "          \
      "SET spec = coalesce(excluded.spec, documents.spec), metadata = excluded.metadata")                              \
    X(DOCUMENT_DELETE, "DELETE FROM documents WHERE execution = ?1")                                                   \
    X(RESULT_SET, "INSERT INTO results(execution, details, result) VALUES(?1, ?2, ?3) ON CONFLICT DO NOTHING")         \
    X(RESULT_DELETE, "DELETE FROM results WHERE execution = ?1")                                                       \
    X(METADATA_GET, "SELECT metadata FROM documents WHERE execution = ?1")                                             \
    X(LABEL_INSERT, "INSERT INTO labels(account, name, value, execution) VALUES(?1, ?2, ?3, ?4) "                      \
                    "ON CONFLICT DO NOTHING")                                                                          \
    X(LABELS_DELETE, "DELETE FROM labels WHERE execution = ?1")                                                        \
    X(IDEMPOTENCY_FIND, "SELECT request_hash, execution, created_ms FROM idempotency WHERE account = ?1 AND key = ?2") \
    X(IDEMPOTENCY_SET,                                                                                                 \
      "INSERT INTO idempotency(account, key, request_hash, execution, created_ms) VALUES(?1, ?2, ?3, ?4, ?5) "         \
      "ON CONFLICT(account, key) DO UPDATE SET request_hash = excluded.request_hash, "                                 \
      "execution = excluded.execution, created_ms = excluded.created_ms WHERE idempotency.created_ms < ?6")            \
    X(IDEMPOTENCY_EXPIRE, "DELETE FROM idempotency WHERE (account, key) IN "                                           \
                          "(SELECT account, key FROM idempotency WHERE created_ms < ?1 ORDER BY created_ms LIMIT 8)")

// --- Events of sources
#define SOURCE_EVENT_STATEMENTS(X)                                                                            \
    X(SOURCE_EVENT_FIND, "SELECT 1 FROM source_events WHERE execution = ?1 AND event = ?2")                   \
    X(SOURCE_EVENT_ADD, "INSERT INTO source_events(execution, event) VALUES(?1, ?2) ON CONFLICT DO NOTHING")  \
    X(SOURCE_EVENTS_FORGET, "DELETE FROM source_events WHERE execution = ?1 AND event IN (SELECT event FROM " \
                            "source_events WHERE execution = ?1 ORDER BY event LIMIT ?2)")

// --- Summaries
#define SUMMARY_STATEMENTS(X)                                                                                \
    X(SUMMARY_GET, "SELECT body FROM summaries WHERE execution = ?1")                                        \
    X(SUMMARY_SET, "INSERT INTO summaries(execution, next, body) VALUES(?1, ?2, ?3) ON CONFLICT(execution) " \
                   "DO UPDATE SET next = excluded.next, body = excluded.body "                               \
                   "WHERE excluded.next >= summaries.next")                                                  \
    X(SUMMARY_DELETE, "DELETE FROM summaries WHERE execution = ?1")

// --- Retention. Each reads an index of what may go.
#define MAY_GO "sealed = 1 AND purged = 0 AND pinned = 0 "
#define LONG_LOGS                                                               \
    "SELECT id, 0, next_sequence - first_sequence, message_bytes - cut_bytes, " \
    "log_records, log_bytes FROM executions WHERE purged = 0 AND pinned = 0 "   \
    "AND {is_long} "

#define RETENTION_STATEMENTS(X)                                                                                      \
    X(RETENTION_ACCOUNT_NEXT, "SELECT id, retention FROM accounts WHERE id > ?1 AND deleted_ms = 0 ORDER BY id "     \
                              "LIMIT 1")                                                                             \
    X(RETENTION_OWN, "SELECT id, sealed_ms + retention_ms FROM executions WHERE " MAY_GO "AND retention_ms > 0 "     \
                     "AND sealed_ms + retention_ms <= ?1 AND (sealed_ms + retention_ms, id) > (?2, ?3) "             \
                     "ORDER BY sealed_ms + retention_ms, id LIMIT ?4")                                               \
    X(RETENTION_OLDEST, "SELECT id, sealed_ms, status FROM executions WHERE " MAY_GO "AND account = ?1 "             \
                        "AND sealed_ms <= ?2 AND (sealed_ms, id) > (?3, ?4) AND retention_ms IS NULL "               \
                        "ORDER BY sealed_ms, id LIMIT ?5")                                                           \
    X(RETENTION_NEWEST,                                                                                              \
      "SELECT id, sealed_ms, message_bytes - cut_bytes FROM executions WHERE " MAY_GO "AND account = ?1 "            \
      "AND (sealed_ms, id) < (?2, ?3) ORDER BY sealed_ms DESC, id DESC LIMIT ?4")                                    \
    X(RETENTION_LONG, LONG_LOGS "AND account = ?1 AND id > ?2 ORDER BY id LIMIT ?3")                                 \
    X(RETENTION_LONG_OWN,                                                                                            \
      LONG_LOGS "AND (log_records > 0 OR log_bytes > 0) AND account = ?1 AND id > ?2 ORDER BY id LIMIT ?3")          \
    X(FRONT_GET, "SELECT purged, pinned, first_sequence, cut_bytes, cut_digest, next_sequence, message_bytes, "      \
                 "log_records, log_bytes, "                                                                          \
                 "(SELECT retention FROM accounts a WHERE a.id = executions.account) FROM executions WHERE id = ?1") \
    X(FRONT_SET, "UPDATE executions SET first_sequence = ?2, cut_bytes = ?3, cut_digest = ?4 WHERE id = ?1")         \
    X(RETENTION_FACTS, "SELECT status, sealed, purged, pinned, sealed_ms, retention_ms, "                            \
                       "(SELECT retention FROM accounts a WHERE a.id = executions.account) "                         \
                       "FROM executions WHERE id = ?1")

// --- Nodes and leases
#define NODE_STATEMENTS(X)                                                                                             \
    X(NOW, "SELECT {now_ms}")                                                                                          \
    X(NODE_INSERT, "INSERT INTO nodes(kind, address, started_ms, heartbeat_ms, knows) "                                \
                   "VALUES(?1, ?2, ?3, ?3, ?4) {new_id}")                                                              \
    X(NODE_PLACE, "INSERT INTO nodes(id, kind, address, started_ms, heartbeat_ms, knows) "                             \
                  "VALUES(?5, ?1, ?2, ?3, ?3, ?4) ON CONFLICT(id) DO UPDATE SET kind = excluded.kind, "                \
                  "address = excluded.address, started_ms = excluded.started_ms, "                                     \
                  "heartbeat_ms = excluded.heartbeat_ms, knows = excluded.knows, fenced_ms = 0")                       \
    X(LEASES_LEAVE, "UPDATE leases SET node = 0 WHERE node = ?1")                                                      \
    X(SCHEMA_MINIMUM, "SELECT minimum FROM schema_reader {held}")                                                      \
    X(NODE_HELD, "SELECT heartbeat_ms, fenced_ms FROM nodes WHERE id = ?1 {held}")                                     \
    X(NODE_LOCKED, "SELECT heartbeat_ms, fenced_ms FROM nodes WHERE id = ?1 {locked}")                                 \
    X(NODE_FENCE, "UPDATE nodes SET fenced_ms = ?1 WHERE id = ?2")                                                     \
    X(NODE_BEAT, "UPDATE nodes SET heartbeat_ms = ?2 WHERE id = ?1")                                                   \
    X(NODES_FENCE_OTHERS, "UPDATE nodes SET fenced_ms = ?1 WHERE fenced_ms = 0 AND kind = ?2")                         \
    X(NODES_FENCE_SILENT, "UPDATE nodes SET fenced_ms = ?1 WHERE fenced_ms = 0 AND heartbeat_ms < ?2")                 \
    X(NODES_FORGET, "DELETE FROM nodes WHERE fenced_ms > 0 AND id > 0 AND NOT EXISTS "                                 \
                    "(SELECT 1 FROM leases l WHERE l.node = nodes.id)")                                                \
    X(LEASE_GET, "SELECT node, epoch, deadline_ms, asked_ms FROM leases WHERE kind = ?1 AND subject = ?2 {locked}")    \
    /* Another connection may have made it meanwhile; then nothing changes. */                                         \
    X(LEASE_SET,                                                                                                       \
      "INSERT INTO leases(kind, subject, node, epoch, deadline_ms, asked_ms) "                                         \
      "VALUES(?1, ?2, ?3, ?4, ?5, ?8) "                                                                                \
      "ON CONFLICT(kind, subject) DO UPDATE SET node = excluded.node, epoch = excluded.epoch, "                        \
      "deadline_ms = excluded.deadline_ms, asked_ms = excluded.asked_ms WHERE leases.node = ?6 AND leases.epoch = ?7") \
    X(LEASE_DEADLINE, "UPDATE leases SET deadline_ms = ?3 WHERE kind = ?1 AND subject = ?2")                           \
    X(LEASE_END, "DELETE FROM leases WHERE kind = ?1 AND subject = ?2")                                                \
    X(LEASES_LEFT, "SELECT subject, node, epoch, deadline_ms, asked_ms FROM leases WHERE kind = ?1 AND node IN "       \
                   "(SELECT id FROM nodes WHERE fenced_ms > 0) ORDER BY node, subject LIMIT ?2 {free}")                \
    X(LEASES_OWN, "SELECT subject, node, epoch, deadline_ms, asked_ms FROM leases WHERE kind = ?1 AND node = ?3 "      \
                  "AND subject > ?4 ORDER BY subject LIMIT ?2")

#define CATALOGUE_STATEMENTS(X) \
    ACCOUNT_STATEMENTS(X)       \
    KEY_STATEMENTS(X)           \
    SECRET_STATEMENTS(X)        \
    EXECUTION_STATEMENTS(X)     \
    SOURCE_EVENT_STATEMENTS(X)  \
    RETENTION_STATEMENTS(X)     \
    NODE_STATEMENTS(X)          \
    TICKET_STATEMENTS(X)        \
    JOB_STATEMENTS(X)           \
    DEPENDENCY_STATEMENTS(X)    \
    BATCH_STATEMENTS(X)         \
    WORKER_STATEMENTS(X)        \
    BLOB_STATEMENTS(X)          \
    WORKFLOW_STATEMENTS(X)      \
    SUMMARY_STATEMENTS(X)       \
    MIRROR_STATEMENTS(X)        \
    COLD_STATEMENTS(X)

enum catalogue_statement {
#define CATALOGUE_ENUM(name, sql) CATALOGUE_##name,
    CATALOGUE_STATEMENTS(CATALOGUE_ENUM)
#undef CATALOGUE_ENUM
        CATALOGUE_STATEMENT_COUNT
};

extern const struct sql_texts catalogue_texts; // numbered by enum catalogue_statement
