// A batch: how many of its jobs have which status, when it stops early, how long it may take. Pure.
#pragma once

#include "model/status.h"

#define BATCH_JOBS_MAX 100000

// Counts are of the newest attempt of each job. Times and cost are of all attempts, because each was paid for.
struct batch_counts {
    uint64_t of[STATUS_COUNT];
    uint64_t ended;                          // those that were started and have ended; of a lost one that is not known
    int64_t ended_ms_sum;                    // sum of their durations
    int64_t running_started_sum;             // sum of started_ms of those that run
    int64_t cost_micros;                     // of those that have ended
    int64_t first_started_ms, last_ended_ms; // 0: none
};

enum batch_status { BATCH_QUEUED, BATCH_RUNNING, BATCH_COMPLETED, BATCH_CANCELLED };

struct batch_limits {
    unsigned parallel; // at most so many at once; 0: no limit
    bool has_max_fails;
    bool max_fails_is_percent; // a percentage of all jobs that exist or are expected
    uint64_t max_fails;        // more failures than that stop it
};

uint64_t batch_total(const struct batch_counts *counts);
uint64_t batch_failed(const struct batch_counts *counts);  // failed, cancelled, timed out, lost
uint64_t batch_running(const struct batch_counts *counts); // including waiting and paused
uint64_t batch_left(const struct batch_counts *counts);    // queued and running
struct batch_facts {
    bool open;      // it takes more jobs. Without jobs, only that keeps it from being completed
    bool unsettled; // one that has ended may be tried again, or one that was lost may come back
    bool cancelled;
};
enum batch_status batch_status(const struct batch_counts *counts, const struct batch_facts *facts);
bool batch_status_over(enum batch_status status);
const char *batch_status_word(enum batch_status status);
// Whether batch_failed counts this status.
bool batch_counts_as_failed(enum execution_status status);
struct batch_doubt {
    uint64_t expected;      // how many jobs were announced; 0: none
    uint64_t may_come_back; // lost ones of which that is not over (JOB_LOST). They have not failed before it is
};
// True if it has more failures than it may have: then nothing more is started. What stops is not taken back, so only
// what is known counts.
bool batch_stops(const struct batch_limits *limits, const struct batch_counts *counts, const struct batch_doubt *doubt);

struct batch_move {
    enum execution_status from, to; // STATUS_COUNT: none, because the job is new, or a newer attempt takes its place
    int64_t started_ms;             // before the move; of a job that starts, after it; 0: not started
    int64_t ended_ms;               // after the move; 0: not ended
    int64_t cost_micros;            // for an end
};
// Moves one job from a status to another.
void batch_count(struct batch_counts *counts, const struct batch_move *move);
// Returns the milliseconds until the last one ends. The estimate uses the mean duration of those that have ended, and
// the parallelism so far. -1 if nothing is known yet; 0 if none is left.
int64_t batch_eta_ms(const struct batch_counts *counts, const struct batch_limits *limits, int64_t now_ms);
