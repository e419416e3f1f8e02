// Operations on the store: what each of them has, and one table of their kinds. What a kind takes and gives is a struct
// of its own, by subject in store/ops/.
#pragma once

#include "loop/loop.h"

// X(NAME, name, row, account, space, release): STORE_NAME is the kind, struct store_name is what it takes and gives. An
// adapter applies it with commit_name or query_name.
// - row: AT the member that names the execution that a commit changes, for its version. NONE: no execution, or a new
//   one.
// - account: AT the member that names the account whose turn it takes, unless the caller names it. NONE.
// - space: GROWS: it needs room. KEEPS: a full store does it, too, so that it can be emptied and logs can end.
// - release: how its results are freed: release_… in op.c.
#define STORE_COMMITS(X)                                                                      \
    X(CREATE, create, NONE, AT(create, execution.account), GROWS, create)                     \
    X(CLAIM, claim, AT(claim, row), NONE, KEEPS, claim)                                       \
    X(APPEND, append, AT(append, row), NONE, GROWS, nothing)                                  \
    X(COMPLETE, complete, AT(complete, row), NONE, KEEPS, complete)                           \
    X(UPDATE, update, AT(update, row), NONE, KEEPS, update)                                   \
    X(ANSWER, answer, AT(answer, row), NONE, GROWS, answer)                                   \
    X(PURGE, purge, AT(purge, row), NONE, KEEPS, nothing)                                     \
    X(CUT, cut, AT(cut, row), NONE, KEEPS, nothing)                                           \
    X(KEY_CREATE, key_create, NONE, AT(key_create, key.account), GROWS, key_create)           \
    X(KEY_REVOKE, key_revoke, NONE, AT(key_revoke, account), KEEPS, nothing)                  \
    X(KEY_RENAME, key_rename, NONE, AT(key_rename, account), GROWS, nothing)                  \
    X(KEY_USED, key_used, NONE, NONE, KEEPS, nothing)                                         \
    X(ACCOUNT_ENSURE, account_ensure, NONE, NONE, KEEPS, nothing)                             \
    X(ACCOUNT_CREATE, account_create, NONE, NONE, KEEPS, nothing)                             \
    X(ACCOUNT_CHANGE, account_change, NONE, NONE, KEEPS, nothing)                             \
    X(ACCOUNT_PLACE, account_place, NONE, NONE, KEEPS, nothing)                               \
    X(SHARD_JOIN, shard_join, NONE, NONE, KEEPS, nothing)                                     \
    X(SECRET_SET, secret_set, NONE, AT(secret_set, account), GROWS, nothing)                  \
    X(SECRET_DELETE, secret_delete, NONE, AT(secret_delete, account), KEEPS, nothing)         \
    X(SECRET_TAKE, secret_take, NONE, AT(secret_take, account), KEEPS, secret_take)           \
    X(NODE_START, node_start, NONE, NONE, KEEPS, nothing)                                     \
    X(NODE_BEAT, node_beat, NONE, NONE, KEEPS, nothing)                                       \
    X(LEASE, lease, NONE, NONE, KEEPS, nothing)                                               \
    X(LEASE_ADOPT, lease_adopt, NONE, NONE, KEEPS, lease_adopt)                               \
    X(JOB_CLAIM, job_claim, AT(job_claim, row), NONE, KEEPS, job_claim)                       \
    X(JOB_RETURN, job_return, AT(job_return, row), NONE, KEEPS, job_return)                   \
    X(JOB_SETTLE, job_settle, NONE, NONE, GROWS, nothing)                                     \
    X(PARENTS_LOOK, parents_look, NONE, NONE, KEEPS, nothing)                                 \
    X(PARENTS_TELL, parents_tell, NONE, NONE, GROWS, nothing)                                 \
    X(PARENTS_WAITING, parents_waiting, NONE, NONE, KEEPS, nothing)                           \
    X(JOB_RETRY, job_retry, AT(job_retry, row), NONE, GROWS, job_retry)                       \
    X(BATCH_CREATE, batch_create, NONE, AT(batch_create, batch.account), GROWS, batch_create) \
    X(BATCH_ADD, batch_add, NONE, NONE, GROWS, batch_add)                                     \
    X(BATCH_CHANGE, batch_change, NONE, NONE, KEEPS, batch_change)                            \
    X(ROSTER_TELL, roster_tell, NONE, NONE, KEEPS, nothing)                                   \
    X(TALLY_TELL, tally_tell, NONE, NONE, KEEPS, nothing)                                     \
    X(WORKER_TELL, worker_tell, NONE, NONE, KEEPS, nothing)                                   \
    X(TICKET_ADD, ticket_add, NONE, AT(ticket_add, account), KEEPS, nothing)                  \
    X(TICKET_USE, ticket_use, NONE, NONE, KEEPS, ticket_use)                                  \
    X(TICKETS_KEEP, tickets_keep, NONE, NONE, KEEPS, nothing)                                 \
    X(WORKFLOW_CREATE, workflow_create, NONE, NONE, GROWS, workflow_create)                   \
    X(WORKFLOW_CHANGE, workflow_change, NONE, NONE, GROWS, workflow_change)                   \
    X(WORKFLOW_DELETE, workflow_delete, NONE, NONE, KEEPS, nothing)                           \
    X(BLOB_ADD, blob_add, NONE, AT(blob_add, account), GROWS, nothing)                        \
    X(BLOB_WANT, blob_want, NONE, NONE, KEEPS, nothing)                                       \
    X(BLOB_DROP, blob_drop, NONE, NONE, KEEPS, nothing)                                       \
    X(ARTIFACT_PUT, artifact_put, AT(artifact_put, row), NONE, GROWS, nothing)                \
    X(ARTIFACTS_PURGE, artifacts_purge, AT(artifacts_purge, row), NONE, KEEPS, nothing)       \
    X(MIRROR_ENTER, mirror_enter, NONE, NONE, GROWS, nothing)                                 \
    X(MIRROR_ADVANCE, mirror_advance, NONE, NONE, KEEPS, nothing)                             \
    X(COLD_SWAP, cold_swap, NONE, NONE, KEEPS, nothing)                                       \
    X(COLD_DROP, cold_drop, NONE, NONE, KEEPS, nothing)                                       \
    X(COLD_OWN, cold_own, NONE, NONE, KEEPS, nothing)

#define STORE_QUERIES(X)                                                            \
    X(GET, get, NONE, AT(get, account), KEEPS, get)                                 \
    X(LIST, list, NONE, AT(list, account), KEEPS, list)                             \
    X(READ, read, NONE, NONE, KEEPS, read)                                          \
    X(SUMMARY, summary, NONE, NONE, KEEPS, summary)                                 \
    X(PRODUCER, producer, NONE, NONE, KEEPS, producer)                              \
    X(LOOK, look, NONE, NONE, KEEPS, look)                                          \
    X(KEY_FIND, key_find, NONE, NONE, KEEPS, key_find)                              \
    X(KEY_LIST, key_list, NONE, AT(key_list, account), KEEPS, key_list)             \
    X(ACCOUNT_LIST, account_list, NONE, NONE, KEEPS, account_list)                  \
    X(ACCOUNT_ROWS, account_rows, NONE, NONE, KEEPS, account_rows)                  \
    X(CREATED, created, NONE, AT(created, account), KEEPS, nothing)                 \
    X(SECRET_LIST, secret_list, NONE, AT(secret_list, account), KEEPS, secret_list) \
    X(COUNT_OPEN, count_open, NONE, NONE, KEEPS, nothing)                           \
    X(JOBS_READY, jobs_ready, NONE, NONE, KEEPS, nothing)                           \
    X(JOB_LINES, job_lines, NONE, NONE, KEEPS, job_lines)                           \
    X(PARENTS_AWAITED, parents_awaited, NONE, NONE, KEEPS, nothing)                 \
    X(JOB_WAITS, job_waits, NONE, NONE, KEEPS, job_waits)                           \
    X(JOB_LINKS, job_links, NONE, NONE, KEEPS, job_links)                           \
    X(JOBS_CLAIMED, jobs_claimed, NONE, NONE, KEEPS, jobs_claimed)                  \
    X(BATCH_GET, batch_get, NONE, AT(batch_get, account), KEEPS, batch_get)         \
    X(BATCH_LIST, batch_list, NONE, AT(batch_list, account), KEEPS, batch_list)     \
    X(BATCH_FAILURES, batch_failures, NONE, NONE, KEEPS, batch_failures)            \
    X(BATCH_CELLS, batch_cells, NONE, NONE, KEEPS, batch_cells)                     \
    X(ROSTERS, rosters, NONE, NONE, KEEPS, rosters)                                 \
    X(TALLIES, tallies, NONE, NONE, KEEPS, tallies)                                 \
    X(WORKFLOW_GET, workflow_get, NONE, NONE, KEEPS, workflow_get)                  \
    X(WORKFLOW_LIST, workflow_list, NONE, NONE, KEEPS, workflow_list)               \
    X(RUN_GET, run_get, NONE, NONE, KEEPS, run_get)                                 \
    X(WAITING, waiting, NONE, NONE, KEEPS, waiting)                                 \
    X(WAITS_DUE, waits_due, NONE, NONE, KEEPS, nothing)                             \
    X(EVENTS_KNOWN, events_known, NONE, AT(events_known, account), KEEPS, nothing)  \
    X(QUIET_LOOK, quiet_look, NONE, NONE, KEEPS, nothing)                           \
    X(RETENTION_LOOK, retention_look, NONE, NONE, KEEPS, nothing)                   \
    X(FRONT, front, NONE, NONE, KEEPS, nothing)                                     \
    X(BLOB_FIND, blob_find, NONE, AT(blob_find, account), KEEPS, nothing)           \
    X(BLOBS_FIND, blobs_find, NONE, AT(blobs_find, account), KEEPS, nothing)        \
    X(BLOBS_UNUSED, blobs_unused, NONE, NONE, KEEPS, nothing)                       \
    X(BLOBS_KNOWN, blobs_known, NONE, NONE, KEEPS, nothing)                         \
    X(FILE_LIST, file_list, NONE, NONE, KEEPS, file_list)                           \
    X(RUN_FIND, run_find, NONE, NONE, KEEPS, run_find)                              \
    X(MIRROR_LOOK, mirror_look, NONE, NONE, KEEPS, nothing)                         \
    X(MIRROR_PLACES, mirror_places, NONE, NONE, KEEPS, mirror_places)               \
    X(COLD_LOOK, cold_look, NONE, NONE, KEEPS, cold_look)                           \
    X(COLD_BACKLOG, cold_backlog, NONE, NONE, KEEPS, nothing)                       \
    X(COLD_SPARSE, cold_sparse, NONE, NONE, KEEPS, cold_sparse)                     \
    X(COLD_KNOWN, cold_known, NONE, NONE, KEEPS, nothing)                           \
    X(BACKUP, backup, NONE, NONE, KEEPS, backup)

enum store_op_kind {
#define STORE_KIND(NAME, ...) STORE_##NAME,
    STORE_COMMITS(STORE_KIND) STORE_QUERIES(STORE_KIND)
#undef STORE_KIND
        STORE_OP_KINDS
};

struct store_op {
    // Set by the caller.
    enum store_op_kind kind;
    struct loop *reply_to; // NULL: `done` runs on a thread of the store, and must not wait
    void (*done)(struct store_op *op);
    int64_t account; // the account whose turn it takes; 0: the server's own, or that of the operation if it names one
    bool scan;       // for queries: one slice of a long look through records; it must leave room for others
    // Optional, for queries: runs on the reader's thread after the query and before `done`. For decoding, filtering and
    // encoding.
    void (*process)(struct store_op *op);
    // Set by the store.
    int err;
    struct cold_wants *cold; // store/cold.h; NULL
    struct mail mail;
    struct list_node node;
    uint64_t submitted_ns; // clock_mono_ns when it was submitted, for latency metrics
};

// Frees the results of the operation (of any kind), not the struct itself.
void store_op_release(struct store_op *op);
