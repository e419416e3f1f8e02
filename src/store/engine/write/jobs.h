// What the catalogue asks of the writer while jobs change, and the function that makes an execution.
#pragma once

#include "store/engine/write/transaction.h"

struct catalogue_changes job_changes(struct transaction *tx);
// --- commit_execution.c. Each time that it is applied begins with what was asked: its transaction may have been begun
// before, and come to nothing.
void create_begin(struct store_create *create);
int create_answer(struct transaction *tx, struct store_create *create, const struct head *head); // as it is now
// Of one that was judged; `parents` of a job.
int execution_create(struct transaction *tx, struct store_create *create, const struct job_parents *parents);
