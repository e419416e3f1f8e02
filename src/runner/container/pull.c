#include "runner/container/pull.h"

#include "runner/container/create.h"
#include "runner/container/registry.h"
#include "util/clock.h"

#define FIRST_STEP_MS  1000 // time between two events; it doubles
#define LOGIN_NOTE_MAX 300  // bytes that are added to the engine's words

struct pull {
    struct local_call *call;
    const struct pull_events *events;
    void *arg;
    char *image;
    int status;
    struct buf line;   // of the progress; or all of an answer that is an error
    struct buf failed; // why it failed, as the engine says
    struct registry_login login;
    struct buf no_login; // why the file of logins cannot be used; or empty
    bool has_file;
    uint64_t next_ms, step_ms, idle_ms;
    unsigned told;
    bool too_long;
};

// The words of an engine may quote what a registry has said, and that what it was sent.
static void append_words(const struct pull *pull, struct buf *out, const char *words)
{
    CLEANUP(buf_release) struct buf masked = {0};
    if (!pull->login.mask) {
        engine_append_text(out, words);
        return;
    }
    mask_text(pull->login.mask, str_of(words), &masked);
    engine_append_text(out, buf_cstr(&masked));
}

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
    append_words(pull, &text, status);
    if (id) {
        buf_append_byte(&text, ' ');
        append_words(pull, &text, id);
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
        append_words(pull, &pull->failed, words);
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
        const char *newline = str_find(bytes, '\n');
        size_t len = newline ? (size_t)(newline - bytes.data) : bytes.len;
        pull->too_long = pull->too_long || len > PULL_LINE_MAX - pull->line.len;
        if (!pull->too_long)
            buf_append(&pull->line, bytes.data, len);
        bytes = str_n(bytes.data + len + (newline != NULL), bytes.len - len - (newline != NULL));
        if (newline && !pull->too_long && pull->line.len > 0)
            take_line(pull);
    }
}

static bool wants_login(const char *words)
{
    static const char *const signs[] = {"unauthorized", "Unauthorized", "authentication", "denied", "no basic auth"};
    for (size_t i = 0; i < ARRAY_LEN(signs); i++) {
        if (strstr(words, signs[i]))
            return true;
    }
    return false;
}

// With which login it was asked for: whoever reads that it is denied wants to know.
static void add_login(struct pull *pull)
{
    struct buf *out = &pull->failed;
    if (!wants_login(buf_cstr(out)))
        return;
    CLEANUP(free_ptr) char *name = xasprintf("%.100s", buf_cstr(&pull->login.name));
    out->len = utf8_prefix(out->data, out->len, ENGINE_TEXT_MAX - LOGIN_NOTE_MAX);
    if (pull->login.header.len > 0)
        buf_printf(out, " (asked with the login of the worker for %s)", name);
    else if (pull->no_login.len > 0)
        buf_printf(out, " (asked without a login, as the worker's file of logins cannot be used: %s)",
                   buf_cstr(&pull->no_login));
    else if (pull->login.elsewhere)
        buf_printf(out, " (asked without a login: the worker's file of logins names %s without a password)", name);
    else if (pull->has_file)
        buf_printf(out, " (asked without a login: the worker's file of logins has none for %s)", name);
    else
        buf_append_text(out, " (asked without a login: --registry-auth gives the worker some)");
}

static void add_failure(struct pull *pull, int err)
{
    if (err == ERR_TIMEOUT) {
        buf_append_text(&pull->failed, "nothing has come for ");
        duration_format((int64_t)pull->idle_ms, &pull->failed);
    } else {
        buf_append_text(&pull->failed, err == ERR_UNREACHABLE      ? "nothing listens on the engine's socket"
                                       : err < 0 || pull->too_long ? "the engine's answer was cut"
                                                                   : "the engine does not say why");
    }
}

static void on_ended(void *arg, int err)
{
    struct pull *pull = arg;
    if (pull->line.len > 0 && !pull->too_long)
        take_line(pull);
    bool good = err == 0 && !pull->too_long && pull->status >= 200 && pull->status < 300 && pull->failed.len == 0;
    if (!good && pull->failed.len == 0)
        add_failure(pull, err);
    if (!good)
        add_login(pull);
    pull->events->ended(pull->arg, good ? 0 : ERR_UNAVAILABLE, buf_cstr(&pull->failed));
}

static const struct local_events local_events = {on_head, on_data, on_ended};

// An image that anybody may have is pulled also when the file cannot be used.
static void find_login(struct pull *pull, const char *registry_auth)
{
    if (!registry_auth)
        return;
    pull->has_file = true;
    struct registry_file *file = registry_file_load(registry_auth, &pull->no_login);
    if (file)
        registry_login_find(file, pull->image, &pull->login);
    registry_file_free(&file);
}

struct pull *pull_new(const struct engine *engine, const struct pull_options *options, const struct pull_events *events,
                      void *arg)
{
    CLEANUP(buf_release) struct buf target = {0};
    struct buf header = {0};
    struct pull *pull = xcalloc(1, sizeof(*pull));
    pull->events = events;
    pull->arg = arg;
    pull->image = xstrdup(options->image);
    pull->idle_ms = options->idle_ms ? options->idle_ms : PULL_IDLE_MS;
    find_login(pull, options->registry_auth);
    if (pull->login.header.len > 0)
        buf_printf(&header, "X-Registry-Auth: %.*s", STR_ARGS(buf_str(&pull->login.header)));
    container_pull_target(options->image, &target);
    struct local_request request = {.socket = engine->socket,
                                    .method = "POST",
                                    .target = buf_cstr(&target),
                                    .header = header.len > 0 ? buf_cstr(&header) : NULL,
                                    .idle_ms = pull->idle_ms,
                                    .input_fd = -1};
    pull->call = local_call_new(engine->loop, &request, &local_events, pull);
    if (header.data)
        explicit_bzero(header.data, header.cap);
    buf_release(&header);
    return pull;
}

void pull_free(struct pull **pull_ptr)
{
    struct pull *pull = TAKE_PTR(*pull_ptr);
    if (!pull)
        return;
    local_call_free(&pull->call);
    registry_login_release(&pull->login);
    buf_release(&pull->line);
    buf_release(&pull->failed);
    buf_release(&pull->no_login);
    free(pull->image);
    free(pull);
}
