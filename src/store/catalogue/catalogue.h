// The catalogue: accounts, keys, executions. Its statements are written once and run on each engine of store/sql/;
// adapters call these functions, each with a connection of its own, and keep for themselves what is theirs (caches, the
// log, who is told).
//
// What changes something is called within a write transaction of the caller's, and is one with what else that one
// holds. The outcome of the operation comes back (ERR_NOT_FOUND, ERR_CONFLICT …) before anything is written; an error
// of the database (store/sql/sql.h) means that the transaction is to be rolled back, and begun again if sql_again says
// so. Strings and the rest of an operation's results are as store/ops/ say.
#pragma once

#include "store/catalogue/statements.h"
#include "store/ops/account.h"
#include "store/ops/batch.h"
#include "store/ops/execution.h"
#include "store/ops/job.h"
#include "store/ops/key.h"
#include "store/ops/node.h"

// --- accounts.c
// A name, if there is one, is looked up; else *account is as it was. ERR_NOT_FOUND, ERR_EXPIRED if it was deleted.
int catalogue_account_resolve(struct sql *sql, struct str name, int64_t *account);
// ERR_EXPIRED if it was deleted. For a write transaction: nor will it be before its end.
int catalogue_account_open(struct sql *sql, int64_t account);
// ERR_SUSPENDED while it is, and for so long after it was resumed.
int catalogue_account_may_give_up(struct sql *sql, int64_t account, uint64_t grace_ms, int64_t now_ms);
int catalogue_account_ensure(struct sql *sql, struct store_account_ensure *ensure, int64_t now_ms);
int catalogue_account_create(struct sql *sql, struct store_account_create *create, int64_t now_ms);
// Without ret_change. A deleted one is left to catalogue_account_purging.
int catalogue_account_change(struct sql *sql, struct store_account_change *change, int64_t now_ms);
int catalogue_account_list(struct sql *sql, struct store_account_list *list);
// Up to `max` rows of executions that are not purged.
int catalogue_account_holds(struct sql *sql, int64_t account, size_t max, int64_t *ret_rows, size_t *ret_count);
// A deleted account that may hold executions yet; 0: none.
int catalogue_account_purging(struct sql *sql, int64_t *ret_account);
int catalogue_account_purged(struct sql *sql, int64_t account); // it does not

// --- keys.c
int catalogue_key_create(struct sql *sql, struct store_key_create *create);
int catalogue_key_revoke(struct sql *sql, struct store_key_revoke *revoke, int64_t now_ms);
int catalogue_key_used(struct sql *sql, const struct store_key_used *used);
int catalogue_key_find(struct sql *sql, struct store_key_find *find);
int catalogue_key_list(struct sql *sql, struct store_key_list *list);

// --- operators.c
int catalogue_keys_revoke(struct sql *sql, int64_t account, int64_t now_ms); // all of an account
// ERR_LAST_OPERATOR if without this key, or without the keys of this account (0: none), no operator's would be left
// that lasts as long. Nobody else changes keys of operators until the transaction ends.
int catalogue_operators_left(struct sql *sql, int64_t key_row, int64_t account, int64_t now_ms);

// --- executions.c
struct log_state { // the end of a log
    uint64_t next, digest, message_bytes;
};

struct catalogue_head { // what a change of an execution begins with
    int64_t account;
    bool purged;
    struct outcome outcome;
    struct log_state log;         // the log may have more than this, see the adapter
    char *batch_id, *workflow_id; // or NULL; the caller's
};

// Within a write transaction nobody else changes the execution from then on. ERR_NOT_FOUND
int catalogue_execution_head(struct sql *sql, int64_t row, struct catalogue_head *ret);
int catalogue_execution_find(struct sql *sql, int64_t account, struct str execution_id,
                             int64_t *ret_row);                                   // ERR_NOT_FOUND
int catalogue_execution_get(struct sql *sql, int64_t row, struct execution *ret); // *ret is overwritten. ERR_NOT_FOUND
int catalogue_execution_extent(struct sql *sql, int64_t row, uint64_t *ret_next,
                               uint64_t *ret_first); // and ERR_EXPIRED
// Sealed, purged; one that is not there is purged.
int catalogue_execution_closed(struct sql *sql, int64_t row, bool *ret_sealed, bool *ret_purged);
int catalogue_executions_open(struct sql *sql, int64_t account, uint64_t *ret_count);

int catalogue_execution_worker(struct sql *sql, const struct store_claim *claim);
int catalogue_execution_outcome(struct sql *sql, int64_t row, const struct outcome *outcome,
                                const struct log_state *log);
int catalogue_execution_fold(struct sql *sql, int64_t row,
                             const struct log_state *log); // nothing if that is not behind
int catalogue_execution_pin(struct sql *sql, int64_t row, bool pinned);
int catalogue_execution_cancel(struct sql *sql, int64_t row, struct str reason); // the first reason stays
int catalogue_execution_purge(struct sql *sql, int64_t row);                     // all but the log's own
int catalogue_executions_restored(struct sql *sql);                              // marks the open ones

// --- documents.c
// What the metadata become by a patch, as metadata_merge says. Owned by the caller.
int catalogue_metadata_judge(struct sql *sql, int64_t row, struct str patch, size_t max, char **ret);
// Metadata with its labels; `spec` without data: unchanged.
int catalogue_documents_set(struct sql *sql, int64_t account, int64_t row, struct str spec, struct str metadata);
int catalogue_metadata_set(struct sql *sql, int64_t account, int64_t row, struct str metadata);

// --- create.c
// The execution that was made with the same idempotency key within the last day, or 0. ERR_IDEMPOTENCY.
int catalogue_create_repeated(struct sql *sql, const struct store_create *create, int64_t now_ms, int64_t *ret_row);
// ERR_UNAUTHORIZED if the account was deleted; ERR_CONFLICT, ERR_EXPIRED if the identifier is taken.
int catalogue_create_check(struct sql *sql, const struct store_create *create);
// Makes it, with its documents, labels and idempotency key; sets row, execution_id and created_ms.
int catalogue_create(struct sql *sql, struct store_create *create, int64_t now_ms);

// --- list.c
#define CATALOGUE_LIST_MAX 10000
// The rows of a page, newest first, and one more if there is one: ret_rows has room for limit + 1.
int catalogue_list_rows(struct sql *sql, const struct store_list *list, unsigned limit, int64_t *ret_rows,
                        size_t *ret_count);

// --- nodes.c
// The one clock that all who use the store agree on. Where one process alone has it, its own will do.
int catalogue_now(struct sql *sql, int64_t *ret_ms);
// `alone`: no other process can have the store, so whoever was there before is not any more.
int catalogue_node_start(struct sql *sql, struct store_node_start *start, bool alone, int64_t now_ms);
int catalogue_node_beat(struct sql *sql, struct store_node_beat *beat, int64_t now_ms);
// ERR_NODE_FENCED. For a write transaction: nor will it be before its end. Node 0 always is there.
int catalogue_node_stands(struct sql *sql, int64_t node);
int catalogue_node_sign(struct sql *sql, int64_t node, struct node_sign *ret); // as it will be until its end

// --- leases.c
int catalogue_lease_get(struct sql *sql, enum lease_kind kind, int64_t subject, struct node_lease *ret); // all 0: none
// Judged by node_lease_next, and written. Its refusals, ERR_NODE_FENCED.
int catalogue_lease_change(struct sql *sql, enum lease_kind kind, int64_t subject, const struct node_lease_ask *ask,
                           int64_t now_ms, struct node_lease *ret);
int catalogue_lease_adopt(struct sql *sql, struct store_lease_adopt *adopt, int64_t now_ms);
// Whoever holds it: it runs out by then; 0: when its node is not heard of any more.
int catalogue_lease_deadline(struct sql *sql, enum lease_kind kind, int64_t subject, int64_t deadline_ms);
int catalogue_lease_end(struct sql *sql, enum lease_kind kind, int64_t subject); // there is nothing to hold any more

// --- Jobs and batches. docs/internals/jobs.md. What follows from a change may change other executions: the adapter
// has their outcomes, so it is asked to.
struct catalogue_changes {
    void *arg;
    // Judges and stores an outcome that was not there before: catalogue_job_outcome is part of that.
    int (*end)(void *arg, int64_t row, enum outcome_cause cause);
    int (*made)(void *arg, int64_t row); // a new execution, which is queued
    // What is shown of it is another by now. `ready`: a worker may have it.
    int (*changed)(void *arg, int64_t row, bool ready);
    void (*batch_changed)(void *arg, int64_t account, int64_t batch,
                          bool unsettled); // and none of its executions with it
};

struct job_effect { // of an outcome on the job
    bool is_job, ready, unsettled;
    int64_t batch;
    int queued; // how many more of the account are queued: -1, 0, 1
};

// --- job_rows.c
int catalogue_job_reason(struct sql *sql, int64_t row, struct str reason); // the first one stays
int catalogue_job_purge(struct sql *sql, int64_t row);                     // of one that is settled
// Of a row of JOB_VIEW_COLUMNS that begin at `column`.
void job_view_from_row(const struct sql_statement *row, int column, struct job_view *ret);

// --- jobs.c
// With each change of an outcome, after it was written.
int catalogue_job_outcome(struct sql *sql, int64_t row, const struct outcome *before, const struct outcome *after,
                          int64_t now_ms, struct job_effect *ret);
int catalogue_jobs_queued(struct sql *sql, int64_t account, uint64_t *ret_count);
int catalogue_job_claimable(struct sql *sql, int64_t row); // ERR_NOT_FOUND: it is no job. ERR_CONFLICT
// After its outcome was stored. ret_spec: the caller's; NULL if it has none.
int catalogue_job_claimed(struct sql *sql, int64_t row, struct str worker_id, struct str hostname, char **ret_spec,
                          struct retry_rule *ret_rule);
// After its outcome was stored; it ends if it is not wanted any more. ERR_NOT_FOUND: it is no job.
int catalogue_job_returned(struct sql *sql, int64_t row, const struct catalogue_changes *changes);
int catalogue_job_rule(struct sql *sql, int64_t row, struct retry_rule *ret); // ERR_NOT_FOUND
int catalogue_job_batch(struct sql *sql, int64_t row, int64_t *ret);          // 0: none. ERR_NOT_FOUND: it is no job

// --- attempts.c
struct job_parents; // what a new job depends on, as it was found
// Before anything is written: ERR_NOT_FOUND and ERR_INVALID with a reason in create->ret_reason; ERR_TOO_LARGE.
int catalogue_job_judge(struct sql *sql, struct store_create *create, struct job_parents **ret);
void job_parents_free(struct job_parents **parents);
// After catalogue_create, which made it. It may end at once: read it anew.
int catalogue_job_create(struct sql *sql, const struct store_create *create, const struct job_parents *parents,
                         const struct catalogue_changes *changes);
int catalogue_job_retry(struct sql *sql, int64_t row, int64_t now_ms, const struct catalogue_changes *changes,
                        int64_t *ret_row); // ERR_NOT_FOUND, ERR_CONFLICT

// --- settle.c
int catalogue_job_unsettled(struct sql *sql, int64_t row, bool *ret); // its ending waits
int catalogue_job_settle(struct sql *sql, struct store_job_settle *settle, int64_t now_ms,
                         const struct catalogue_changes *changes);
// That one alone, all of it.
int catalogue_job_settle_one(struct sql *sql, int64_t row, int64_t now_ms, const struct catalogue_changes *changes);

// --- batch_rows.c
int catalogue_batch_get(struct sql *sql, int64_t row, struct batch *ret);                          // ERR_NOT_FOUND
int catalogue_batch_find(struct sql *sql, int64_t account, struct str batch_id, int64_t *ret_row); // likewise
int catalogue_batch_account(struct sql *sql, int64_t row, int64_t *ret);                           // likewise
int catalogue_batches_forget(struct sql *sql, int64_t account);                                    // and workers

// --- batches.c
int catalogue_batch_create(struct sql *sql, struct store_batch_create *create, int64_t now_ms);
int catalogue_batch_list(struct sql *sql, struct store_batch_list *list);
int catalogue_batch_failures(struct sql *sql, int64_t row, unsigned limit, int64_t *ret_rows, size_t *ret_count);
// Which of the jobs are there already: their rows, else 0. ERR_CONFLICT, ERR_TOO_LARGE.
int catalogue_batch_judge(struct sql *sql, const struct store_batch_add *add, int64_t *ret_rows);
int catalogue_batch_added(struct sql *sql, int64_t row, const struct catalogue_changes *changes);
int catalogue_batch_change(struct sql *sql, struct store_batch_change *change, int64_t now_ms,
                           const struct catalogue_changes *changes);

// --- queue.c
int catalogue_jobs_ready(struct sql *sql, struct store_jobs_ready *query);
int catalogue_job_lines(struct sql *sql, struct store_job_lines *query);
int catalogue_job_waits(struct sql *sql, struct store_job_waits *query);

// --- workers.c
int catalogue_worker_seen(struct sql *sql, const struct store_worker_seen *seen, int64_t now_ms);
int catalogue_worker_list(struct sql *sql, struct store_worker_list *list);
