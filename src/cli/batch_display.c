#include "cli/batch_display.h"

#include "cli/table.h"

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

static void append_seconds(struct buf *out, const json_t *status, const char *name)
{
    const json_t *seconds = json_object_get(status, name);
    if (json_is_integer(seconds))
        duration_format((int64_t)json_integer_value(seconds) * 1000, out);
    else
        buf_append_text(out, "–");
}

static void append_times(struct buf *out, const json_t *status)
{
    buf_append_text(out, "Duration: ");
    append_seconds(out, status, "duration_seconds");
    buf_append_text(out, " | ETA: ");
    append_seconds(out, status, "eta_seconds");
    buf_printf(out, " | Cost: %s", text_of(status, "cost_display"));
}

// --- Failures

static void append_why(struct buf *out, const json_t *failure)
{
    const char *word = text_of(failure, "status");
    const json_t *code = json_object_get(failure, "exit_code");
    if (json_is_integer(code))
        buf_printf(out, "exit code %lld", (long long)json_integer_value(code));
    else
        buf_append_text(out, strcmp(word, "timed_out") == 0 ? "timed out" : word);
}

static void append_failures(struct buf *out, const json_t *status, bool colour)
{
    const json_t *failures = json_object_get(status, "failures");
    for (size_t i = 0; i < json_array_size(failures); i++) {
        const json_t *failure = json_array_get(failures, i);
        buf_printf(out, "%s✗%s ", colour ? "\033[31m" : "", colour ? "\033[0m" : "");
        append_why(out, failure);
        buf_printf(out, ": runnel logs %s\n", text_of(failure, "execution_id"));
    }
}

void batch_append_progress(struct buf *out, const json_t *status, bool colour, size_t width)
{
    CLEANUP(buf_release) struct buf lines = {0};
    append_bar(&lines, status);
    append_counts(&lines, status);
    buf_append_byte(&lines, '\n');
    append_times(&lines, status);
    buf_append_byte(&lines, '\n');
    append_failures(&lines, status, colour);
    struct str rest = buf_str(&lines);
    while (rest.len > 0) {
        struct str line = str_split(&rest, '\n');
        CLEANUP(free_ptr) char *text = xstrndup(line.data, line.len);
        // A line that is broken by the terminal could not be drawn over.
        if (width > 0)
            text_append_cut(out, text, width);
        else
            buf_append_text(out, text);
        buf_append_byte(out, '\n');
    }
}

void batch_append_line(struct buf *out, const json_t *status)
{
    append_counts(out, status);
    buf_append_text(out, " | ");
    append_times(out, status);
    buf_append_byte(out, '\n');
}

// --- The end

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
    append_seconds(out, status, "duration_seconds");
    buf_printf(out, "\nTotal cost: %s\n", text_of(status, "cost_display"));
}
