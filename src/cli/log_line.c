#include "cli/log_line.h"

#include "cli/terminal.h"
#include "cli/text_width.h"
#include "util/clock.h"

#define RESET      "\033[0m"
#define DIM        "2"
#define MILESTONE  "1;35"
#define EVENT_TYPE "36"
#define NODE       "1"
#define PROGRESS   "32"
#define DATA_SHOWN 100              // columns of an event's data
#define DATA_READ  (4 * DATA_SHOWN) // bytes that are looked at for them

static const char *const stream_colours[STREAM_COUNT] = {
    [STREAM_STDOUT] = "34", [STREAM_STDERR] = "31", [STREAM_EVENT] = "36"};

// INFO is not coloured: a record without a level counts as INFO.
static const char *const level_colours[LEVEL_COUNT] = {
    [LEVEL_DEBUG] = DIM, [LEVEL_WARNING] = "33", [LEVEL_ERROR] = "31", [LEVEL_CRITICAL] = "1;31"};

void log_line_init(struct log_line *line, bool colour, bool terminal, bool utc)
{
    *line = (struct log_line){.colour = colour, .terminal = terminal, .clock = {.utc = utc, .dates_apart = terminal}};
}

void log_line_release(struct log_line *line)
{
    buf_release(&line->scratch);
}

void log_line_end(struct log_line *line, struct buf *out)
{
    if (line->open)
        buf_append_byte(out, '\n');
    line->open = false;
}

static void append_coloured(const struct log_line *line, struct buf *out, const char *colour, const char *text)
{
    if (line->colour && colour)
        buf_printf(out, "\033[%sm%s" RESET, colour, text);
    else
        buf_append_text(out, text);
}

static void append_text(const struct log_line *line, struct buf *out, struct str text)
{
    if (line->terminal)
        terminal_append(out, text);
    else
        buf_append_str(out, text);
}

// --- Fields

struct fields {
    struct str type, node_id, node_name, friendly, step, steps, progress, duration, data;
    bool milestone;
};

// Strings are copied into `scratch`, which must not move while they are used.
static struct str take_string(struct str extra, const char *name, struct buf *decoded, struct buf *scratch)
{
    struct str value;
    if (!record_extra_string(extra, str_of(name), decoded, &value))
        return str_n(NULL, 0);
    size_t at = scratch->len;
    buf_append_str(scratch, value);
    return str_n(scratch->data + at, value.len);
}

// A number or an object as it is written in JSON; valid as long as `extra`.
static struct str take_json(struct str extra, const char *name)
{
    struct str value;
    return record_extra_get(extra, str_of(name), &value) ? value : str_n(NULL, 0);
}

static void take_fields(struct str extra, struct buf *scratch, struct fields *ret)
{
    CLEANUP(buf_release) struct buf decoded = {0};
    struct str value;
    buf_reset(scratch);
    buf_reserve(scratch, extra.len * 2);
    ret->type = take_string(extra, "event_type", &decoded, scratch);
    ret->node_id = take_string(extra, "node_id", &decoded, scratch);
    ret->node_name = take_string(extra, "node_name", &decoded, scratch);
    ret->friendly = take_string(extra, "user_friendly_message", &decoded, scratch);
    ret->step = take_json(extra, "step_number");
    ret->steps = take_json(extra, "total_steps");
    ret->progress = take_json(extra, "progress_percentage");
    ret->duration = take_json(extra, "duration_seconds");
    ret->data = take_json(extra, "data");
    ret->milestone = record_extra_get(extra, STR("is_milestone"), &value) && str_eq(value, STR("true"));
}

// Appends a space before it, unless it is the first.
static void append_field(const struct log_line *line, struct buf *out, size_t start, const char *colour,
                         struct str text)
{
    if (text.len == 0)
        return;
    if (out->len > start)
        buf_append_byte(out, ' ');
    if (line->colour && colour)
        buf_printf(out, "\033[%sm", colour);
    append_text(line, out, text);
    if (line->colour && colour)
        buf_append_text(out, RESET);
}

static void append_node(const struct log_line *line, struct buf *out, size_t start, const struct fields *fields)
{
    struct str name = fields->node_name.len > 0 ? fields->node_name : fields->node_id;
    append_field(line, out, start, NODE, name);
    if (fields->node_name.len == 0 || fields->node_id.len == 0 || str_eq(fields->node_name, fields->node_id))
        return;
    buf_append_text(out, " (");
    append_text(line, out, fields->node_id);
    buf_append_byte(out, ')');
}

static void append_progress(const struct log_line *line, struct buf *out, size_t start, const struct fields *fields)
{
    CLEANUP(buf_release) struct buf text = {0};
    if (fields->step.len > 0) {
        buf_printf(&text, "%.*s", STR_ARGS(fields->step));
        if (fields->steps.len > 0)
            buf_printf(&text, "/%.*s", STR_ARGS(fields->steps));
        append_field(line, out, start, PROGRESS, buf_str(&text));
        buf_reset(&text);
    }
    if (fields->progress.len > 0) {
        buf_printf(&text, "%.*s%%", STR_ARGS(fields->progress));
        append_field(line, out, start, PROGRESS, buf_str(&text));
        buf_reset(&text);
    }
    if (fields->duration.len > 0) {
        buf_printf(&text, "%.*ss", STR_ARGS(fields->duration));
        append_field(line, out, start, DIM, buf_str(&text));
    }
}

static void append_data(const struct log_line *line, struct buf *out, size_t start, struct str data)
{
    CLEANUP(buf_release) struct buf cell = {0}, cut = {0};
    if (data.len == 0 || str_eq(data, STR("{}")))
        return;
    terminal_append_cell(&cell, str_n(data.data, utf8_prefix(data.data, data.len, DATA_READ)));
    text_append_cut(&cut, buf_str(&cell), DATA_SHOWN);
    append_field(line, out, start, DIM, buf_str(&cut));
}

// Appends the structured fields, then the message, and of an event the beginning of its data:
// `step_started Download (n1) 2/5 40%: Fetching the file {"size":12}`.
static void append_with_fields(struct log_line *line, const struct record *record, struct buf *out)
{
    struct fields fields = {0};
    size_t start = out->len;
    take_fields(record->extra, &line->scratch, &fields);
    append_field(line, out, start, fields.milestone ? MILESTONE : EVENT_TYPE, fields.type);
    append_node(line, out, start, &fields);
    append_progress(line, out, start, &fields);
    struct str text = fields.friendly.len > 0 ? fields.friendly : record->message;
    if (text.len > 0 && out->len > start)
        buf_append_text(out, ": ");
    append_text(line, out, text);
    if (record->stream == STREAM_EVENT && line->terminal)
        append_data(line, out, start, fields.data);
}

// --- Lines

static void append_head(struct log_line *line, const struct record *record, struct str prefix, struct buf *out)
{
    CLEANUP(buf_release) struct buf time = {0};
    bool date;
    when_lines_append(&line->clock, record->time_ms, clock_real_ms(), &time, &date);
    if (date && line->terminal) {
        CLEANUP(buf_release) struct buf text = {0};
        buf_append_text(&text, "--- ");
        when_format_date(record->time_ms, line->clock.utc, &text);
        buf_append_text(&text, " ---");
        append_coloured(line, out, DIM, buf_cstr(&text));
        buf_append_byte(out, '\n');
    }
    buf_append_str(out, prefix);
    buf_printf(out, "[%s] [", buf_cstr(&time));
    append_coloured(line, out, stream_colours[record->stream], record_stream_name(record->stream));
    buf_append_text(out, "] ");
    enum record_level level = record_level_of(record);
    if (line->terminal && level_colours[level]) {
        append_coloured(line, out, level_colours[level], record_level_name(level));
        buf_append_byte(out, ' ');
    }
}

void log_line_append(struct log_line *line, const struct record *record, struct str prefix, struct buf *out)
{
    bool goes_on = line->open && line->stream == record->stream;
    if (!goes_on) {
        log_line_end(line, out);
        append_head(line, record, prefix, out);
    }
    // When the output is not a terminal, a line of the job is only its message, unchanged.
    bool fields = record->extra.len > 0 && !goes_on && (line->terminal || record->stream == STREAM_EVENT);
    if (fields)
        append_with_fields(line, record, out);
    else
        append_text(line, out, record->message);
    line->open = record->partial;
    line->stream = record->stream;
    if (!record->partial)
        buf_append_byte(out, '\n');
}
