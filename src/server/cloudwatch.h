// CloudWatch Logs as what keeps logs (ingest/fetches.h): the settings cloudwatch_…, of the start.
#pragma once

#include "ingest/fetches.h"
#include "server/config.h"

struct cloudwatch_logs;

// *ret is NULL if the settings name no log group. ERR_INVALID, with what is wrong with them in *ret_error. The
// configuration must outlive it.
int cloudwatch_logs_new(const struct config *config, struct cloudwatch_logs **ret, struct buf *ret_error);
void cloudwatch_logs_free(struct cloudwatch_logs **logs);
// Finds the account whose logs it keeps; until then it serves none. Runs the loop, before anything else does. NULL is
// fine.
int cloudwatch_logs_open(struct cloudwatch_logs *logs, struct store *store, struct loop *loop, struct buf *ret_error);
struct fetch_port cloudwatch_logs_port(struct cloudwatch_logs *logs);
