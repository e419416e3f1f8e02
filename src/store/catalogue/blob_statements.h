// The statements for blobs and files; statements.h includes them. `kind` is enum store_file_kind.
#pragma once

#define BLOB_STATEMENTS(X)                                                                                            \
    X(BLOB_FIND, "SELECT id, size, key, wanted_ms FROM blobs WHERE account = ?1 AND hash = ?2")                       \
    X(BLOB_FIND_LOCKED, "SELECT id, size FROM blobs WHERE account = ?1 AND hash = ?2 {locked}")                       \
    X(BLOB_INSERT, "INSERT INTO blobs(account, hash, size, key, wanted_ms) VALUES(?1, ?2, ?3, ?4, ?5) "               \
                   "ON CONFLICT DO NOTHING {new_id}")                                                                 \
    X(BLOB_WANT, "UPDATE blobs SET wanted_ms = ?2 WHERE id = ?1 AND wanted_ms < ?2")                                  \
    X(BLOB_USE, "UPDATE blobs SET refs = refs + ?2 WHERE id = ?1")                                                    \
    X(BLOBS_UNWANT, "UPDATE blobs SET wanted_ms = 0 WHERE account = ?1")                                              \
    X(BLOB_BYTES, "SELECT bytes FROM blob_bytes WHERE account = ?1")                                                  \
    X(BLOB_BYTES_ADD, "INSERT INTO blob_bytes(account, bytes) VALUES(?1, ?2) ON CONFLICT(account) DO UPDATE "         \
                      "SET bytes = blob_bytes.bytes + excluded.bytes")                                                \
    X(BLOBS_UNUSED, "SELECT id, account, size, key FROM blobs WHERE refs = 0 AND wanted_ms <= ?1 "                    \
                    "ORDER BY wanted_ms, id LIMIT ?2 {free}")                                                         \
    X(BLOBS_UNUSED_ANY, "SELECT id FROM blobs WHERE refs = 0 AND wanted_ms <= ?1 ORDER BY wanted_ms, id LIMIT 1")     \
    X(BLOB_DELETE, "DELETE FROM blobs WHERE id = ?1 AND refs = 0")                                                    \
    X(BLOB_KNOWN, "SELECT id FROM blobs WHERE key = ?1")                                                              \
    X(FILE_INSERT, "INSERT INTO files(execution, kind, name, blob, mode, created_ms) VALUES(?1, ?2, ?3, ?4, ?5, ?6) " \
                   "ON CONFLICT DO NOTHING")                                                                          \
    X(FILE_FIND, "SELECT blob, mode, created_ms FROM files WHERE execution = ?1 AND kind = ?2 AND name = ?3")         \
    X(FILES_LIST, "SELECT f.name, b.hash, b.size, f.mode, f.created_ms, b.key FROM files f JOIN blobs b "             \
                  "ON b.id = f.blob WHERE f.execution = ?1 AND f.kind = ?2 ORDER BY f.name LIMIT ?3")                 \
    X(FILES_NAMED, "SELECT f.name, b.hash, b.size, f.mode, f.created_ms, b.key FROM files f JOIN blobs b "            \
                   "ON b.id = f.blob WHERE f.execution = ?1 AND f.kind = ?2 AND f.name = ?3")                         \
    /* Before the files of an execution go, and after they were copied to another one. */                             \
    X(FILES_UNUSE,                                                                                                    \
      "UPDATE blobs SET refs = refs - (SELECT count(*) FROM files f WHERE f.execution = ?1 AND f.kind >= ?2 "         \
      "AND f.blob = blobs.id) WHERE id IN (SELECT blob FROM files WHERE execution = ?1 AND kind >= ?2)")              \
    X(FILES_USE, "UPDATE blobs SET refs = refs + (SELECT count(*) FROM files f WHERE f.execution = ?1 "               \
                 "AND f.blob = blobs.id) WHERE id IN (SELECT blob FROM files WHERE execution = ?1)")                  \
    X(FILES_DELETE, "DELETE FROM files WHERE execution = ?1 AND kind >= ?2")                                          \
    X(INPUTS_COPY, "INSERT INTO files(execution, kind, name, blob, mode, created_ms) "                                \
                   "SELECT CAST(?2 AS {integer}), kind, name, blob, mode, created_ms FROM files "                     \
                   "WHERE execution = ?1 AND kind = 0")                                                               \
    X(ARTIFACT_HEAD,                                                                                                  \
      "SELECT account, sealed, purged, sealed_ms, epoch, artifacts, artifact_bytes FROM executions WHERE id = ?1 "    \
      "{locked}")                                                                                                     \
    X(ARTIFACT_COUNT, "UPDATE executions SET artifacts = artifacts + 1, artifact_bytes = artifact_bytes + ?2 "        \
                      "WHERE id = ?1")                                                                                \
    X(ARTIFACTS_NONE, "UPDATE executions SET artifacts = 0, artifact_bytes = 0 WHERE id = ?1")                        \
    X(RUN_FIND, "SELECT e.account, e.execution_id, e.epoch, e.status, e.sealed, e.purged, e.sealed_ms, "              \
                "coalesce(a.suspended_ms, 0), coalesce(a.deleted_ms, 0) FROM executions e LEFT JOIN accounts a "      \
                "ON a.id = e.account WHERE e.id = ?1")
