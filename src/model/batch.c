#include "model/batch.h"

static const struct {
    bool runs, failed;
} kinds[STATUS_COUNT] = {
    [STATUS_RUNNING] = {.runs = true},  [STATUS_WAITING] = {.runs = true},     [STATUS_PAUSED] = {.runs = true},
    [STATUS_FAILED] = {.failed = true}, [STATUS_CANCELLED] = {.failed = true}, [STATUS_TIMED_OUT] = {.failed = true},
    [STATUS_LOST] = {.failed = true},
};

static bool runs(enum execution_status status)
{
    return status < STATUS_COUNT && kinds[status].runs;
}

static bool has_ended(enum execution_status status)
{
    return status < STATUS_COUNT && status_terminal(status);
}

bool batch_counts_as_failed(enum execution_status status)
{
    return status < STATUS_COUNT && kinds[status].failed;
}

uint64_t batch_total(const struct batch_counts *counts)
{
    uint64_t total = 0;
    for (unsigned i = 0; i < STATUS_COUNT; i++)
        total += counts->of[i];
    return total;
}

uint64_t batch_failed(const struct batch_counts *counts)
{
    uint64_t failed = 0;
    for (unsigned i = 0; i < STATUS_COUNT; i++)
        failed += kinds[i].failed ? counts->of[i] : 0;
    return failed;
}

uint64_t batch_running(const struct batch_counts *counts)
{
    uint64_t running = 0;
    for (unsigned i = 0; i < STATUS_COUNT; i++)
        running += kinds[i].runs ? counts->of[i] : 0;
    return running;
}

uint64_t batch_left(const struct batch_counts *counts)
{
    return counts->of[STATUS_QUEUED] + batch_running(counts);
}

enum batch_status batch_status(const struct batch_counts *counts, const struct batch_facts *facts)
{
    bool over = batch_left(counts) == 0 && !facts->unsettled && (!facts->open || facts->cancelled);
    if (over)
        return facts->cancelled ? BATCH_CANCELLED : BATCH_COMPLETED;
    return batch_total(counts) > counts->of[STATUS_QUEUED] ? BATCH_RUNNING : BATCH_QUEUED;
}

bool batch_status_over(enum batch_status status)
{
    return status == BATCH_COMPLETED || status == BATCH_CANCELLED;
}

const char *batch_status_word(enum batch_status status)
{
    static const char *const words[] = {
        [BATCH_QUEUED] = "queued",
        [BATCH_RUNNING] = "running",
        [BATCH_COMPLETED] = "completed",
        [BATCH_CANCELLED] = "cancelled",
    };
    return words[status];
}

bool batch_stops(const struct batch_limits *limits, const struct batch_counts *counts, const struct batch_doubt *doubt)
{
    if (!limits->has_max_fails)
        return false;
    uint64_t failed = batch_failed(counts) - MIN(doubt->may_come_back, counts->of[STATUS_LOST]);
    uint64_t total = MAX(batch_total(counts), doubt->expected);
    return limits->max_fails_is_percent ? failed * 100 > limits->max_fails * total : failed > limits->max_fails;
}

static void count_run(struct batch_counts *counts, const struct batch_move *move)
{
    if (runs(move->from) && !runs(move->to))
        counts->running_started_sum -= move->started_ms;
    if (runs(move->from) || !runs(move->to))
        return;
    counts->running_started_sum += move->started_ms;
    if (counts->first_started_ms == 0 || move->started_ms < counts->first_started_ms)
        counts->first_started_ms = move->started_ms;
}

static void count_end(struct batch_counts *counts, const struct batch_move *move)
{
    if (!has_ended(move->to) || has_ended(move->from))
        return;
    counts->last_ended_ms = MAX(counts->last_ended_ms, move->ended_ms);
    if (move->started_ms == 0)
        return;
    counts->ended++;
    counts->ended_ms_sum += MAX(move->ended_ms - move->started_ms, 0);
    counts->cost_micros += move->cost_micros;
}

void batch_count(struct batch_counts *counts, const struct batch_move *move)
{
    if (move->from == move->to)
        return;
    if (move->from < STATUS_COUNT)
        counts->of[move->from]--;
    if (move->to < STATUS_COUNT)
        counts->of[move->to]++;
    count_run(counts, move);
    count_end(counts, move);
}

// Work that is left, shared by as many as worked at once so far, or by those that run now if they are more: a batch
// may have had pauses. The last ones take a job's time, however many share.
int64_t batch_eta_ms(const struct batch_counts *counts, const struct batch_limits *limits, int64_t now_ms)
{
    if (batch_left(counts) == 0)
        return 0;
    if (counts->ended == 0 || counts->first_started_ms == 0)
        return -1;
    double running = (double)batch_running(counts), queued = (double)counts->of[STATUS_QUEUED];
    double mean = (double)counts->ended_ms_sum / (double)counts->ended;
    double worked = MAX(running * (double)now_ms - (double)counts->running_started_sum, 0);
    double passed = MAX((double)(now_ms - counts->first_started_ms), 1);
    double at_once = MAX(MAX(((double)counts->ended_ms_sum + worked) / passed, running), 1);
    if (limits->parallel > 0)
        at_once = MIN(at_once, (double)limits->parallel);
    double running_left = MAX(running * mean - worked, 0);
    double shared = (queued * mean + running_left) / at_once;
    double last = (queued > 0 ? mean : 0) + (running > 0 ? running_left / running : 0);
    return (int64_t)(MAX(shared, last) + 0.5);
}
