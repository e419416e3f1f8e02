#include "cli/cli_private.h"
#include "cli/terminal.h"
#include "cli/text_width.h"
#include "model/status.h"

#define RESULT_SHOWN  200 // bytes
#define RESULT_DIGITS 15
#define COMMAND_SHOWN 200 // columns

struct look {
    const char *word, *mark, *colour;
};

static const struct look looks[] = {
    {"running", "", "34"},    {"completed", "✓", "32"}, {"failed", "✗", "31"}, {"timed_out", "✗", "31"},
    {"cancelled", "✗", "33"}, {"skipped", "✗", "33"},   {"lost", "✗", "31"},
};

static const struct look *look_of(const char *word)
{
    for (size_t i = 0; i < ARRAY_LEN(looks); i++)
        if (strcmp(looks[i].word, word) == 0)
            return &looks[i];
    return NULL;
}

const char *status_mark(const char *status_word)
{
    const struct look *look = look_of(status_word);
    return look ? look->mark : "";
}

const char *status_colour(const char *status_word)
{
    const struct look *look = look_of(status_word);
    return look ? look->colour : "";
}

bool json_time(const json_t *object, const char *name, int64_t *ret_ms)
{
    const char *text = json_string_value(json_object_get(object, name));
    return text && time_parse_rfc3339(str_of(text), ret_ms);
}

static void append_line(struct buf *out, const json_t *object, const char *label, const char *name)
{
    const char *text = json_string_value(json_object_get(object, name));
    if (!text)
        return;
    buf_printf(out, "%s: ", label);
    terminal_append(out, str_of(text));
    buf_append_byte(out, '\n');
}

static void append_status(struct buf *out, const char *word, bool colour)
{
    const char *mark = status_mark(word);
    if (colour && *status_colour(word))
        buf_printf(out, "Status: \033[%sm%s%s%s\033[0m\n", status_colour(word), word, *mark ? " " : "", mark);
    else
        buf_printf(out, "Status: %s%s%s\n", word, *mark ? " " : "", mark);
}

static void append_times(struct buf *out, const json_t *status, int64_t now_ms, bool running, bool utc)
{
    int64_t started, ms;
    if (!json_time(status, "started_at", &started))
        return;
    buf_append_text(out, "Started: ");
    when_format(started, utc, out);
    buf_append_byte(out, '\n');
    const json_t *precise = json_object_get(status, "duration_ms"),
                 *seconds = json_object_get(status, "duration_seconds");
    if (json_is_number(precise))
        ms = (int64_t)json_number_value(precise);
    else if (json_is_number(seconds))
        ms = (int64_t)(json_number_value(seconds) * 1000);
    else if (running)
        ms = MAX(now_ms - started, 0);
    else
        return;
    buf_append_text(out, "Duration: ");
    duration_format(ms, out);
    buf_append_byte(out, '\n');
}

// As it was asked for, or else the one that was found for its script.
static void append_runtime(struct buf *out, const json_t *status)
{
    if (json_is_string(json_object_get(status, "runtime")))
        append_line(out, status, "Runtime", "runtime");
    else
        append_line(out, json_object_get(status, "execution_metadata"), "Runtime", "runtime_version");
}

static void append_words(struct buf *out, const json_t *words)
{
    for (size_t i = 0; i < json_array_size(words); i++) {
        if (out->len > 0)
            buf_append_byte(out, ' ');
        append_shell_word(out, json_string_value(json_array_get(words, i)));
    }
}

void format_command(const json_t *execution, struct buf *out)
{
    CLEANUP(buf_release) struct buf text = {0};
    const json_t *command = json_object_get(execution, "command");
    const char *script = json_string_value(json_object_get(execution, "script_filename"));
    const char *name = json_string_value(json_object_get(execution, "name"));
    if (json_array_size(command) == 0 && script)
        append_shell_word(&text, script);
    append_words(&text, json_array_size(command) > 0 ? command : json_object_get(execution, "args"));
    if (name && *name && !strstr(buf_cstr(&text), name))
        buf_printf(&text, text.len > 0 ? " (%s)" : "%s", name);
    buf_append_str(out, buf_str(&text));
}

// On a line, as far as it is of use there.
static void append_command(struct buf *out, const char *label, const json_t *execution, const char *member)
{
    CLEANUP(buf_release) struct buf words = {0}, line = {0};
    append_words(&words, json_object_get(execution, member));
    if (words.len == 0)
        return;
    terminal_append_cell(&line, buf_str(&words));
    buf_printf(out, "%s: ", label);
    text_append_cut(out, buf_str(&line), COMMAND_SHOWN);
    buf_append_byte(out, '\n');
}

static void append_executor(struct buf *out, const json_t *status)
{
    const json_t *told = json_object_get(status, "execution_metadata"); // at its end
    append_line(out, status, "Executor", "executor");
    append_line(out, status, "Image", "image");
    append_line(out, told, "Image digest", "image_digest");
}

// Of a job that was tried again, or was so.
static void append_attempt(struct buf *out, const json_t *status)
{
    int64_t attempt = json_integer_value(json_object_get(status, "attempt"));
    if (attempt > 1 || json_is_string(json_object_get(status, "retried_as")))
        buf_printf(out, "Attempt: %lld\n", (long long)attempt);
    append_line(out, status, "Retry of", "retry_of");
    append_line(out, status, "Retried as", "retried_as");
}

// In short: `runnel wait --result` prints all of it.
static void append_result(struct buf *out, const json_t *status)
{
    const json_t *result = json_object_get(status, "result");
    char *text = result && !json_is_null(result)
                     ? json_dumps(result, JSON_COMPACT | JSON_ENCODE_ANY | JSON_REAL_PRECISION(RESULT_DIGITS))
                     : NULL;
    if (!text)
        return;
    size_t len = strlen(text), shown = utf8_prefix(text, len, RESULT_SHOWN);
    buf_append_text(out, "Result: ");
    terminal_append(out, str_n(text, shown));
    buf_append_text(out, shown < len ? "…\n" : "\n");
    free(text);
}

static void append_expiry(struct buf *out, const json_t *status, bool utc)
{
    int64_t ms;
    if (!json_time(status, "expires_at", &ms))
        return;
    buf_append_text(out, "Expires: ");
    when_format(ms, utc, out);
    buf_append_byte(out, '\n');
}

static void append_cut(struct buf *out, const json_t *status)
{
    json_int_t first = json_integer_value(json_object_get(status, "first_sequence"));
    if (first > 0)
        buf_printf(out, "Log: begins at record %lld; those before it were removed by retention\n", (long long)first);
}

void format_status(const json_t *status, int64_t now_ms, bool colour, bool utc, struct buf *out)
{
    const char *word = json_string_value(json_object_get(status, "status"));
    const char *id = json_string_value(json_object_get(status, "execution_id"));
    enum execution_status known = STATUS_QUEUED;
    word = word ? word : "";
    bool ended = status_parse(str_of(word), &known) && (status_terminal(known) || known == STATUS_LOST);
    // A job that goes on is shown in groups; for one that has ended the summary is enough.
    const char *group = ended ? "" : "\n";

    buf_printf(out, "Execution: %s\n", id ? id : "");
    append_line(out, status, "Name", "name");
    append_status(out, word, colour);
    append_line(out, status, "Script", "script_filename");
    append_runtime(out, status);
    append_command(out, "Command", status, "command");
    append_command(out, "Arguments", status, "args");

    append_executor(out, status);
    append_attempt(out, status);
    append_line(out, status, "Reason", "reason");
    append_line(out, json_object_get(status, "waiting"), "Waiting", "detail");

    CLEANUP(buf_release) struct buf times = {0};
    append_times(&times, status, now_ms, known == STATUS_RUNNING, utc);
    append_line(&times, status, "Worker", "worker_hostname");
    const char *cost = json_string_value(json_object_get(status, "cost_display"));
    if (cost)
        buf_printf(&times, "Cost: %s%s\n", cost, ended ? "" : " (estimated)");
    append_result(&times, status);
    append_expiry(&times, status, utc);
    append_cut(&times, status);
    if (times.len > 0)
        buf_printf(out, "%s%.*s", group, STR_ARGS(buf_str(&times)));

    const json_t *artifacts = json_object_get(status, "artifacts_count");
    if (json_is_integer(artifacts))
        buf_printf(out, "%sArtifacts: %lld output%s%s\n", group, (long long)json_integer_value(artifacts),
                   json_integer_value(artifacts) == 1 ? "" : "s",
                   known == STATUS_RUNNING ? " (execution still running)" : "");
    if (!ended || known == STATUS_COMPLETED)
        return;
    buf_append_byte(out, '\n');
    const json_t *exit_code = json_object_get(status, "exit_code");
    if (json_is_integer(exit_code))
        buf_printf(out, "Exit code: %lld\n", (long long)json_integer_value(exit_code));
    buf_printf(out, "View logs: runnel logs %s\n", id ? id : "ID");
}

int exit_code_of_job(const char *status_word, const json_t *exit_code)
{
    enum execution_status status = STATUS_COUNT;
    bool known = status_word && status_parse(str_of(status_word), &status);
    // A time-out is told as such, whatever the signal that ended the job left.
    if (json_is_integer(exit_code) && status != STATUS_TIMED_OUT)
        return (int)(json_integer_value(exit_code) & 0xff);
    if (!known)
        return 1;
    switch (status) {
    case STATUS_TIMED_OUT:
        return 124;
    case STATUS_CANCELLED:
        return 130;
    case STATUS_SKIPPED:
    case STATUS_LOST:
        return EXIT_LOST;
    case STATUS_COMPLETED:
        return 0;
    default:
        return 1;
    }
}
