#include "runner/container/pull.h"

#include "runner/container/create.h"
#include "util/clock.h"

#define PULL_IDLE_MS  300000 // a layer may take long to be unpacked, and nothing is said meanwhile
#define FIRST_STEP_MS 1000   // time between two events; it doubles

struct pull {
    struct local_call *call;
    const struct pull_events *events;
    void *arg;
    char *image;
    int status;
    struct buf line;   // of the progress; or all of an answer that is an error
    struct buf failed; // why it failed, as the engine says
    uint64_t next_ms, step_ms;
    unsigned told;
    bool too_long;
};

// "Downloading 3f4a90cd58a2 12 of 48 MB"
static void tell(struct pull *pull, const json_t *root)
{
    const char *status = json_string_value(json_object_get(root, "status"));
    const char *id = json_string_value(json_object_get(root, "id"));
    const json_t *detail = json_object_get(root, "progressDetail");
    json_int_t current = json_integer_value(json_object_get(detail, "current"));
    json_int_t total = json_integer_value(json_object_get(detail, "total"));
    uint64_t now = clock_mono_ms();
    CLEANUP(buf_release) struct buf text = {0};
    if (!status || now < pull->next_ms || pull->told >= PULL_EVENTS_MAX)
        return;
    buf_printf(&text, "pulling %s: ", pull->image);
    engine_append_text(&text, status);
    if (id) {
        buf_append_byte(&text, ' ');
        engine_append_text(&text, id);
    }
    if (current > 0 && total >= current)
        buf_printf(&text, ", %lld of %lld bytes", (long long)current, (long long)total);
    pull->step_ms = pull->told++ > 0 ? pull->step_ms * 2 : FIRST_STEP_MS;
    pull->next_ms = now + pull->step_ms;
    pull->events->progress(pull->arg, buf_cstr(&text));
}

static void take_line(struct pull *pull)
{
    json_t *root = json_loadb(pull->line.data, pull->line.len, 0, NULL);
    const char *words = engine_error_text(root);
    if (words && pull->failed.len == 0)
        engine_append_text(&pull->failed, words);
    else if (root)
        tell(pull, root);
    json_decref(root);
    buf_reset(&pull->line);
}

static void on_head(void *arg, int status)
{
    ((struct pull *)arg)->status = status;
}

static void on_data(void *arg, struct str bytes)
{
    struct pull *pull = arg;
    while (bytes.len > 0) {
        const char *newline = memchr(bytes.data, '\n', bytes.len);
        size_t len = newline ? (size_t)(newline - bytes.data) : bytes.len;
        pull->too_long = pull->too_long || len > PULL_LINE_MAX - pull->line.len;
        if (!pull->too_long)
            buf_append(&pull->line, bytes.data, len);
        bytes = str_n(bytes.data + len + (newline != NULL), bytes.len - len - (newline != NULL));
        if (newline && !pull->too_long && pull->line.len > 0)
            take_line(pull);
    }
}

static void on_ended(void *arg, int err)
{
    struct pull *pull = arg;
    if (pull->line.len > 0 && !pull->too_long)
        take_line(pull);
    bool good = err == 0 && !pull->too_long && pull->status >= 200 && pull->status < 300 && pull->failed.len == 0;
    if (!good && pull->failed.len == 0)
        buf_append_text(&pull->failed, err == ERR_TIMEOUT          ? "nothing has come for 5 minutes"
                                       : err == ERR_UNREACHABLE    ? "nothing listens on the engine's socket"
                                       : err < 0 || pull->too_long ? "the engine's answer was cut"
                                                                   : "the engine does not say why");
    pull->events->ended(pull->arg, good ? 0 : ERR_UNAVAILABLE, buf_cstr(&pull->failed));
}

static const struct local_events local_events = {on_head, on_data, on_ended};

struct pull *pull_new(const struct engine *engine, const char *image, const struct pull_events *events, void *arg)
{
    CLEANUP(buf_release) struct buf target = {0};
    struct pull *pull = xcalloc(1, sizeof(*pull));
    pull->events = events;
    pull->arg = arg;
    pull->image = xstrdup(image);
    container_pull_target(image, &target);
    struct local_request request = {.socket = engine->socket,
                                    .method = "POST",
                                    .target = buf_cstr(&target),
                                    .idle_ms = PULL_IDLE_MS,
                                    .input_fd = -1};
    pull->call = local_call_new(engine->loop, &request, &local_events, pull);
    return pull;
}

void pull_free(struct pull **pull_ptr)
{
    struct pull *pull = TAKE_PTR(*pull_ptr);
    if (!pull)
        return;
    local_call_free(&pull->call);
    buf_release(&pull->line);
    buf_release(&pull->failed);
    free(pull->image);
    free(pull);
}
