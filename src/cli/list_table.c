#include "cli/list_table.h"

#include "cli/table.h"
#include "cli/terminal.h"
#include "cli/text_width.h"

#define NARROW        110 // with fewer columns, times are written in their short form
#define COMMAND_LEAST 4   // a shorter one says nothing
#define COMMAND_ROOM  20  // how much room the other columns should leave for the command

enum column {
    COLUMN_ID,
    COLUMN_STATUS,
    COLUMN_STARTED,
    COLUMN_DURATION,
    COLUMN_EXIT,
    COLUMN_COMMAND,
    COLUMN_METADATA,
    COLUMN_COUNT
};

static const char *const titles[COLUMN_COUNT] = {
    [COLUMN_ID] = "EXECUTION",      [COLUMN_STATUS] = "STATUS", [COLUMN_STARTED] = "STARTED",
    [COLUMN_DURATION] = "DURATION", [COLUMN_EXIT] = "EXIT",     [COLUMN_COMMAND] = "COMMAND",
    [COLUMN_METADATA] = "METADATA",
};

// The columns that are left out first when the terminal is too narrow.
static const enum column least_wanted[] = {COLUMN_DURATION, COLUMN_EXIT, COLUMN_STARTED};

struct list_row {
    char *cells[COLUMN_COUNT];
    int64_t started_ms, created_ms; // 0: not started
    size_t order;                   // place in the answer
};

void list_table_clear(struct list_table *table)
{
    for (size_t i = 0; i < table->count; i++)
        for (size_t c = 0; c < COLUMN_COUNT; c++)
            free(table->rows[i].cells[c]);
    free(TAKE_PTR(table->rows));
    table->count = 0;
}

void list_table_release(struct list_table *table)
{
    list_table_clear(table);
}

// --- Cells

static char *text_cell(const char *value)
{
    struct buf text = {0};
    terminal_append_cell(&text, str_of(value && *value ? value : "-"));
    return buf_take(&text);
}

// On a narrow terminal, the year and the seconds are left out.
static char *started_cell(const struct list_table *table, int64_t started_ms)
{
    struct buf text = {0};
    if (started_ms == 0)
        return xstrdup("-");
    if (table->width == 0 || table->width >= NARROW)
        when_format(started_ms, table->utc, &text);
    else
        when_format_short(started_ms, table->now_ms, table->utc, &text);
    return buf_take(&text);
}

static char *duration_cell(const json_t *execution)
{
    struct buf text = {0};
    const json_t *ms = json_object_get(execution, "duration_ms");
    if (!json_is_integer(ms))
        return xstrdup("-");
    duration_format(json_integer_value(ms), &text);
    return buf_take(&text);
}

static char *command_cell(const json_t *execution)
{
    CLEANUP(buf_release) struct buf text = {0};
    format_command(execution, &text);
    return text_cell(buf_cstr(&text));
}

static char *metadata_cell(const json_t *execution)
{
    json_t *metadata = json_object_get(execution, "metadata"), *value;
    CLEANUP(buf_release) struct buf text = {0};
    const char *name;
    if (!json_is_object(metadata) || json_object_size(metadata) == 0)
        return xstrdup("");
    json_object_foreach(metadata, name, value)
    {
        CLEANUP(json_text_free) char *json = json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY);
        const char *string = json_string_value(value);
        buf_printf(&text, "%s%s=%s", text.len > 0 ? " " : "", name, string ? string : json);
    }
    return text_cell(buf_cstr(&text));
}

void list_table_add(struct list_table *table, const json_t *execution)
{
    const json_t *exit_code = json_object_get(execution, "exit_code");
    struct list_row row = {.order = table->count};
    json_time(execution, "started_at", &row.started_ms);
    json_time(execution, "created_at", &row.created_ms);
    row.cells[COLUMN_ID] = text_cell(json_string_value(json_object_get(execution, "execution_id")));
    row.cells[COLUMN_STATUS] = text_cell(json_string_value(json_object_get(execution, "status")));
    row.cells[COLUMN_STARTED] = started_cell(table, row.started_ms);
    row.cells[COLUMN_DURATION] = duration_cell(execution);
    row.cells[COLUMN_EXIT] =
        json_is_integer(exit_code) ? xasprintf("%lld", (long long)json_integer_value(exit_code)) : xstrdup("-");
    row.cells[COLUMN_COMMAND] = command_cell(execution);
    row.cells[COLUMN_METADATA] = metadata_cell(execution);
    table->rows = xrealloc(table->rows, (table->count + 1) * sizeof(*table->rows));
    table->rows[table->count++] = row;
}

// --- Fitting

static int compare_rows(const void *a, const void *b)
{
    const struct list_row *one = a, *other = b;
    int64_t one_ms = one->started_ms ? one->started_ms : INT64_MAX;
    int64_t other_ms = other->started_ms ? other->started_ms : INT64_MAX;
    if (one_ms != other_ms)
        return one_ms > other_ms ? -1 : 1;
    return one->order < other->order ? -1 : 1;
}

struct layout {
    size_t widths[COLUMN_COUNT];
    bool shown[COLUMN_COUNT];
};

static size_t width_without(const struct layout *layout, enum column column)
{
    size_t width = 0;
    for (size_t c = 0; c < COLUMN_COUNT; c++)
        if (layout->shown[c] && c != (size_t)column)
            width += layout->widths[c] + TABLE_GAP;
    return width;
}

static void fit(const struct list_table *table, struct layout *layout)
{
    size_t command = layout->widths[COLUMN_COMMAND], metadata = layout->widths[COLUMN_METADATA];
    if (table->width == 0)
        return;
    layout->shown[COLUMN_METADATA] = false;
    for (size_t i = 0; i < ARRAY_LEN(least_wanted); i++)
        if (width_without(layout, COLUMN_COMMAND) + MIN(command, (size_t)COMMAND_ROOM) > table->width)
            layout->shown[least_wanted[i]] = false;
    size_t fixed = width_without(layout, COLUMN_COMMAND);
    size_t room = table->width > fixed ? table->width - fixed : 1;
    // Both share the room that is left. What one does not need goes to the other.
    if (metadata > 0 && room > COMMAND_ROOM + TABLE_GAP + COMMAND_ROOM / 2) {
        size_t half = (room - TABLE_GAP) / 2, needed = MIN(command, MAX(half, room - TABLE_GAP - MIN(metadata, half)));
        layout->widths[COLUMN_METADATA] = MIN(metadata, room - TABLE_GAP - needed);
        layout->shown[COLUMN_METADATA] = layout->widths[COLUMN_METADATA] > 0;
        room = needed;
    }
    layout->widths[COLUMN_COMMAND] = MIN(command, room);
    layout->shown[COLUMN_COMMAND] = room >= COMMAND_LEAST;
}

static void append_row(const struct list_table *table, const struct layout *layout, const char *const *cells, bool head,
                       struct buf *out)
{
    size_t pending = 0; // spaces that are written only if something follows them
    for (size_t c = 0; c < COLUMN_COUNT; c++) {
        if (!layout->shown[c])
            continue;
        const char *colour = c == COLUMN_STATUS && table->colour && !head ? status_colour(cells[c]) : "";
        if (*cells[c])
            buf_printf(out, "%*s", (int)pending, "");
        if (*colour)
            buf_printf(out, "\033[%sm", colour);
        text_append_cut(out, str_of(cells[c]), layout->widths[c]);
        if (*colour)
            buf_append_text(out, "\033[0m");
        pending = (*cells[c] ? 0 : pending) + layout->widths[c] - MIN(text_width(str_of(cells[c])), layout->widths[c]) +
                  TABLE_GAP;
    }
    buf_append_byte(out, '\n');
}

void list_table_append(struct list_table *table, struct buf *out)
{
    struct layout layout = {0};
    qsort(table->rows, table->count, sizeof(*table->rows), compare_rows);
    for (size_t c = 0; c < COLUMN_COUNT; c++) {
        for (size_t i = 0; i < table->count; i++)
            layout.widths[c] = MAX(layout.widths[c], text_width(str_of(table->rows[i].cells[c])));
        layout.shown[c] = c != COLUMN_METADATA || layout.widths[c] > 0;
        if (layout.shown[c])
            layout.widths[c] = MAX(layout.widths[c], text_width(str_of(titles[c])));
    }
    fit(table, &layout);
    append_row(table, &layout, titles, true, out);
    size_t most = table->height > 2 ? table->height - 2 : table->count;
    for (size_t i = 0; i < MIN(table->count, most); i++)
        append_row(table, &layout, (const char *const *)table->rows[i].cells, false, out);
}
