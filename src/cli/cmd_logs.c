#include "cli/log_reader.h"
#include "cli/log_request.h"

#include <unistd.h>

static enum log_form form_of(const struct cli *cli)
{
    const char *output = cli_value(cli, "output");
    if (cli_flag(cli, "count"))
        return LOG_FORM_COUNT;
    if (cli_json(cli))
        return LOG_FORM_JSON;
    bool raw = output && strcmp(output, "raw") == 0;
    return !raw && (cli_flag(cli, "timestamps") || isatty(STDOUT_FILENO)) ? LOG_FORM_LINES : LOG_FORM_BYTES;
}

static void choose_form(struct cli *cli, const struct log_request *request, struct log_printer *printer)
{
    printer->form = form_of(cli);
    printer->split = cli_flag(cli, "split");
    printer->events = request->events;
    if (printer->form == LOG_FORM_LINES)
        log_printer_lines(printer, cli_colour(cli), cli_flag(cli, "utc"));
}

static void tell_end(const struct log_reader *reader)
{
    const char *mark = status_mark(reader->status);
    const char *word = strcmp(reader->status, "timed_out") == 0 ? "timed out" : reader->status;
    if (reader->has_exit_code)
        fprintf(stderr, "%s%sExecution %s (exit code: %d)\n", mark, *mark ? " " : "", word, reader->job_exit_code);
    else
        fprintf(stderr, "%s%sExecution %s\n", mark, *mark ? " " : "", word);
}

static int exit_code_of(const struct log_reader *reader)
{
    CLEANUP(json_free) json_t *exit_code = reader->has_exit_code ? json_integer(reader->job_exit_code) : NULL;
    return exit_code_of_job(reader->status, exit_code);
}

// Reading has brought no end: there may be one all the same.
static int exit_as_known(struct cli *cli, const struct log_reader *reader)
{
    CLEANUP(free_ptr) char *path = xasprintf("/api/v1/executions/%s/status", reader->execution_id);
    CLEANUP(json_free) json_t *status = NULL;
    int code = cli_get_json(cli, reader->client, path, &status);
    return code ? code : cli_exit_as_job(cli, status);
}

static int read_log(struct cli *cli, struct log_reader *reader)
{
    struct log_printer *printer = reader->printer;
    bool follow = cli_flag(cli, "follow");
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
        tell_end(reader);
    if (!cli_flag(cli, "exit-status"))
        return 0;
    return reader->complete ? exit_code_of(reader) : exit_as_known(cli, reader);
}

static int run_logs(struct cli *cli)
{
    CLEANUP(log_request_release) struct log_request request = {0};
    const char *id;
    enum log_form form = form_of(cli);
    int code = cli_execution_operand(cli, &id);
    if (code == 0)
        code = log_request_read(cli, form == LOG_FORM_BYTES || form == LOG_FORM_COUNT, &request);
    if (code)
        return code;
    CLEANUP(log_printer_release) struct log_printer printer;
    CLEANUP(log_reader_release) struct log_reader reader;
    log_printer_init(&printer, id);
    choose_form(cli, &request, &printer);
    code = log_reader_init(&reader, cli, &printer, id);
    if (code)
        return code;
    reader.filters = buf_cstr(&request.filters);
    reader.position = buf_cstr(&request.position);
    reader.has_until = request.has_until;
    reader.until_ms = request.until_ms;
    return read_log(cli, &reader);
}

const struct cli_command cmd_logs = {
    .name = "logs",
    .summary = "show the log of an execution, or follow it",
    .usage = "ID [-f] [OPTIONS]",
    .description =
        "Writes the records of an execution to standard output, in order. On a terminal, or with -t, each line reads `[10:30:15] [stdout] message`; on a "
        "pipe it is the message alone, so that `runnel logs ID | grep error` sees what the job has written, byte for byte. Events are shown on a terminal, "
        "with -t, with -o json, and where a filter asks for them.\n\n"
        "With -f it goes on until the log has ended. When the connection is lost it says so once, comes back by itself and goes on behind the last record "
        "it has shown: no line twice, none missing.\n\n"
        "On a terminal the job may set colours; other control sequences are shown instead of obeyed. Several filters all have to hold; the same one "
        "given twice, or with commas, means any of its values. Times without a zone are local; --utc shows and reads them in UTC.",
    .options =
        (const struct cli_option[]){
            {'f', "follow", CLI_FLAG, NULL, "go on until the log has ended"},
            {'n', "tail", CLI_VALUE, "N",
             "begin with the last N lines that are shown; with --since, of those since then"},
            {'t', "timestamps", CLI_FLAG, NULL, "show time and stream of each record, as on a terminal"},
            {0, "since", CLI_VALUE, "TIME", "begin at a time: " CLI_TIMES},
            {0, "until", CLI_VALUE, "TIME", "nothing after a time; with -f, end when it has passed"},
            {0, "from-seq", CLI_VALUE, "N", "begin with this sequence number"},
            {0, "stream", CLI_VALUE_MANY, "STREAM", "stdout, stderr or event"},
            {0, "level", CLI_VALUE_MANY, "LEVEL", "DEBUG, INFO, WARNING, ERROR or CRITICAL"},
            {0, "min-level", CLI_VALUE, "LEVEL", "this level and those above it"},
            {0, "category", CLI_VALUE, "CATEGORY", "technical or business"},
            {0, "event-type", CLI_VALUE_MANY, "TYPE", "events of a type, such as step_started"},
            {0, "milestone", CLI_FLAG, NULL, "milestones only"},
            {0, "min-priority", CLI_VALUE, "N", "display priority 1 to 10, this one and above"},
            {0, "node", CLI_VALUE_MANY, "NODE", "records of a node"},
            {0, "grep", CLI_VALUE_MANY, "TEXT", "lines that contain a text"},
            {0, "regex", CLI_VALUE_MANY, "PATTERN", "lines that match a regular expression (PCRE2)"},
            {'i', "ignore-case", CLI_FLAG, NULL, "of --grep and --regex: letters of either case are one"},
            {'v', "invert-match", CLI_FLAG, NULL, "lines that --grep and --regex do not match"},
            {'c', "count", CLI_FLAG, NULL, "say how many lines it would show, instead of showing them"},
            {'o', "output", CLI_VALUE, "FORM",
             "text, raw (exact bytes, also on a terminal) or json (one object a line, times in UTC)"},
            {0, "split", CLI_FLAG, NULL, "write what the job wrote to stderr to stderr"},
            {0, "exit-status", CLI_FLAG, NULL, "exit with the job's exit code; without -f, 1 while it goes on"},
            {0},
        },
    .examples =
        (const struct cli_example[]){
            {"runnel logs -f exec_abc123", "everything so far, and what comes"},
            {"runnel logs exec_abc123 | grep error", "exactly what the job wrote"},
            {"runnel logs exec_abc123 -n 20 --stream stderr", "the last 20 lines on stderr"},
            {"runnel logs exec_abc123 --since 'yesterday 18:00' --until today", "last night"},
            {"runnel logs -f exec_abc123 -o json | jq -r .message", "records as objects"},
            {"runnel logs -f --exit-status exec_abc123", "wait for the job, and end as it ended"},
            {0},
        },
    .run = run_logs,
};
