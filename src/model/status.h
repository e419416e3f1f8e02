// The statuses of a job, and the changes that are allowed: one table each.
#pragma once

#include "util/str.h"

// X(name, word, terminal, workflow log API, workflow runs, CLI exit meaning)
#define EXECUTION_STATUSES(X)                                                  \
    X(STATUS_QUEUED, "queued", false, "NEW", "QUEUED")                         \
    X(STATUS_RUNNING, "running", false, "RUNNING", "RUNNING")                  \
    X(STATUS_WAITING, "waiting", false, "WAITING_FOR_HUMAN", "AWAITING_INPUT") \
    X(STATUS_PAUSED, "paused", false, "PAUSED", "RUNNING")                     \
    X(STATUS_COMPLETED, "completed", true, "SUCCESS", "COMPLETED")             \
    X(STATUS_FAILED, "failed", true, "ERROR", "FAILED")                        \
    X(STATUS_CANCELLED, "cancelled", true, "CANCELED", "CANCELLED")            \
    X(STATUS_TIMED_OUT, "timed_out", true, "TIMEOUT", "TIMED_OUT")             \
    X(STATUS_SKIPPED, "skipped", true, "CANCELED", "CANCELLED")                \
    X(STATUS_LOST, "lost", false, "ERROR", "STALE")

enum execution_status {
#define STATUS_ENUM(name, word, terminal, log_api, runs_api) name,
    EXECUTION_STATUSES(STATUS_ENUM)
#undef STATUS_ENUM
        STATUS_COUNT
};

const char *status_word(enum execution_status status);
const char *status_log_api(enum execution_status status);  // in the words of the workflow log API
const char *status_runs_api(enum execution_status status); // and of workflow runs
bool status_parse(struct str word, enum execution_status *ret);
bool status_terminal(enum execution_status status); // `lost` becomes terminal only with the seal
// True if the table allows `to` after `from`. The same status again is always allowed; the caller compares the
// outcomes.
bool status_may_become(enum execution_status from, enum execution_status to);
