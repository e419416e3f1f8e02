// The table of the ways that operations go. A kind that is missing, or there twice, does not compile.
#include "store/shards/shards_private.h"

// X(NAME, way, rows, outward): which members of its struct are rows of executions, or of what lies with one, and are
// another number inside the store. The first one is where it lies, for go_by_row. `outward` turns the rows that are in
// what its members point to.
#define NONE \
    {        \
        0    \
    }
#define ROW(name, member) offsetof(struct store_##name, member)
#define GIVEN(name)       ROW(name, ret_execution.row), ROW(name, ret_execution.job.batch)
#define ROUTES(X)                                                                                                     \
    /* What belongs to no execution. */                                                                               \
    X(KEY_CREATE, go_home, NONE)                                                                                      \
    X(KEY_REVOKE, go_home, NONE)                                                                                      \
    X(KEY_RENAME, go_home, NONE)                                                                                      \
    X(KEY_USED, go_home, NONE)                                                                                        \
    X(KEY_FIND, go_home, NONE)                                                                                        \
    X(KEY_LIST, go_home, NONE)                                                                                        \
    X(ACCOUNT_LIST, go_home, NONE)                                                                                    \
    X(ACCOUNT_ROWS, go_home, NONE)                                                                                    \
    X(ACCOUNT_PLACE, go_home, NONE)                                                                                   \
    X(SHARD_JOIN, go_home, NONE)                                                                                      \
    X(CREATED, go_home, NONE)                                                                                         \
    X(SECRET_SET, go_home, NONE)                                                                                      \
    X(SECRET_DELETE, go_home, NONE)                                                                                   \
    X(SECRET_TAKE, go_home, NONE)                                                                                     \
    X(SECRET_LIST, go_home, NONE)                                                                                     \
    X(TICKET_ADD, go_home, NONE)                                                                                      \
    X(TICKET_USE, go_home, NONE)                                                                                      \
    X(TICKETS_KEEP, go_home, NONE)                                                                                    \
    X(ROSTER_TELL, go_home, NONE)                                                                                     \
    X(WORKER_TELL, go_home, NONE)                                                                                     \
    X(ROSTERS, go_home, NONE)                                                                                         \
    X(TALLY_TELL, go_home, NONE)                                                                                      \
    X(TALLIES, go_home, NONE)                                                                                         \
    X(WORKFLOW_CREATE, go_home, NONE)                                                                                 \
    X(WORKFLOW_CHANGE, go_home, NONE)                                                                                 \
    X(WORKFLOW_DELETE, go_home, NONE)                                                                                 \
    X(WORKFLOW_GET, go_home, NONE)                                                                                    \
    X(WORKFLOW_LIST, go_home, NONE)                                                                                   \
    X(BLOB_ADD, go_home, NONE)                                                                                        \
    X(BLOB_WANT, go_home, NONE)                                                                                       \
    X(BLOB_FIND, go_home, NONE)                                                                                       \
    X(BLOBS_FIND, go_home, NONE)                                                                                      \
    X(COLD_OWN, go_home, NONE)                                                                                        \
    /* Only asked by this adapter itself, of one of the stores. */                                                    \
    X(PARENTS_LOOK, go_home, NONE)                                                                                    \
    X(PARENTS_TELL, go_home, NONE)                                                                                    \
    X(PARENTS_WAITING, go_home, NONE)                                                                                 \
    X(PARENTS_AWAITED, go_home, NONE)                                                                                 \
    /* Where the execution lies. */                                                                                   \
    X(CLAIM, go_by_row, {ROW(claim, row), GIVEN(claim)})                                                              \
    X(APPEND, go_by_row, {ROW(append, row)})                                                                          \
    X(COMPLETE, go_by_row, {ROW(complete, row), GIVEN(complete)})                                                     \
    X(UPDATE, go_by_row, {ROW(update, row), GIVEN(update)})                                                           \
    X(ANSWER, go_by_row, {ROW(answer, row), GIVEN(answer)})                                                           \
    X(PURGE, go_by_row, {ROW(purge, row)})                                                                            \
    X(CUT, go_by_row, {ROW(cut, row)})                                                                                \
    X(JOB_CLAIM, go_by_row, {ROW(job_claim, row), GIVEN(job_claim)})                                                  \
    X(JOB_RETURN, go_by_row, {ROW(job_return, row), GIVEN(job_return)})                                               \
    X(JOB_RETRY, go_job_limited, {ROW(job_retry, row), GIVEN(job_retry)})                                             \
    X(JOB_WAITS, go_job_waits, {ROW(job_waits, row), ROW(job_waits, ret_job.batch)})                                  \
    X(BATCH_CREATE, go_batch_create, {ROW(batch_create, batch.row)})                                                  \
    X(BATCH_ADD, go_batch_add, {ROW(batch_add, row), ROW(batch_add, ret_batch.row)})                                  \
    X(BATCH_CHANGE, go_job_limited,                                                                                   \
      {ROW(batch_change, row), ROW(batch_change, after_row), ROW(batch_change, ret_batch.row)}, batch_change_outward) \
    X(BATCH_FAILURES, go_by_row,                                                                                      \
      {ROW(batch_failures, row), ROW(batch_failures, before_row), ROW(batch_failures, ret_next_row)},                 \
      batch_failures_outward)                                                                                         \
    X(BATCH_CELLS, go_by_row, {ROW(batch_cells, row)})                                                                \
    X(JOB_LINKS, go_job_links, {ROW(job_links, row), ROW(job_links, ret_first)})                                      \
    X(ARTIFACTS_PURGE, go_by_row, {ROW(artifacts_purge, row)})                                                        \
    X(READ, go_by_row, {ROW(read, row)})                                                                              \
    X(SUMMARY, go_by_row, {ROW(summary, row)})                                                                        \
    X(PRODUCER, go_by_row, {ROW(producer, row), GIVEN(producer)})                                                     \
    X(RUN_GET, go_by_row, {ROW(run_get, row)})                                                                        \
    X(WAITING, go_by_row, {ROW(waiting, row)})                                                                        \
    X(EVENTS_KNOWN, go_by_row, {ROW(events_known, row)})                                                              \
    X(FRONT, go_by_row, {ROW(front, row)})                                                                            \
    X(FILE_LIST, go_by_row, {ROW(file_list, row)})                                                                    \
    X(RUN_FIND, go_by_row, {ROW(run_find, row)})                                                                      \
    X(MIRROR_PLACES, go_by_row, {ROW(mirror_places, row)})                                                            \
    X(COLD_DROP, go_by_row, {ROW(cold_drop, pack)})                                                                   \
    X(LEASE, go_lease, {ROW(lease, subject)})                                                                         \
    X(COLD_SWAP, go_cold_swap, NONE)                                                                                  \
    X(ARTIFACT_PUT, go_artifact_put, {ROW(artifact_put, row)})                                                        \
    /* In one of them; which one is known by its identifier, or chosen. */                                            \
    X(CREATE, go_create, {ROW(create, execution.row), ROW(create, execution.job.batch)})                              \
    X(GET, go_get, {GIVEN(get)})                                                                                      \
    X(BATCH_GET, go_batch_get, {ROW(batch_get, row), ROW(batch_get, ret_batch.row)})                                  \
    /* In all, and what they give is one answer. */                                                                   \
    X(BATCH_LIST, go_list, NONE)                                                                                      \
    X(JOBS_READY, go_jobs_ready, NONE)                                                                                \
    X(JOB_LINES, go_job_lines, NONE)                                                                                  \
    X(JOB_SETTLE, go_job_settle, NONE)                                                                                \
                                                                                                                      \
    X(LIST, go_list, NONE)                                                                                            \
    X(COUNT_OPEN, go_count_open, NONE)                                                                                \
    X(WAITS_DUE, go_waits_due, NONE)                                                                                  \
    X(BLOBS_UNUSED, go_blobs_unused, NONE)                                                                            \
    X(BLOBS_KNOWN, go_blobs_known, NONE)                                                                              \
    X(COLD_BACKLOG, go_cold_backlog, NONE)                                                                            \
    X(COLD_KNOWN, go_cold_known, NONE)                                                                                \
    /* In several, each with its own part of what is asked for. */                                                    \
    X(LOOK, go_look, NONE)                                                                                            \
    X(MIRROR_ADVANCE, go_mirror_advance, NONE)                                                                        \
    /* In one after the other, with a place that says where. */                                                       \
    X(QUIET_LOOK, go_walk, {ROW(quiet_look, after), ROW(quiet_look, ret_last)})                                       \
    X(RETENTION_LOOK, go_walk, {ROW(retention_look, cursor.row)})                                                     \
    X(MIRROR_LOOK, go_walk, {ROW(mirror_look, cursor.row)})                                                           \
    X(MIRROR_ENTER, go_walk, {ROW(mirror_enter, after), ROW(mirror_enter, ret_last), ROW(mirror_enter, row)})         \
    X(COLD_LOOK, go_walk, {ROW(cold_look, cursor.row)})                                                               \
    X(COLD_SPARSE, go_walk, {ROW(cold_sparse, after), ROW(cold_sparse, ret_pack)})                                    \
    X(JOBS_CLAIMED, go_jobs_claimed, NONE)                                                                            \
    X(LEASE_ADOPT, go_lease_adopt, NONE)                                                                              \
    X(BLOB_DROP, go_blob_drop, NONE)                                                                                  \
    X(BACKUP, go_backup, NONE)                                                                                        \
    /* Decided in the home, and then told to the others. */                                                           \
    X(ACCOUNT_ENSURE, go_account, NONE)                                                                               \
    X(ACCOUNT_CREATE, go_account, NONE)                                                                               \
    X(ACCOUNT_CHANGE, go_account, NONE)                                                                               \
    X(NODE_START, go_node_start, NONE)                                                                                \
    X(NODE_BEAT, go_node_beat, NONE)

#define ROUTED(NAME, ...) ROUTED_##NAME,
enum { ROUTES(ROUTED) ROUTED_COUNT };
#define IS_ROUTED(NAME, ...) _Static_assert(ROUTED_##NAME < ROUTED_COUNT, "every kind has a way");
STORE_COMMITS(IS_ROUTED)
STORE_QUERIES(IS_ROUTED)
_Static_assert((int)ROUTED_COUNT == (int)STORE_OP_KINDS, "no kind has two");

#define ROUTE(NAME, way, ...) [STORE_##NAME] = {.go = (way), .rows = __VA_ARGS__},
const struct shards_route shards_routes[STORE_OP_KINDS] = {ROUTES(ROUTE)};
