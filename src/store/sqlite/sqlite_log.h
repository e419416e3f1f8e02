// How this engine keeps records: the functions of struct log_engine.
#pragma once

#include "store/engine/write/transaction.h"

extern const struct log_engine sqlite_log;

// --- In read/, copy/ and write/.
void log_read(const struct session *session, struct store_op *op);
void log_backup(const struct session *session, struct store_op *op);
int log_cut(struct transaction *tx, int64_t row, uint64_t end);
int log_purge(struct transaction *tx, int64_t row, bool by_age);
int log_purge_next(struct transaction *tx, int64_t *ret_row);
int log_purge_chunks(struct transaction *tx, int64_t row, uint64_t *ret_count);
int log_purge_end(struct transaction *tx, int64_t row);
