// A batch: how many of its jobs have which status, when it stops early, how long it may take. Pure.
#pragma once

#include "model/status.h"

#define BATCH_JOBS_MAX 100000

struct batch_counts { // of the newest attempt of each job
    uint64_t of[STATUS_COUNT];
    uint64_t ended;                          // that were started and have ended
    int64_t ended_ms_sum;                    // of their durations
    int64_t running_started_sum;             // of the started_ms of those that run
    int64_t cost_micros;                     // of those that have ended
    int64_t first_started_ms, last_ended_ms; // 0: none
};

enum batch_status { BATCH_QUEUED, BATCH_RUNNING, BATCH_COMPLETED, BATCH_CANCELLED };

struct batch_limits {
    unsigned parallel; // at most so many at once; 0: no limit
    bool has_max_fails;
    bool max_fails_is_percent; // of total
    uint64_t max_fails;        // more than so many failures stop it
};

uint64_t batch_total(const struct batch_counts *counts);
uint64_t batch_failed(const struct batch_counts *counts);  // failed, cancelled, timed out, lost
uint64_t batch_running(const struct batch_counts *counts); // with waiting and paused
uint64_t batch_left(const struct batch_counts *counts);    // queued and running
enum batch_status batch_status(const struct batch_counts *counts, bool open, bool cancelled);
const char *batch_status_word(enum batch_status status);
// More failures than it may have: nothing more is started.
bool batch_stops(const struct batch_limits *limits, const struct batch_counts *counts);
// Moves one job from a status to another; STATUS_COUNT: from, or to, none. `started_ms` and `ended_ms` of the job, 0:
// not.
void batch_count(struct batch_counts *counts, enum execution_status from, enum execution_status to, int64_t started_ms,
                 int64_t ended_ms, int64_t cost_micros);
// Milliseconds until the last one ends, as the mean of those that have ended and the parallelism seen so far let
// expect; -1 before there is anything to go by; 0 when none is left.
int64_t batch_eta_ms(const struct batch_counts *counts, const struct batch_limits *limits, int64_t now_ms);
