// Tells why a job waits whose log is followed, in the words of its status.
#include "cli/log_reader.h"
#include "cli/terminal.h"
#include "model/status.h"
#include "util/clock.h"

#define FIRST_MS 2000 // most jobs have begun by then
#define EACH_MS  3000

void log_waits_init(struct log_waits *waits)
{
    waits->open = true;
    waits->due_ms = clock_mono_ms() + FIRST_MS;
}

void log_waits_release(struct log_waits *waits)
{
    buf_release(&waits->told);
    client_free(&waits->client);
}

// What a person needs to hear anew. How many are before it changes all the time, and so do the seconds until a retry;
// the words about workers say what is missing.
static void append_key(struct buf *out, const char *reason, const char *detail)
{
    buf_append_text(out, reason);
    if (strcmp(reason, "no_worker") == 0)
        buf_append_text(out, detail);
}

void log_waits_take(struct log_reader *reader, const json_t *status)
{
    struct log_waits *waits = &reader->waits;
    const json_t *why = json_object_get(status, "waiting");
    const char *word = json_string_value(json_object_get(status, "status"));
    const char *reason = json_string_value(json_object_get(why, "reason")),
               *detail = json_string_value(json_object_get(why, "detail"));
    CLEANUP(buf_release) struct buf key = {0}, text = {0};
    if (word && strcmp(word, status_word(STATUS_QUEUED)) != 0)
        waits->open = false;
    if (!waits->open || clock_mono_ms() < waits->due_ms || !reason || !detail)
        return;
    waits->due_ms = clock_mono_ms() + EACH_MS;
    append_key(&key, reason, detail);
    if (str_eq(buf_str(&key), buf_str(&waits->told)))
        return;
    buf_reset(&waits->told);
    buf_append_str(&waits->told, buf_str(&key));
    buf_append_text(&text, "waiting: ");
    terminal_append(&text, str_of(detail));
    log_reader_say(reader, buf_cstr(&text));
}

void log_waits_look(struct log_reader *reader)
{
    struct log_waits *waits = &reader->waits;
    bool begun = reader->printer->any || (reader->state.known && reader->state.status != STATUS_QUEUED);
    waits->open = waits->open && !begun;
    if (!waits->open || clock_mono_ms() < waits->due_ms)
        return;
    CLEANUP(free_ptr) char *path = xasprintf("/api/v1/executions/%s/status", reader->execution_id);
    CLEANUP(client_response_release) struct client_response response = {0};
    CLEANUP(json_free) json_t *status = NULL;
    if (!waits->client && client_new(&reader->options, &waits->client))
        return;
    if (client_request(waits->client, "GET", path, str_n(NULL, 0), NULL, &response) == 0 && response.status == 200)
        status = json_loadb(response.body.data, response.body.len, 0, NULL);
    log_waits_take(reader, status);
    waits->due_ms = MAX(waits->due_ms, clock_mono_ms() + EACH_MS);
}
