#include "cli/log_printer.h"

#include "cli/cli_private.h"
#include "cli/terminal.h"

#include <unistd.h>

void log_printer_init(struct log_printer *printer, const char *execution_id)
{
    *printer = (struct log_printer){.execution_id = xstrdup(execution_id)};
    output_init(&printer->out, STDOUT_FILENO);
    output_init(&printer->err, STDERR_FILENO);
}

void log_printer_release(struct log_printer *printer)
{
    output_release(&printer->out);
    output_release(&printer->err);
    free_ptr(&printer->execution_id);
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

static void append_line(const struct log_printer *printer, struct buf *out, const struct record *record)
{
    static const char *const colours[STREAM_COUNT] = {
        [STREAM_STDOUT] = "34", [STREAM_STDERR] = "31", [STREAM_EVENT] = "36"};
    buf_append_byte(out, '[');
    format_local_time(record->time_ms, "%H:%M:%S", out);
    if (printer->colour)
        buf_printf(out, "] [\033[%sm%s\033[0m] ", colours[record->stream], record_stream_name(record->stream));
    else
        buf_printf(out, "] [%s] ", record_stream_name(record->stream));
    if (printer->escape)
        terminal_append(out, record->message);
    else
        buf_append_str(out, record->message);
    buf_append_byte(out, '\n');
}

static void append_bytes(const struct log_printer *printer, struct buf *out, const struct record *record)
{
    if (record->stream == STREAM_EVENT && !printer->events)
        return;
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

void log_printer_record(struct log_printer *printer, uint64_t sequence_number, const struct record *record,
                        struct str json)
{
    if (!log_printer_wants(printer, sequence_number))
        return;
    log_printer_moved(printer, sequence_number + 1);
    bool to_err = printer->split && record->stream == STREAM_STDERR;
    // Both streams are one order; what came before must be out first when they meet again on a terminal.
    if (printer->split)
        output_flush(to_err ? &printer->out : &printer->err);
    struct output *output = to_err ? &printer->err : &printer->out;
    switch (printer->form) {
    case LOG_FORM_LINES:
        append_line(printer, &output->buf, record);
        break;
    case LOG_FORM_BYTES:
        append_bytes(printer, &output->buf, record);
        break;
    case LOG_FORM_JSON:
        append_json(printer, &output->buf, sequence_number, record, json);
        break;
    }
    output_advance(output);
}

void log_printer_flush(struct log_printer *printer)
{
    output_flush(&printer->out);
    output_flush(&printer->err);
}

bool log_printer_ended(const struct log_printer *printer)
{
    return output_ended(&printer->out) || printer->err.err;
}
