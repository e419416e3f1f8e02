#include "cli/log_state.h"

#include "cli/log_reader.h"

static const char gone[] = "its runner is gone; if it does not come back in time, it counts as lost";
static const char back[] = "its runner is back";
static const char lost[] =
    "its runner is lost: nothing was heard of it for longer than its lease; the log goes on if it comes back";

enum runner_link runner_link_of(const json_t *connected)
{
    return json_is_true(connected) ? RUNNER_CONNECTED : json_is_false(connected) ? RUNNER_AWAY : RUNNER_UNKNOWN;
}

// Who takes a job is not connected at once, and an execution whose records are posted never has a runner: none of them
// is gone. One that was gone and may be with another server now is back: nobody else has it.
const char *log_state_take(struct log_state *state, enum execution_status status, enum runner_link runner)
{
    const struct log_state was = *state;
    bool is_lost = status == STATUS_LOST, was_lost = was.status == STATUS_LOST;
    bool away = runner == RUNNER_AWAY && !status_terminal(status) && (was.away || was.connected);
    bool connected =
        runner == RUNNER_CONNECTED || (runner == RUNNER_UNKNOWN && !is_lost && (was.connected || was.away));
    *state = (struct log_state){true, connected, away || is_lost, status};
    if (is_lost)
        return was_lost ? NULL : lost;
    if (away)
        return was.away ? NULL : gone;
    return was.away && connected ? back : NULL;
}

void log_reader_say(const struct log_reader *reader, const char *text)
{
    log_printer_flush(reader->printer);
    if (reader->name)
        fprintf(stderr, "runnel: %s: %s\n", reader->name, text);
    else
        fprintf(stderr, "runnel: %s\n", text);
}

void log_reader_take_state(struct log_reader *reader, const char *status_text, const json_t *connected)
{
    enum execution_status status;
    if (!status_text || !status_parse(str_of(status_text), &status))
        return;
    const char *told = log_state_take(&reader->state, status, runner_link_of(connected));
    if (told)
        log_reader_say(reader, told);
    reader->gave_up = status == STATUS_LOST && reader->ends_when_lost;
}
