// The outcome of an execution, within the writer's transaction. model/outcome.h decides; this writes it, counts open
// executions, and tells the watchers.
#pragma once

#include "store/engine/write/transaction.h"

// Decides, and writes nothing yet: what changes together is decided first. Returns its refusals.
int outcome_judge(struct transaction *tx, const struct head *head, const struct outcome_ask *ask, struct outcome *ret);
// 0 or a database error.
int outcome_store(struct transaction *tx, struct head *head, const struct outcome *next);
int outcome_change(struct transaction *tx, struct head *head, const struct outcome_ask *ask); // both

// Writes that the runner is to cancel, and why; and that this is written, for the server to which it is connected.
int cancel_ask(struct transaction *tx, const struct head *head, struct str reason);
int cancel_asked(struct transaction *tx, int64_t account, const int64_t *rows, size_t count, struct str reason);

// The node has the lease of the execution's runner from now on. Returns the refusals of node_lease_next.
int lease_claim(struct transaction *tx, int64_t row, int64_t node, uint64_t epoch);

// Tells the watchers after the commit. Until then no cache keeps the execution.
void announce(struct transaction *tx, const struct head *head);
void announce_job(struct transaction *tx, const struct head *head, const struct job_effect *effect);
// Reads the execution as this transaction has left it.
int execution_load_changed(struct transaction *tx, const struct head *head, struct execution *ret);
// Returns how many unsealed executions an account has, as of this transaction. The next function changes the count, if
// it is known.
int open_count_get(struct transaction *tx, int64_t account, uint64_t *ret);
void open_count_add(struct transaction *tx, int64_t account, int by);
int queued_count_get(struct transaction *tx, int64_t account, uint64_t *ret); // the same for the jobs that wait
void queued_count_add(struct transaction *tx, int64_t account, int by);
