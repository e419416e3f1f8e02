#include "cli/log_printer.h"

#include "cli/cli_private.h"
#include "cli/log_select.h"
#include "model/line_filter.h"

#include <unistd.h>

void log_printer_init(struct log_printer *printer, const char *execution_id)
{
    *printer = (struct log_printer){.execution_id = xstrdup(execution_id), .exact = true};
    output_init(&printer->out, STDOUT_FILENO);
    output_init(&printer->err, STDERR_FILENO);
}

void log_printer_release(struct log_printer *printer)
{
    output_release(&printer->out);
    output_release(&printer->err);
    log_line_release(&printer->lines[0]);
    log_line_release(&printer->lines[1]);
    for (size_t i = 0; i < STREAM_COUNT; i++)
        buf_release(&printer->held[i].text);
    free_ptr(&printer->execution_id);
    free_ptr(&printer->prefix);
    log_select_free(&printer->select);
}

void log_printer_lines(struct log_printer *printer, bool colour, bool utc)
{
    printer->form = LOG_FORM_LINES;
    printer->exact = !printer->out.is_terminal;
    log_line_init(&printer->lines[0], colour, printer->out.is_terminal, utc);
    log_line_init(&printer->lines[1], colour, printer->out.is_terminal, utc);
}

bool log_printer_wants(const struct log_printer *printer, uint64_t sequence_number)
{
    return !printer->any || sequence_number >= printer->next;
}

void log_printer_moved(struct log_printer *printer, uint64_t next)
{
    if (log_printer_wants(printer, next))
        printer->next = next;
    printer->any = true;
}

static void append_bytes(const struct log_printer *printer, struct buf *out, const struct record *record)
{
    if (printer->prefix)
        buf_append_text(out, printer->prefix);
    buf_append_str(out, record->message);
    if (!record->partial)
        buf_append_byte(out, '\n');
}

static void append_json(const struct log_printer *printer, struct buf *out, uint64_t sequence_number,
                        const struct record *record, struct str json)
{
    if (json.len > 0)
        buf_append_str(out, json);
    else
        record_append_json(out, record, str_of(printer->execution_id), sequence_number, false);
    buf_append_byte(out, '\n');
}

static void count_line(struct log_printer *printer, const struct record *record)
{
    printer->count += !record->partial;
    printer->count_open[record->stream] = record->partial;
}

static void print_record(struct log_printer *printer, uint64_t sequence_number, const struct record *record,
                         struct str json)
{
    bool to_err = printer->split && record->stream == STREAM_STDERR;
    // Both streams have one order. What came before must be written first, in case both go to the same terminal.
    if (printer->split)
        output_flush(to_err ? &printer->out : &printer->err);
    struct output *output = to_err ? &printer->err : &printer->out;
    struct str prefix = str_of(printer->prefix ? printer->prefix : "");
    switch (printer->form) {
    case LOG_FORM_LINES:
        log_line_append(&printer->lines[to_err], record, prefix, &output->buf);
        break;
    case LOG_FORM_BYTES:
        append_bytes(printer, &output->buf, record);
        break;
    case LOG_FORM_JSON:
        append_json(printer, &output->buf, sequence_number, record, json);
        break;
    case LOG_FORM_COUNT:
        count_line(printer, record);
        break;
    }
    output_advance(output);
}

static void print_held(struct log_printer *printer, enum record_stream stream)
{
    struct log_held *held = &printer->held[stream];
    if (!held->any)
        return;
    struct record record = {.time_ms = held->time_ms, .stream = stream, .message = buf_str(&held->text)};
    print_record(printer, 0, &record, str_n(NULL, 0));
    buf_reset(&held->text);
    held->any = false;
}

// Returns false if the record is a line by itself.
static bool hold(struct log_printer *printer, const struct record *record)
{
    struct log_held *held = &printer->held[record->stream];
    if (!held->any && !record->partial)
        return false;
    if (!held->any)
        held->time_ms = record->time_ms;
    held->any = true;
    buf_append_str(&held->text, record->message);
    if (!record->partial || held->text.len >= LINE_TEXT_MAX)
        print_held(printer, record->stream);
    return true;
}

void log_printer_show(void *arg, uint64_t sequence_number, const struct record *record, struct str json)
{
    struct log_printer *printer = arg;
    if (record) {
        if (!printer->prefix || printer->form == LOG_FORM_JSON || !hold(printer, record))
            print_record(printer, sequence_number, record, json);
        return;
    }
    if (printer->form == LOG_FORM_JSON)
        return;
    log_line_end(&printer->lines[0], &printer->out.buf);
    buf_printf(&printer->out.buf, "%s--\n", printer->prefix ? printer->prefix : "");
}

void log_printer_record(struct log_printer *printer, uint64_t sequence_number, const struct record *record,
                        struct str json)
{
    if (!log_printer_wants(printer, sequence_number))
        return;
    log_printer_moved(printer, sequence_number + 1);
    bool is_output = printer->form == LOG_FORM_BYTES || printer->form == LOG_FORM_COUNT;
    if (is_output && record->stream == STREAM_EVENT && !printer->events)
        return;
    if (printer->select)
        log_select_take(printer->select, sequence_number, record, json);
    else
        log_printer_show(printer, sequence_number, record, json);
}

void log_printer_flush(struct log_printer *printer)
{
    output_flush(&printer->out);
    output_flush(&printer->err);
}

void log_printer_finish(struct log_printer *printer)
{
    if (printer->select)
        log_select_finish(printer->select);
    for (size_t i = 0; i < STREAM_COUNT; i++)
        print_held(printer, (enum record_stream)i);
    log_line_end(&printer->lines[0], &printer->out.buf);
    log_line_end(&printer->lines[1], &printer->err.buf);
    for (size_t i = 0; i < STREAM_COUNT; i++)
        printer->count += printer->count_open[i];
    if (printer->form == LOG_FORM_COUNT)
        buf_printf(&printer->out.buf, "%s%llu\n", printer->prefix ? printer->prefix : "",
                   (unsigned long long)printer->count);
    log_printer_flush(printer);
}

bool log_printer_ended(const struct log_printer *printer)
{
    return output_ended(&printer->out) || printer->err.err;
}
