#include "cli/search_printer.h"

#include "cli/terminal.h"

// As grep colours them.
#define MATCH     "\033[01;31m"
#define NUMBER    "\033[32m"
#define NAME      "\033[35m"
#define SEPARATOR "\033[36m"
#define RESET     "\033[m"

void search_printer_release(struct search_printer *printer)
{
    buf_release(&printer->heading);
}

size_t utf16_to_byte(struct str text, uint64_t units)
{
    size_t at = 0;
    for (uint64_t seen = 0; at < text.len && seen < units;) {
        int step = utf8_step(text.data + at, text.len - at);
        seen += step == 4 ? 2 : 1;
        at += (size_t)(step < 0 ? -step : step);
    }
    return at;
}

static void append_part(struct search_printer *printer, struct str text)
{
    if (text.len == 0)
        return;
    if (printer->terminal)
        terminal_append(printer->out, text);
    else
        buf_append_str(printer->out, text);
}

static void append_coloured(struct search_printer *printer, const char *colour, struct str text)
{
    if (printer->colour)
        buf_append_text(printer->out, colour);
    append_part(printer, text);
    if (printer->colour)
        buf_append_text(printer->out, RESET);
}

static void append_message(struct search_printer *printer, struct str text, const json_t *ranges)
{
    const json_t *range;
    size_t i, at = 0;
    json_array_foreach(ranges, i, range)
    {
        size_t from = utf16_to_byte(text, (uint64_t)json_integer_value(json_array_get(range, 0)));
        size_t to = utf16_to_byte(text, (uint64_t)json_integer_value(json_array_get(range, 1)));
        if (from < at || to <= from || to > text.len)
            continue;
        append_part(printer, str_n(text.data + at, from - at));
        append_coloured(printer, MATCH, str_n(text.data + from, to - from));
        at = to;
    }
    append_part(printer, str_n(text.data + at, text.len - at));
}

// On a terminal each execution is a heading; elsewhere its name is in each line, for what reads them.
static void append_name(struct search_printer *printer, const char *execution_id, struct str separator)
{
    if (printer->one)
        return;
    if (!printer->terminal) {
        append_coloured(printer, NAME, str_of(execution_id));
        append_coloured(printer, SEPARATOR, separator);
        return;
    }
    if (str_eq(buf_str(&printer->heading), str_of(execution_id)))
        return;
    if (printer->heading.len > 0)
        buf_append_byte(printer->out, '\n');
    append_coloured(printer, NAME, str_of(execution_id));
    buf_append_byte(printer->out, '\n');
    buf_reset(&printer->heading);
    buf_append_text(&printer->heading, execution_id);
}

void search_printer_line(struct search_printer *printer, const char *execution_id, const json_t *hit, bool match)
{
    const json_t *message = json_object_get(hit, "message");
    struct str text = str_n(json_string_value(message), json_string_length(message));
    struct str separator = match ? STR(":") : STR("-");
    char number[24];
    snprintf(number, sizeof(number), "%lld", (long long)json_integer_value(json_object_get(hit, "sequence_number")));
    append_name(printer, execution_id, separator);
    append_coloured(printer, NUMBER, str_of(number));
    append_coloured(printer, SEPARATOR, separator);
    append_message(printer, text, match ? json_object_get(hit, "ranges") : NULL);
    if (json_is_true(json_object_get(hit, "cut")))
        buf_append_text(printer->out, "…");
    buf_append_byte(printer->out, '\n');
}

void search_printer_gap(struct search_printer *printer)
{
    append_coloured(printer, SEPARATOR, STR("--"));
    buf_append_byte(printer->out, '\n');
}
