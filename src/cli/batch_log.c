#include "cli/batch_log.h"

#include "cli/log_reader.h"

#define TAIL        200
#define ASK_EACH_MS 2000
#define OTHER       "\033[?1049h\033[2J\033[H"
#define BACK        "\033[?1049l"

struct batch_log {
    struct link *link;
    struct log_printer printer;
    struct log_reader reader;
    char *id;
    bool ended;
    uint64_t ask_ms;
};

static void say(struct batch_log *log, const char *text)
{
    log_line_end(&log->printer.lines[0], &log->printer.out.buf);
    buf_printf(&log->printer.out.buf, "── %s ──\n", text);
    log_printer_flush(&log->printer);
}

static void look_for_end(struct batch_log *log)
{
    struct log_reader *reader = &log->reader;
    CLEANUP(buf_release) struct buf text = {0};
    if (log->ended || (!reader->complete && !reader->fatal))
        return;
    log->ended = true;
    if (reader->fatal)
        buf_append_str(&text, buf_str(&reader->fatal_text));
    else if (reader->has_exit_code)
        buf_printf(&text, "%s (exit code: %d)", reader->status, reader->job_exit_code);
    else
        buf_append_text(&text, reader->status);
    buf_append_text(&text, "; q goes back");
    say(log, buf_cstr(&text));
}

void batch_log_subscribe(struct batch_log *log)
{
    if (log->ended)
        return;
    json_t *frame = link_frame("subscribe", "execution", log->id);
    if (log->printer.any)
        json_object_set_new(frame, "from", json_integer((json_int_t)log->printer.next));
    else
        json_object_set_new(frame, "tail", json_integer(TAIL));
    link_send(log->link, frame);
}

void batch_log_take(struct batch_log *log, const char *execution_id, struct str json)
{
    if (log->ended || strcmp(execution_id, log->id) != 0)
        return;
    log_reader_object(&log->reader, json);
    log_printer_flush(&log->printer);
    look_for_end(log);
}

void batch_log_step(struct batch_log *log)
{
    if (log->ended || log->link->state != LINK_BLOCKED || clock_mono_ms() < log->ask_ms)
        return;
    log->ask_ms = clock_mono_ms() + ASK_EACH_MS;
    log_reader_poll(&log->reader, ASK_EACH_MS);
    look_for_end(log);
}

struct batch_log *batch_log_open(struct cli *cli, struct link *link, const char *id)
{
    struct batch_log *log = xcalloc(1, sizeof(*log));
    log->link = link;
    log->id = xstrdup(id);
    log_printer_init(&log->printer, id);
    log_printer_lines(&log->printer, cli_colour(cli), false);
    if (log_reader_init(&log->reader, cli, &log->printer, log->id)) {
        batch_log_close(&log);
        return NULL;
    }
    log->reader.position = "tail=200";
    buf_append_text(&log->printer.out.buf, OTHER);
    CLEANUP(free_ptr) char *title = xasprintf("%s; q goes back", id);
    say(log, title);
    batch_log_subscribe(log);
    return log;
}

void batch_log_close(struct batch_log **log)
{
    struct batch_log *closed = TAKE_PTR(*log);
    if (!closed)
        return;
    if (!closed->ended)
        link_send(closed->link, link_frame("unsubscribe", "execution", closed->id));
    log_printer_finish(&closed->printer);
    buf_append_text(&closed->printer.out.buf, BACK);
    log_printer_flush(&closed->printer);
    log_reader_release(&closed->reader);
    log_printer_release(&closed->printer);
    free(closed->id);
    free(closed);
}
