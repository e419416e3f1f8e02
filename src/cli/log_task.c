#include "cli/log_task.h"

#include "cli/log_select.h"
#include "cli/text_width.h"

#define LONG_ID      20 // on a terminal, of longer ones only the end is shown
#define LONG_ID_SHOW 10

void log_task_release(struct log_task *task)
{
    if (task->has_reader)
        log_reader_release(&task->reader);
    if (task->has_printer)
        log_printer_release(&task->printer);
}

// --- One log

void log_task_tell_end(const struct log_reader *reader)
{
    const char *mark = status_mark(reader->status);
    const char *word = strcmp(reader->status, "timed_out") == 0 ? "timed out" : reader->status;
    CLEANUP(buf_release) struct buf text = {0};
    buf_printf(&text, "%s%sExecution %s%s%s", mark, *mark ? " " : "", reader->name ? reader->name : "",
               reader->name ? " " : "", word);
    if (reader->has_exit_code)
        buf_printf(&text, " (exit code: %d)", reader->job_exit_code);
    fprintf(stderr, "%s\n", buf_cstr(&text));
}

static int exit_code_of(const struct log_reader *reader)
{
    CLEANUP(json_free) json_t *exit_code = reader->has_exit_code ? json_integer(reader->job_exit_code) : NULL;
    return exit_code_of_job(reader->status, exit_code);
}

// Reading has not met the end of the log. Still, the job may have ended.
static int exit_as_known(struct cli *cli, const struct log_reader *reader)
{
    CLEANUP(free_ptr) char *path = xasprintf("/api/v1/executions/%s/status", reader->execution_id);
    CLEANUP(json_free) json_t *status = NULL;
    int code = cli_get_json(cli, reader->client, path, &status);
    return code ? code : cli_exit_as_job(cli, status);
}

static int read_log(struct cli *cli, struct log_reader *reader, const struct log_request *request)
{
    struct log_printer *printer = reader->printer;
    bool follow = request->follow;
    int code = follow ? log_reader_follow(reader) : log_reader_read(reader);
    log_printer_finish(printer);
    int written = cli_finish(cli, &printer->out);
    if (written == 0)
        written = cli_finish(cli, &printer->err);
    if (written)
        return written;
    if (code || printer->out.closed)
        return code;
    if (follow && reader->complete && printer->out.is_terminal && printer->form == LOG_FORM_LINES)
        log_task_tell_end(reader);
    if (!request->exit_status)
        return 0;
    if (reader->gave_up)
        return EXIT_LOST;
    return reader->complete ? exit_code_of(reader) : exit_as_known(cli, reader);
}

static void choose_form(struct cli *cli, const struct log_request *request, struct log_printer *printer)
{
    printer->form = request->form;
    printer->split = cli_flag(cli, "split");
    printer->events = request->events;
    if (printer->form == LOG_FORM_LINES)
        log_printer_lines(printer, cli_colour(cli), cli_flag(cli, "utc"));
}

// Finds the first matching line of the last N. Lines before it are needed, too.
static int find_first_match(struct log_task *task, char **ret_position, uint64_t *ret_first)
{
    const struct log_request *request = task->request;
    CLEANUP(json_free) json_t *page = NULL;
    CLEANUP(free_ptr)
    char *path = xasprintf("/api/v1/executions/%s/logs?limit=1&%.*s%.*s%.*s", task->printer.execution_id,
                           STR_ARGS(buf_str(&request->position)), STR_ARGS(buf_str(&request->filters)),
                           STR_ARGS(buf_str(&request->texts)));
    int code = cli_get_json(task->cli, task->reader.client, path, &page);
    if (code)
        return code;
    const json_t *first = json_array_get(json_object_get(page, "logs"), 0);
    const json_t *number = first ? json_object_get(first, "sequence_number") : json_object_get(page, "last_index");
    *ret_first = (uint64_t)json_integer_value(number);
    // A line may consist of several records.
    uint64_t back = MIN(*ret_first, (uint64_t)request->before * 64 + (request->before > 0 ? LINE_SPAN_MAX : 0));
    *ret_position = xasprintf("from=%llu", (unsigned long long)(*ret_first - back));
    return 0;
}

// -A, -B, -C: lines around matches are selected here, so the server is asked for all lines.
static int choose_context(struct log_task *task)
{
    struct log_request *request = task->request;
    uint64_t first = 0;
    struct filter *filter = NULL;
    if (cli_value(task->cli, "tail")) {
        char *position;
        int code = find_first_match(task, &position, &first);
        if (code)
            return code;
        task->reader.position = arena_dup(&task->cli->arena, str_of(position));
        free(position);
    }
    int code = log_request_filter(task->cli, &filter);
    if (code == 0)
        task->printer.select =
            log_select_new(filter, request->before, request->after, first, log_printer_show, &task->printer);
    return code;
}

int log_task_prepare(struct log_task *task, const char *id)
{
    struct log_request *request = task->request;
    struct log_reader *reader = &task->reader;
    log_printer_init(&task->printer, id);
    task->has_printer = true;
    choose_form(task->cli, request, &task->printer);
    task->has_reader = true;
    int code = log_reader_init(reader, task->cli, &task->printer, id);
    if (code)
        return code;
    reader->filters = buf_cstr(request->context ? &request->filters : &request->all_filters);
    reader->position = buf_cstr(&request->position);
    reader->has_until = request->has_until;
    reader->until_ms = request->until_ms;
    reader->ends_when_lost = request->exit_status && !cli_flag(task->cli, "wait-lost");
    if (request->tells_waits)
        log_waits_init(&reader->waits);
    return request->context ? choose_context(task) : 0;
}

int log_task_run(struct log_task *task)
{
    return read_log(task->cli, &task->reader, task->request);
}

// --- Its name

static char *short_name(const struct log_printer *printer, const char *id)
{
    size_t len = strlen(id);
    return printer->out.is_terminal && len > LONG_ID ? xasprintf("…%s", id + len - LONG_ID_SHOW) : xstrdup(id);
}

size_t log_task_name_width(const struct log_task *task)
{
    CLEANUP(free_ptr) char *name = short_name(&task->printer, task->printer.execution_id);
    return text_width(str_of(name));
}

void log_task_prefix(struct log_task *task, size_t number, size_t width, bool colour)
{
    static const char *const colours[] = {"36", "33", "35", "32", "34", "31"};
    CLEANUP(free_ptr) char *name = short_name(&task->printer, task->printer.execution_id);
    size_t own = text_width(str_of(name));
    int pad = (int)(width > own ? width - own : 0);
    task->reader.name = task->printer.execution_id;
    task->printer.prefix =
        colour ? xasprintf("\033[%sm%s%*s |\033[0m ", colours[number % ARRAY_LEN(colours)], name, pad, "")
               : xasprintf("%s%*s | ", name, pad, "");
}
