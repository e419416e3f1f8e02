// The catalogue: accounts, keys, executions. Its statements are written once and run on each engine of store/sql/.
// Adapters call these functions, each with its own connection. An adapter keeps what is its own: caches, the log, and
// whom it tells about changes.
//
// Functions that change something must be called within a write transaction of the caller; their changes are part of
// it. The outcome of an operation (ERR_NOT_FOUND, ERR_CONFLICT …) is returned before anything is written. An error of
// the database (store/sql/sql.h) means that the transaction must be rolled back, and begun again if sql_again says so.
// Ownership of strings and results is as store/ops/ says.
#pragma once

#include "store/catalogue/statements.h"
#include "store/ops/account.h"
#include "store/ops/artifact.h"
#include "store/ops/batch.h"
#include "store/ops/cold.h"
#include "store/ops/execution.h"
#include "store/ops/job.h"
#include "store/ops/key.h"
#include "store/ops/mirror.h"
#include "store/ops/node.h"
#include "store/ops/quiet.h"
#include "store/ops/record.h"
#include "store/ops/retention.h"
#include "store/ops/secret.h"
#include "store/ops/shard.h"
#include "store/ops/waiting.h"
#include "store/ops/workflow.h"

// --- accounts.c
// If `name` is not empty, finds its account; otherwise *account stays. Returns ERR_NOT_FOUND, or ERR_EXPIRED if it was
// deleted.
int catalogue_account_resolve(struct sql *sql, struct str name, int64_t *account);
// Returns ERR_EXPIRED if it was deleted. In a write transaction, it cannot be deleted before the transaction ends.
int catalogue_account_open(struct sql *sql, int64_t account);
// Returns ERR_SUSPENDED while the account is suspended, and for `grace_ms` after it was resumed.
int catalogue_account_may_give_up(struct sql *sql, int64_t account, uint64_t grace_ms, int64_t now_ms);
int catalogue_account_ensure(struct sql *sql, struct store_account_ensure *ensure, int64_t now_ms);
int catalogue_account_create(struct sql *sql, struct store_account_create *create, int64_t now_ms);
// Does not set ret_change. Purging a deleted account is left to catalogue_account_purging.
int catalogue_account_change(struct sql *sql, struct store_account_change *change, int64_t now_ms);
int catalogue_account_list(struct sql *sql, struct store_account_list *list);
// Returns up to `max` rows of executions that are not purged.
int catalogue_account_holds(struct sql *sql, int64_t account, size_t max, int64_t *ret_rows, size_t *ret_count);
// Finds a deleted account that may still hold executions; 0: there is none.
int catalogue_account_purging(struct sql *sql, int64_t *ret_account);
// As the home of several stores has them (store/shards/). ret_deleted: one is deleted from now on; ret_rules: another
// one's retention has changed.
int catalogue_account_rows(struct sql *sql, struct store_account_rows *rows);
int catalogue_account_place(struct sql *sql, const struct account_row *account, bool *ret_deleted, bool *ret_rules);
int catalogue_account_purged(struct sql *sql, int64_t account); // it holds none any more

// --- keys.c
int catalogue_key_create(struct sql *sql, struct store_key_create *create);
int catalogue_key_rename(struct sql *sql, struct store_key_rename *rename);
int catalogue_key_revoke(struct sql *sql, struct store_key_revoke *revoke, int64_t now_ms);
int catalogue_key_used(struct sql *sql, const struct store_key_used *used);
int catalogue_key_find(struct sql *sql, struct store_key_find *find);
int catalogue_key_list(struct sql *sql, struct store_key_list *list);

// --- secrets.c
int catalogue_secret_set(struct sql *sql, struct store_secret_set *set, int64_t now_ms);
int catalogue_secret_delete(struct sql *sql, const struct store_secret_delete *gone);
int catalogue_secret_take(struct sql *sql, struct store_secret_take *take, int64_t now_ms);
int catalogue_secret_list(struct sql *sql, struct store_secret_list *list);
int catalogue_secret_exists(struct sql *sql, int64_t account, struct str name); // ERR_NOT_FOUND

// --- operators.c
int catalogue_keys_revoke(struct sql *sql, int64_t account, int64_t now_ms); // all keys of an account
// Returns ERR_LAST_OPERATOR if, without this key or without the keys of this account (0: none), no operator's key would
// be left that lasts as long. Nobody else can change operators' keys until the transaction ends.
int catalogue_operators_left(struct sql *sql, int64_t key_row, int64_t account, int64_t now_ms);

// --- executions.c
struct log_state { // the end of a log
    uint64_t next, digest, message_bytes;
};

struct catalogue_head { // what a change of an execution begins with
    int64_t account;
    bool purged;
    struct outcome outcome;
    struct log_state log; // the log may have more than this; see the adapter
    uint64_t first_sequence;
    uint64_t journal;             // of the server whose journal may be ahead of this, 0: of none
    char *batch_id, *workflow_id; // may be NULL; owned by the caller
};

void catalogue_head_release(struct catalogue_head *head);
// In a write transaction, nobody else can change the execution from now on. Returns ERR_NOT_FOUND.
int catalogue_execution_head(struct sql *sql, int64_t row, struct catalogue_head *ret);
// Reads it from a row of a statement that selects HEAD_COLUMNS.
int catalogue_head_row(struct sql_statement *found, int64_t *ret_row, struct catalogue_head *ret);
int catalogue_execution_find(struct sql *sql, int64_t account, struct str execution_id,
                             int64_t *ret_row);                                   // ERR_NOT_FOUND
int catalogue_execution_get(struct sql *sql, int64_t row, struct execution *ret); // *ret is overwritten. ERR_NOT_FOUND
// ret[i], which is overwritten, is that of rows[i]; each row once. All or none: ERR_NOT_FOUND.
int catalogue_executions_get(struct sql *sql, const int64_t *rows, size_t count, struct execution *ret);
struct store_ticket_add;
struct store_ticket_use;
struct store_tickets_keep;
int catalogue_ticket_add(struct sql *sql, const struct store_ticket_add *add, int64_t now_ms);
int catalogue_ticket_use(struct sql *sql, struct store_ticket_use *use, int64_t now_ms);
int catalogue_tickets_keep(struct sql *sql, const struct store_tickets_keep *keep, int64_t now_ms);
int catalogue_tickets_end(struct sql *sql, int64_t account, int64_t key_row); // of the key, or of the whole account

int catalogue_executions_look(struct sql *sql, struct store_look *look);
// ERR_EXPIRED: it is purged. *ret_journal (may be NULL): whose journal may be ahead of that, 0: nobody's.
int catalogue_execution_extent(struct sql *sql, int64_t row, uint64_t *ret_next, uint64_t *ret_first,
                               uint64_t *ret_journal);
// Tells whether it is sealed and purged. An execution that does not exist counts as purged.
int catalogue_execution_closed(struct sql *sql, int64_t row, bool *ret_sealed, bool *ret_purged);
int catalogue_executions_open(struct sql *sql, int64_t account, uint64_t *ret_count);

// Notes who has claimed it, and by which key if that is not empty.
int catalogue_execution_claimed(struct sql *sql, const struct store_claim *claim, uint64_t epoch);
int catalogue_execution_outcome(struct sql *sql, int64_t row, const struct outcome *outcome,
                                const struct log_state *log);
int catalogue_execution_fold(struct sql *sql, int64_t row,
                             const struct log_state *log); // nothing if that is not behind
int catalogue_execution_pin(struct sql *sql, int64_t row, bool pinned);
int catalogue_execution_fetched(struct sql *sql, int64_t row);
int catalogue_execution_cancel(struct sql *sql, int64_t row, struct str reason); // the first reason stays
// Everything except the log's own tables.
int catalogue_execution_purge(struct sql *sql, int64_t row);
int catalogue_executions_restored(struct sql *sql); // marks the open ones

// --- shards.c
int catalogue_shard_join(struct sql *sql, struct store_shard_join *join, struct str incarnation, int64_t now_ms);
int catalogue_created(struct sql *sql, struct store_created *created, int64_t now_ms);

// --- documents.c
// Returns the metadata after a patch, as metadata_merge does. Owned by the caller.
int catalogue_metadata_judge(struct sql *sql, int64_t row, struct str patch, size_t max, char **ret);
// What its runner tells at its end; empty: nothing. The first one stays.
int catalogue_result_set(struct sql *sql, int64_t row, struct str details, struct str result);
// Sets the metadata with its labels. `spec` without data: unchanged.
int catalogue_documents_set(struct sql *sql, int64_t account, int64_t row, struct str spec, struct str metadata);
int catalogue_metadata_set(struct sql *sql, int64_t account, int64_t row, struct str metadata);

// --- create.c
// Finds what was made with a key within the last day: its execution; 0: nothing. ERR_IDEMPOTENCY: for another request.
int catalogue_idempotency_find(struct sql *sql, int64_t account, struct str key, uint64_t request_hash, int64_t now_ms,
                               int64_t *ret_row);
int catalogue_idempotency_set(struct sql *sql, int64_t account, struct str key, uint64_t request_hash, int64_t row,
                              int64_t now_ms);
// Finds the execution that was made with the same idempotency key within the last day; 0: none. Returns ERR_IDEMPOTENCY
// for another request.
int catalogue_create_repeated(struct sql *sql, const struct store_create *create, int64_t now_ms, int64_t *ret_row);
// Returns ERR_UNAUTHORIZED if the account was deleted; ERR_CONFLICT or ERR_EXPIRED if the identifier is taken.
// ERR_INVALID about its inputs.
int catalogue_create_check(struct sql *sql, struct store_create *create);
// The same for another one of that account, in the same transaction.
int catalogue_create_check_more(struct sql *sql, struct store_create *create);
// Makes it, with its documents, labels, inputs and idempotency key. Sets row, execution_id and created_ms.
int catalogue_create(struct sql *sql, struct store_create *create, int64_t now_ms);

// --- events.c
int catalogue_events_known(struct sql *sql, const struct store_events_known *query);
// All of them, each once; ERR_CONFLICT, before anything is written: one is known.
int catalogue_events_add(struct sql *sql, int64_t row, const struct late_key *keys, size_t count);
int catalogue_events_forget(struct sql *sql, int64_t row, bool *ret_more); // a slice of them

// --- quiet.c
int catalogue_quiet_look(struct sql *sql, struct store_quiet_look *look);

// --- mirrors.c
int catalogue_mirror_add(struct sql *sql, int64_t row, int64_t now_ms);        // nothing if it was entered already
int catalogue_mirror_enter(struct sql *sql, struct store_mirror_enter *enter); // ERR_NOT_FOUND: there is no such row
int catalogue_mirror_advance(struct sql *sql, const struct store_mirror_advance *advance);
int catalogue_mirror_look(struct sql *sql, struct store_mirror_look *look);
int catalogue_mirror_places(struct sql *sql, struct store_mirror_places *query);

// --- cold.c
struct cold_body; // store/cold.h
struct cold_warm {
    int64_t row, sealed_ms;
    char execution_id[ID_EXECUTION_MAX + 1];
};
// Lists sealed executions that have something to be moved, from the cursor's on, in the order of their seals.
int catalogue_cold_warm(struct sql *sql, const struct store_cold_look *look, struct cold_warm *ret, size_t max,
                        size_t *ret_count);
// Takes bodies of one, from the cursor's chunk on, until the look is full. If none is left, its row is among ret_rows.
int catalogue_cold_take(struct sql *sql, struct store_cold_look *look, int64_t row, const char *execution_id,
                        bool *ret_full);
int catalogue_cold_backlog(struct sql *sql, struct store_cold_backlog *query);
// From now on programs that could not read what was moved are kept out. ERR_HELD: one is at work.
int catalogue_cold_readers(struct sql *sql);
int catalogue_cold_pack_add(struct sql *sql, const char *object, int64_t made_ms, int64_t *ret_pack);
int catalogue_cold_pack_fill(struct sql *sql, int64_t pack, uint64_t bytes, uint64_t chunks); // without any it goes
// The body gives way to its place in the pack. Not done: the chunk is not there any more, or has gone already.
int catalogue_cold_chill(struct sql *sql, const struct cold_found *it, int64_t pack, bool *ret_done);
int catalogue_cold_move(struct sql *sql, const struct cold_found *it, int64_t from, int64_t pack, bool *ret_done);
int catalogue_cold_set(struct sql *sql, int64_t row); // nothing of it is left to be moved
// The places of chunks that begin before `end` are not wanted any more: a slice of them.
int catalogue_cold_forget(struct sql *sql, int64_t row, uint64_t end, bool *ret_more);
int catalogue_cold_drop(struct sql *sql, int64_t pack);                    // ERR_CONFLICT
int catalogue_cold_own(struct sql *sql, const struct store_cold_own *own); // ERR_CONFLICT
int catalogue_cold_sparse(struct sql *sql, struct store_cold_sparse *query);
int catalogue_cold_known(struct sql *sql, const struct store_cold_known *query);
// Where the chunk that begins at `first` lies, and those behind it (backward: before it).
int catalogue_cold_places(struct sql *sql, int64_t row, uint64_t first, bool backward, struct cold_body *ret,
                          size_t max, size_t *ret_count);

// --- list.c
#define CATALOGUE_LIST_MAX       10000
#define CATALOGUE_IDEMPOTENCY_MS (24 * 3600 * 1000LL) // for so long a key is kept
// Returns the rows of a page, newest first, and one more if there is one. ret_rows has room for limit + 1.
int catalogue_list_rows(struct sql *sql, const struct store_list *list, unsigned limit, int64_t *ret_rows,
                        size_t *ret_count);

// On all pages, up to count_max and one more.
int catalogue_list_total(struct sql *sql, const struct store_list *list, uint64_t *ret);

// --- retention.c
int catalogue_retention_look(struct sql *sql, struct store_retention_look *look, int64_t now_ms);
// Returns ERR_CONFLICT if it is to be kept after all; see struct store_purge.
int catalogue_retention_lets_go(struct sql *sql, int64_t row, const struct retention *rules, bool by_limits,
                                int64_t now_ms);
// What is cut off a log, and what it may keep by the rules and its own limits; none at all if it is pinned or purged.
int catalogue_front_get(struct sql *sql, int64_t row, const struct retention *rules, struct log_front *ret_front,
                        struct log_state *ret_log, struct retention_log *ret_limits);
// `log`: as it is now. Returns ERR_CONFLICT, see struct store_cut.
int catalogue_front_judge(struct sql *sql, const struct store_cut *cut, const struct log_state *log);
int catalogue_front_set(struct sql *sql, int64_t row, const struct log_front *front);

// --- nodes.c
// The clock that all users of the store agree on. If only one process has the store, that is its own clock.
int catalogue_now(struct sql *sql, int64_t *ret_ms);
// `alone`: no other process can have the store, so all earlier nodes are gone.
int catalogue_node_start(struct sql *sql, struct store_node_start *start, bool alone, int64_t now_ms);
int catalogue_node_beat(struct sql *sql, struct store_node_beat *beat, int64_t now_ms);
// Returns ERR_NODE_FENCED. In a write transaction, it cannot be fenced before the transaction ends. Node 0 always
// exists.
int catalogue_node_stands(struct sql *sql, int64_t node);
// Cannot change before the transaction ends.
int catalogue_node_sign(struct sql *sql, int64_t node, struct node_sign *ret);

// --- leases.c
// All 0: there is none.
int catalogue_lease_get(struct sql *sql, enum lease_kind kind, int64_t subject, struct node_lease *ret);
// ERR_FENCED: it is not the node's, or not of this epoch (0: of any). It stays as it is until the transaction ends.
int catalogue_lease_stands(struct sql *sql, enum lease_kind kind, int64_t subject, int64_t node, uint64_t epoch);
// Decides with node_lease_next, and writes. Returns its refusals, or ERR_NODE_FENCED.
int catalogue_lease_change(struct sql *sql, enum lease_kind kind, int64_t subject, const struct node_lease_ask *ask,
                           int64_t now_ms, struct node_lease *ret);
int catalogue_lease_adopt(struct sql *sql, struct store_lease_adopt *adopt, int64_t now_ms);
// Sets when the lease runs out, whoever holds it; 0: when its node is not heard of any more.
int catalogue_lease_deadline(struct sql *sql, enum lease_kind kind, int64_t subject, int64_t deadline_ms);
int catalogue_lease_end(struct sql *sql, enum lease_kind kind, int64_t subject); // there is nothing to hold any more

// Jobs and batches. docs/internals/jobs.md. A change may lead to changes of other executions. Their outcomes belong to
// the adapter, so these calls ask it to make them.
struct catalogue_changes {
    void *arg;
    // Decides about and stores an outcome that did not exist before; that includes catalogue_job_outcome.
    int (*end)(void *arg, int64_t row, enum outcome_cause cause);
    int (*made)(void *arg, int64_t row); // a new execution, with the status queued
    // What is shown of it has changed. `batch`: 0: it is in none. `ready`: a worker may take it.
    int (*changed)(void *arg, int64_t row, int64_t batch, bool ready);
    void (*batch_changed)(void *arg, int64_t account, int64_t batch,
                          bool unsettled); // and none of its executions with it
};

struct job_effect { // the effect of an outcome on the job
    bool is_job, ready, unsettled;
    int64_t batch;
    int queued; // by how much the account's number of queued ones changes: -1, 0, 1
};

// --- job_rows.c
int catalogue_job_reason(struct sql *sql, int64_t row, struct str reason); // the first reason stays
int catalogue_job_purge(struct sql *sql, int64_t row);                     // for one that is settled
// Reads a row with JOB_VIEW_COLUMNS, which begin at `column`.
void job_view_from_row(const struct sql_statement *row, int column, struct job_view *ret);

// --- jobs.c
// Must be called after each change of an outcome was written.
int catalogue_job_outcome(struct sql *sql, int64_t row, const struct outcome *before, const struct outcome *after,
                          int64_t now_ms, struct job_effect *ret);
int catalogue_jobs_queued(struct sql *sql, int64_t account, uint64_t *ret_count);
// ERR_NOT_FOUND: it is not a job. ERR_CONFLICT: it is not ready.
int catalogue_job_claimable(struct sql *sql, int64_t row);
// Called after its outcome was stored. ret_spec is owned by the caller; NULL if it has none.
int catalogue_job_claimed(struct sql *sql, int64_t row, struct str worker_id, struct str hostname, char **ret_spec,
                          bool *ret_retry_on_lost);
// Called after its outcome was stored. It ends if nobody wants it any more. ERR_NOT_FOUND: it is not a job.
int catalogue_job_returned(struct sql *sql, int64_t row, const struct catalogue_changes *changes);
int catalogue_job_rule(struct sql *sql, int64_t row, struct retry_rule *ret); // ERR_NOT_FOUND
int catalogue_job_batch(struct sql *sql, int64_t row, int64_t *ret);          // 0: none. ERR_NOT_FOUND: it is not a job

// --- attempts.c
struct job_parents; // what a new job depends on, as it was found
// Called before anything is written. Returns ERR_NOT_FOUND or ERR_INVALID with a reason in create->ret_reason;
// ERR_TOO_LARGE.
int catalogue_job_judge(struct sql *sql, struct store_create *create, struct job_parents **ret);
void job_parents_free(struct job_parents **parents);
// Called after catalogue_create has made it. It may end at once, so read it again.
int catalogue_job_create(struct sql *sql, const struct store_create *create, const struct job_parents *parents,
                         const struct catalogue_changes *changes);
int catalogue_job_retry(struct sql *sql, int64_t row, int64_t now_ms, const struct catalogue_changes *changes,
                        int64_t *ret_row); // ERR_NOT_FOUND, ERR_CONFLICT

// --- parents.c, and dependencies.c: of several stores
int catalogue_parents_look(struct sql *sql, const struct store_parents_look *look);
int catalogue_parents_tell(struct sql *sql, struct store_parents_tell *tell, const struct catalogue_changes *changes);
int catalogue_parents_awaited(struct sql *sql, struct store_parents_awaited *query);
int catalogue_parents_waiting(struct sql *sql, struct store_parents_waiting *query);

// --- settle.c
int catalogue_job_unsettled(struct sql *sql, int64_t row, bool *ret); // its end is not settled yet
int catalogue_job_settle(struct sql *sql, struct store_job_settle *settle, int64_t now_ms,
                         const struct catalogue_changes *changes);
// Settles this one only, completely.
int catalogue_job_settle_one(struct sql *sql, int64_t row, int64_t now_ms, const struct catalogue_changes *changes);

// --- batch_rows.c
int catalogue_batch_get(struct sql *sql, int64_t row, struct batch *ret);                          // ERR_NOT_FOUND
int catalogue_batch_find(struct sql *sql, int64_t account, struct str batch_id, int64_t *ret_row); // likewise
int catalogue_batch_account(struct sql *sql, int64_t row, int64_t *ret);                           // likewise
int catalogue_batches_forget(struct sql *sql, int64_t account);                                    // and workers

// --- batches.c
int catalogue_batch_create(struct sql *sql, struct store_batch_create *create, int64_t now_ms);
int catalogue_batch_list(struct sql *sql, struct store_batch_list *list);
struct batch_failure {
    int64_t row, failed_ms;
};
int catalogue_batch_failures(struct sql *sql, const struct store_batch_failures *query, unsigned limit,
                             struct batch_failure *ret, size_t *ret_count);
int catalogue_batch_cells(struct sql *sql, struct store_batch_cells *cells);
// Finds which of the jobs exist already: their rows, otherwise 0. Returns ERR_CONFLICT or ERR_TOO_LARGE.
// *ret_first: what is appended gets the numbers from there on.
int catalogue_batch_judge(struct sql *sql, const struct store_batch_add *add, int64_t *ret_rows, uint32_t *ret_first);
int catalogue_batch_added(struct sql *sql, int64_t row, const struct catalogue_changes *changes);
int catalogue_batch_change(struct sql *sql, struct store_batch_change *change, int64_t now_ms,
                           const struct catalogue_changes *changes);

// --- queue.c
int catalogue_jobs_ready(struct sql *sql, struct store_jobs_ready *query);
int catalogue_job_links(struct sql *sql, struct store_job_links *links);
int catalogue_job_lines(struct sql *sql, struct store_job_lines *query);
int catalogue_job_waits(struct sql *sql, struct store_job_waits *query);
int catalogue_jobs_claimed(struct sql *sql, struct store_jobs_claimed *query);

// --- summaries.c
// Appends the encoded summary that is stored; nothing if there is none.
int catalogue_summary_get(struct sql *sql, int64_t row, struct buf *ret);
// Replaces one that counts no more records: its `next` is not greater.
int catalogue_summary_set(struct sql *sql, int64_t row, uint64_t next, struct str encoded);

// --- blobs.c
int catalogue_blob_find(struct sql *sql, struct store_blob_find *find);
int catalogue_blobs_find(struct sql *sql, struct store_blobs_find *find);
int catalogue_blob_want(struct sql *sql, const struct store_blob_want *want, int64_t now_ms);
// ERR_UNAUTHORIZED: the account was deleted.
int catalogue_blob_add(struct sql *sql, struct store_blob_add *add, int64_t now_ms);
int catalogue_blobs_unused(struct sql *sql, struct store_blobs_unused *query, int64_t now_ms);
int catalogue_blob_drop(struct sql *sql, struct store_blob_drop *drop, int64_t now_ms);
int catalogue_blobs_known(struct sql *sql, struct store_blobs_known *query);

// --- files.c
// Called before anything is written. ERR_INVALID with create->ret_reason and ret_field.
int catalogue_inputs_judge(struct sql *sql, struct store_create *create);
int catalogue_inputs_add(struct sql *sql, const struct store_create *create, int64_t now_ms); // once it is made
int catalogue_artifact_put(struct sql *sql, struct store_artifact_put *put, int64_t now_ms);
int catalogue_file_list(struct sql *sql, struct store_file_list *list);
int catalogue_files_purge(struct sql *sql, int64_t execution); // nothing refers to its files any more
int catalogue_artifacts_purge(struct sql *sql, struct store_artifacts_purge *purge);
int catalogue_run_find(struct sql *sql, struct store_run_find *run);

// --- workflow_rows.c
int catalogue_workflow_find(struct sql *sql, int64_t account, struct str workflow_id,
                            int64_t *ret_row);                                  // ERR_NOT_FOUND
int catalogue_workflow_get(struct sql *sql, int64_t row, struct workflow *ret); // *ret is overwritten. ERR_NOT_FOUND
void workflow_from_row(const struct sql_statement *row, struct workflow *ret);  // with WORKFLOW_COLUMNS
int catalogue_workflow_delete(struct sql *sql, int64_t row);                    // ERR_NOT_FOUND
int catalogue_workflows_forget(struct sql *sql, int64_t account);

// --- workflows.c
int catalogue_workflow_create(struct sql *sql, struct store_workflow_create *create, int64_t now_ms);
int catalogue_workflow_change(struct sql *sql, struct store_workflow_change *change, int64_t now_ms);
int catalogue_workflow_list(struct sql *sql, struct store_workflow_list *list);

// --- runs.c
// Called before anything is written: gives the execution its workflow's owner. ERR_NOT_FOUND: it is
// another user's.
int catalogue_run_judge(struct sql *sql, struct store_create *create);
int catalogue_run_add(struct sql *sql, const struct store_create *create); // once it is made
int catalogue_run_copy(struct sql *sql, int64_t from, int64_t to); // from one attempt to the next, which has none
int catalogue_run_get(struct sql *sql, struct store_run_get *get);
int catalogue_run_purge(struct sql *sql, int64_t execution);
int catalogue_graph_add(struct sql *sql, struct str graph, int64_t *ret); // 0 for an empty one
int catalogue_graph_forget(struct sql *sql, int64_t graph);               // if nobody names it any more; nothing for 0

// --- waits.c
int catalogue_waiting_set(struct sql *sql, int64_t row, struct str waiting, int64_t until_ms); // 0: for ever
int catalogue_waiting_end(struct sql *sql, int64_t row);
// Owned by the caller; NULL: it has never waited. *ret_until_ms -1: that is over.
int catalogue_waiting_get(struct sql *sql, int64_t row, char **ret, int64_t *ret_until_ms);
int catalogue_waits_due(struct sql *sql, struct store_waits_due *due);

// --- rosters.c
int catalogue_roster_tell(struct sql *sql, const struct store_roster_tell *tell);
int catalogue_rosters(struct sql *sql, struct store_rosters *query);
int catalogue_tally_tell(struct sql *sql, const struct store_tally_tell *tell);
int catalogue_tallies(struct sql *sql, struct store_tallies *query);
