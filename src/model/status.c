#include "model/status.h"

#define BIT(status) (1u << (status))
#define OUTCOMES    (BIT(STATUS_COMPLETED) | BIT(STATUS_FAILED) | BIT(STATUS_CANCELLED) | BIT(STATUS_TIMED_OUT))

static const struct {
    const char *word;
    bool terminal;
    const char *log_api, *runs_api;
} statuses[STATUS_COUNT] = {
#define STATUS_ENTRY(name, word, terminal, log_api, runs_api) [name] = {word, terminal, log_api, runs_api},
    EXECUTION_STATUSES(STATUS_ENTRY)
#undef STATUS_ENTRY
};

// Which statuses may follow each. Terminal ones have no entry: nothing may follow.
static const unsigned followers[STATUS_COUNT] = {
    [STATUS_QUEUED] = BIT(STATUS_RUNNING) | BIT(STATUS_CANCELLED) | BIT(STATUS_FAILED) | BIT(STATUS_TIMED_OUT) |
                      BIT(STATUS_SKIPPED) | BIT(STATUS_LOST),
    [STATUS_RUNNING] = OUTCOMES | BIT(STATUS_WAITING) | BIT(STATUS_PAUSED) | BIT(STATUS_LOST),
    [STATUS_WAITING] = OUTCOMES | BIT(STATUS_RUNNING) | BIT(STATUS_LOST),
    [STATUS_PAUSED] = OUTCOMES | BIT(STATUS_RUNNING) | BIT(STATUS_LOST),
    // The runner came back: the job goes on, or the runner reports how it ended.
    [STATUS_LOST] = OUTCOMES | BIT(STATUS_RUNNING),
};

const char *status_word(enum execution_status status)
{
    return statuses[status].word;
}

const char *status_log_api(enum execution_status status)
{
    return statuses[status].log_api;
}

const char *status_runs_api(enum execution_status status)
{
    return statuses[status].runs_api;
}

bool status_parse(struct str word, enum execution_status *ret)
{
    for (unsigned i = 0; i < STATUS_COUNT; i++) {
        if (!str_eq(word, str_of(statuses[i].word)))
            continue;
        *ret = (enum execution_status)i;
        return true;
    }
    return false;
}

bool status_terminal(enum execution_status status)
{
    return statuses[status].terminal;
}

bool status_may_become(enum execution_status from, enum execution_status to)
{
    return from == to || (followers[from] & BIT(to)) != 0;
}
