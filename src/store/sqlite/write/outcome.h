// The outcome of an execution within the writer's transaction: model/outcome.h decides, this writes it down, counts
// what is open and tells the watchers.
#pragma once

#include "store/sqlite/sqlite_private.h"

// Judged, and not written yet: what is changed together is judged first. Its refusals.
int outcome_judge(struct sqlite_store *store, const struct head *head, const struct outcome_ask *ask,
                  struct outcome *ret);
int outcome_store(struct sqlite_store *store, struct head *head, const struct outcome *next);     // or a database error
int outcome_change(struct sqlite_store *store, struct head *head, const struct outcome_ask *ask); // both

// Tells the watchers, after the commit, and has nobody keep the execution until then.
void announce(struct sqlite_store *store, const struct head *head);
void announce_job(struct sqlite_store *store, const struct head *head, const struct job_effect *effect);
// The execution as this transaction has left it.
int execution_load_changed(struct sqlite_store *store, const struct head *head, struct execution *ret);
// The unsealed executions of an account, as of this transaction. To step over the count, if it is known.
int open_count_get(struct sqlite_store *store, int64_t account, uint64_t *ret);
void open_count_add(struct sqlite_store *store, int64_t account, int by);
int queued_count_get(struct sqlite_store *store, int64_t account, uint64_t *ret); // likewise of the jobs that wait
void queued_count_add(struct sqlite_store *store, int64_t account, int by);
