#include "cli/batch_display.h"

#include "cli/terminal.h"
#include "cli/text_width.h"
#include "model/title.h"

#define BAR_WIDTH 21

static int64_t number_of(const json_t *status, const char *name)
{
    return json_integer_value(json_object_get(status, name));
}

static const char *text_of(const json_t *object, const char *name)
{
    const char *text = json_string_value(json_object_get(object, name));
    return text ? text : "";
}

bool batch_over(const json_t *status)
{
    const char *word = text_of(status, "status");
    return strcmp(word, "completed") == 0 || strcmp(word, "cancelled") == 0;
}

int batch_exit_code(const json_t *status)
{
    return batch_over(status) && number_of(status, "completed_count") == number_of(status, "total_count") ? 0 : 1;
}

// --- The bar

static void append_bar(struct buf *out, const json_t *status)
{
    int64_t total = number_of(status, "total_count");
    int64_t ended =
        number_of(status, "completed_count") + number_of(status, "failed_count") + number_of(status, "skipped_count");
    // The head takes a place of its own until all have ended.
    int64_t done = ended < total ? ended * (BAR_WIDTH - 1) / total : BAR_WIDTH;
    buf_append_byte(out, '[');
    for (int64_t i = 0; i < BAR_WIDTH; i++)
        buf_append_byte(out, i < done ? '=' : i == done && ended > 0 ? '>' : ' ');
    buf_append_text(out, "] ");
}

static void append_counts(struct buf *out, const json_t *status)
{
    int64_t skipped = number_of(status, "skipped_count");
    buf_printf(out, "%lld/%lld complete (%lld failed, %lld running, %lld queued",
               (long long)number_of(status, "completed_count"), (long long)number_of(status, "total_count"),
               (long long)number_of(status, "failed_count"), (long long)number_of(status, "running_count"),
               (long long)number_of(status, "queued_count"));
    if (skipped > 0)
        buf_printf(out, ", %lld skipped", (long long)skipped);
    buf_append_byte(out, ')');
}

// `change_ms`: how much it has changed since the status was made.
static void append_seconds(struct buf *out, const json_t *status, const char *name, int64_t change_ms)
{
    const json_t *seconds = json_object_get(status, name);
    if (json_is_integer(seconds))
        duration_format(MAX((int64_t)json_integer_value(seconds) * 1000 + change_ms, (int64_t)0), out);
    else
        buf_append_text(out, "–");
}

// All that it has are done; why it is not over.
static bool waits_for_more(const json_t *status)
{
    return json_is_true(json_object_get(status, "open")) && number_of(status, "queued_count") == 0 &&
           number_of(status, "running_count") == 0;
}

static void append_times(struct buf *out, const json_t *status, int64_t passed_ms)
{
    int64_t moves_ms = batch_over(status) ? 0 : passed_ms;
    buf_append_text(out, "Duration: ");
    append_seconds(out, status, "duration_seconds", moves_ms);
    buf_append_text(out, " | ETA: ");
    append_seconds(out, status, "eta_seconds", -moves_ms);
    buf_printf(out, " | Cost: %s", text_of(status, "cost_display"));
}

// --- Single jobs

void batch_append_why(struct buf *out, const char *status, int64_t exit_code)
{
    if (strcmp(status, "failed") == 0 && exit_code >= 0)
        buf_printf(out, "exit code %lld", (long long)exit_code);
    else
        buf_append_text(out, strcmp(status, "timed_out") == 0 ? "timed out" : status);
}

static void append_why(struct buf *out, const json_t *failure)
{
    const json_t *code = json_object_get(failure, "exit_code");
    batch_append_why(out, text_of(failure, "status"), json_is_integer(code) ? (int64_t)json_integer_value(code) : -1);
}

static void append_running(struct buf *out, const json_t *execution, int64_t passed_ms)
{
    buf_append_text(out, text_of(execution, "status"));
    if (!json_is_integer(json_object_get(execution, "duration_ms")))
        return;
    buf_append_byte(out, ' ');
    duration_format((int64_t)json_integer_value(json_object_get(execution, "duration_ms")) + passed_ms, out);
}

size_t batch_view_count(const struct batch_view *view)
{
    size_t failures = json_array_size(json_object_get(view->status, "failures"));
    return MIN(failures + json_array_size(view->running), view->rows);
}

static const json_t *entry_at(const struct batch_view *view, size_t i, bool *ret_failed)
{
    const json_t *failures = json_object_get(view->status, "failures");
    size_t count = json_array_size(failures);
    *ret_failed = i < count;
    return i < count ? json_array_get(failures, i) : json_array_get(view->running, i - count);
}

const char *batch_view_id(const struct batch_view *view, size_t i)
{
    bool failed;
    return text_of(entry_at(view, i, &failed), "execution_id");
}

void batch_append_title(struct buf *out, const json_t *execution)
{
    CLEANUP(buf_release) struct buf title = {0};
    const char *given = json_string_value(json_object_get(execution, "title")); // of a failure
    const struct title_parts parts = {
        .name = given ? given : json_string_value(json_object_get(execution, "name")),
        .script = json_string_value(json_object_get(execution, "script_filename")),
        .command = json_object_get(execution, "command"),
        .args = json_object_get(execution, "args"),
    };
    title_append(&title, &parts);
    if (title.len > 0)
        buf_append_text(out, "  ");
    terminal_append_cell(out, buf_str(&title));
}

static void append_entry(struct buf *out, const struct batch_view *view, size_t i)
{
    bool failed, chosen = view->chosen && strcmp(view->chosen, batch_view_id(view, i)) == 0;
    const json_t *entry = entry_at(view, i, &failed);
    const char *on = !view->colour ? "" : failed ? "\033[31m" : "\033[36m", *off = view->colour ? "\033[0m" : "";
    if (view->keys)
        buf_append_text(out, chosen ? "> " : "  ");
    buf_printf(out, "%s%s%s ", on, failed ? "✗" : "●", off);
    if (failed)
        append_why(out, entry);
    else
        append_running(out, entry, view->listed_ms);
    buf_printf(out, ": runnel logs %s", text_of(entry, "execution_id"));
    batch_append_title(out, entry);
    buf_append_byte(out, '\n');
}

void batch_append_view(struct buf *out, const struct batch_view *view)
{
    CLEANUP(buf_release) struct buf lines = {0};
    append_bar(&lines, view->status);
    append_counts(&lines, view->status);
    buf_append_byte(&lines, '\n');
    append_times(&lines, view->status, view->passed_ms);
    buf_append_byte(&lines, '\n');
    if (waits_for_more(view->status))
        buf_printf(&lines, "It is open for more jobs: runnel batch close %s\n", text_of(view->status, "batch_id"));
    for (size_t i = 0; i < batch_view_count(view); i++)
        append_entry(&lines, view, i);
    if (view->hint)
        buf_printf(&lines, "%s\n", view->hint);
    struct str rest = buf_str(&lines);
    while (rest.len > 0) { // a line that is broken by the terminal could not be drawn over
        text_append_cut(out, str_split(&rest, '\n'), view->width > 0 ? view->width : SIZE_MAX);
        buf_append_byte(out, '\n');
    }
}

void batch_append_progress(struct buf *out, const json_t *status, bool colour, size_t width)
{
    const struct batch_view view = {.status = status, .colour = colour, .width = width, .rows = SIZE_MAX};
    batch_append_view(out, &view);
}

void batch_append_line(struct buf *out, const json_t *status)
{
    append_counts(out, status);
    buf_append_text(out, " | ");
    append_times(out, status, 0);
    buf_append_byte(out, '\n');
}

// --- The end

void batch_append_kept(struct buf *out, const json_t *status)
{
    const char *rules = text_of(status, "retention");
    bool pinned = json_is_true(json_object_get(status, "pin"));
    if (!*rules && !pinned)
        return;
    buf_append_text(out, "Retention: ");
    terminal_append(out, str_of(rules));
    buf_append_text(out, !pinned ? "\n" : *rules ? ", and pinned\n" : "pinned\n");
}

void batch_append_summary(struct buf *out, const json_t *status, bool colour)
{
    int64_t total = number_of(status, "total_count"), succeeded = number_of(status, "completed_count"),
            failed = number_of(status, "failed_count"), skipped = number_of(status, "skipped_count");
    bool good = succeeded == total;
    const char *on = !colour ? "" : good ? "\033[32m" : "\033[31m", *off = colour ? "\033[0m" : "";
    bool cancelled = strcmp(text_of(status, "status"), "cancelled") == 0;
    // The mark says that the batch is over, as failures are told behind it.
    buf_printf(out, "%s%s%s Batch %s: %lld succeeded, %lld failed", on, cancelled ? "✗" : "✓", off,
               cancelled ? "cancelled" : "complete", (long long)succeeded, (long long)failed);
    if (skipped > 0)
        buf_printf(out, ", %lld skipped", (long long)skipped);
    buf_append_text(out, "\nTotal duration: ");
    append_seconds(out, status, "duration_seconds", 0);
    buf_printf(out, "\nTotal cost: %s\n", text_of(status, "cost_display"));
    batch_append_kept(out, status);
}
