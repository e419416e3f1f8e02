#include "cli/log_reader.h"

#include <unistd.h>

struct filter_option {
    const char *option, *parameter;
    bool is_time, about_events;
};

static const struct filter_option filter_options[] = {
    {"stream", "stream", false, false},
    {"level", "level", false, false},
    {"min-level", "min_level", false, false},
    {"category", "category", false, false},
    {"event-type", "event_type", false, true},
    {"node", "node", false, true},
    {"min-priority", "min_priority", false, false},
    {"until", "end_time", true, false},
    {"grep", "grep", false, false},
    {"regex", "regex", false, false},
};

// Filters of the command line as parameters of the request, each with '&' before it.
static int append_filters(struct cli *cli, struct buf *out)
{
    CLEANUP(buf_release) struct buf query = {0};
    for (size_t i = 0; i < ARRAY_LEN(filter_options); i++) {
        const char *const *values;
        size_t count = cli_values(cli, filter_options[i].option, &values);
        for (size_t v = 0; v < count; v++) {
            if (!filter_options[i].is_time)
                query_append(&query, filter_options[i].parameter, values[v]);
            else if (!query_append_time(&query, filter_options[i].parameter, values[v]))
                return cli_usage_error(cli, "--%s wants a time such as 2025-11-15T10:30:15Z or 10m, not \"%s\"",
                                       filter_options[i].option, values[v]);
        }
    }
    if (cli_flag(cli, "milestone"))
        query_append(&query, "milestone", "true");
    if (query.len > 0) {
        query.data[0] = '&';
        buf_append_str(out, buf_str(&query));
    }
    return 0;
}

static bool wants_events(const struct cli *cli)
{
    const char *const *streams;
    size_t count = cli_values(cli, "stream", &streams);
    for (size_t i = 0; i < count; i++)
        if (strstr(streams[i], "event"))
            return true;
    for (size_t i = 0; i < ARRAY_LEN(filter_options); i++)
        if (filter_options[i].about_events && cli_value(cli, filter_options[i].option))
            return true;
    return cli_flag(cli, "milestone");
}

static int append_position(struct cli *cli, struct buf *out)
{
    const char *tail = cli_value(cli, "tail"), *since = cli_value(cli, "since"), *from = cli_value(cli, "from-seq");
    uint64_t number;
    if ((tail != NULL) + (since != NULL) + (from != NULL) > 1)
        return cli_usage_error(cli, "give one of --tail, --since and --from-seq");
    if (tail || from) {
        const char *text = tail ? tail : from;
        if (!str_to_u64(str_of(text), &number))
            return cli_usage_error(cli, "--%s wants a number, not \"%s\"", tail ? "tail" : "from-seq", text);
        buf_printf(out, "%s=%llu", tail ? "tail" : "from", (unsigned long long)number);
        return 0;
    }
    if (!since) {
        buf_append_text(out, "from=0");
        return 0;
    }
    // Made absolute now, so that it means the same when the connection has to be made again.
    CLEANUP(buf_release) struct buf query = {0};
    if (!query_append_time(&query, "since", since))
        return cli_usage_error(cli, "--since wants a time such as 2025-11-15T10:30:15Z or 10m, not \"%s\"", since);
    buf_append(out, query.data + 1, query.len - 1);
    return 0;
}

static void choose_form(struct cli *cli, struct log_printer *printer)
{
    const char *output = cli_value(cli, "output");
    bool raw = output && strcmp(output, "raw") == 0;
    printer->split = cli_flag(cli, "split");
    printer->events = wants_events(cli);
    printer->colour = cli_colour(cli);
    if (cli_json(cli)) {
        printer->form = LOG_FORM_JSON;
    } else if (!raw && (cli_flag(cli, "timestamps") || printer->out.is_terminal)) {
        printer->form = LOG_FORM_LINES;
        printer->escape = printer->out.is_terminal;
    }
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
    CLEANUP(buf_release) struct buf filters = {0}, position = {0};
    const char *id;
    int code = cli_execution_operand(cli, &id);
    if (code == 0)
        code = append_filters(cli, &filters);
    if (code == 0)
        code = append_position(cli, &position);
    if (code)
        return code;
    CLEANUP(log_printer_release) struct log_printer printer;
    CLEANUP(log_reader_release) struct log_reader reader;
    log_printer_init(&printer, id);
    choose_form(cli, &printer);
    code = log_reader_init(&reader, cli, &printer, id);
    if (code)
        return code;
    reader.filters = buf_cstr(&filters);
    reader.position = buf_cstr(&position);
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
        "given twice, or with commas, means any of its values.",
    .options =
        (const struct cli_option[]){
            {'f', "follow", CLI_FLAG, NULL, "go on until the log has ended"},
            {'n', "tail", CLI_VALUE, "N", "begin with the last N records that the filters let through"},
            {'t', "timestamps", CLI_FLAG, NULL, "show time and stream of each record, as on a terminal"},
            {0, "since", CLI_VALUE, "TIME", "begin at a time, or so long ago: 2025-11-15T10:30:15Z, 10m, 2h, 3d"},
            {0, "until", CLI_VALUE, "TIME", "nothing after a time, or younger than that"},
            {0, "from-seq", CLI_VALUE, "N", "begin with this sequence number"},
            {0, "stream", CLI_VALUE_MANY, "STREAM", "stdout, stderr or event"},
            {0, "level", CLI_VALUE_MANY, "LEVEL", "DEBUG, INFO, WARNING, ERROR or CRITICAL"},
            {0, "min-level", CLI_VALUE, "LEVEL", "this level and those above it"},
            {0, "category", CLI_VALUE, "CATEGORY", "technical or business"},
            {0, "event-type", CLI_VALUE_MANY, "TYPE", "events of a type, such as step_started"},
            {0, "milestone", CLI_FLAG, NULL, "milestones only"},
            {0, "min-priority", CLI_VALUE, "N", "display priority 1 to 10, this one and above"},
            {0, "node", CLI_VALUE_MANY, "NODE", "records of a node"},
            {0, "grep", CLI_VALUE, "TEXT", "messages that contain a text"},
            {0, "regex", CLI_VALUE, "PATTERN", "messages that match a regular expression (PCRE2)"},
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
            {"runnel logs -f exec_abc123 -o json | jq -r .message", "records as objects"},
            {"runnel logs -f --exit-status exec_abc123", "wait for the job, and end as it ended"},
            {0},
        },
    .run = run_logs,
};
