// Tells in words what happens to the runner of a log that is followed.
#include "cli/log_reader.h"
#include "model/status.h"

static const char gone[] = "its runner is gone; if it does not come back in time, it counts as lost";
static const char back[] = "its runner is back";
static const char lost[] =
    "its runner is lost: nothing was heard of it for longer than its lease; the log goes on if it comes back";

void log_reader_say(const struct log_reader *reader, const char *text)
{
    log_printer_flush(reader->printer);
    if (reader->name)
        fprintf(stderr, "runnel: %s: %s\n", reader->name, text);
    else
        fprintf(stderr, "runnel: %s\n", text);
}

void log_reader_take_state(struct log_reader *reader, const char *status_text, bool connected)
{
    struct log_state *state = &reader->state;
    enum execution_status status;
    if (!status_text || !status_parse(str_of(status_text), &status))
        return;
    bool was_away = state->known && state->away, was_lost = state->known && state->status == STATUS_LOST;
    bool is_lost = status == STATUS_LOST;
    // An execution whose records are posted never had a runner, and misses none.
    bool away = !connected && !status_terminal(status) && (was_away || (state->known && state->connected));
    if (is_lost && !was_lost)
        log_reader_say(reader, lost);
    else if (away && !was_away && !is_lost)
        log_reader_say(reader, gone);
    else if ((was_away || was_lost) && connected)
        log_reader_say(reader, back);
    *state = (struct log_state){true, connected, away || is_lost, status};
    reader->gave_up = is_lost && reader->ends_when_lost;
}
