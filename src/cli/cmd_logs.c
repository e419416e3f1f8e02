#include "cli/log_crowd.h"
#include "cli/log_tasks.h"
#include "util/id.h"

// Many, of a batch or with some metadata.
static int run_crowd(struct cli *cli, struct log_request *request)
{
    const char *batch = cli_value(cli, "batch");
    char *const *operands;
    if (cli_operands(cli, &operands) > 0 || cli_flag(cli, "last"))
        return cli_usage_error(cli, "name executions, or a batch by --batch, or metadata by -m, and not both");
    if (batch && !id_execution_valid(str_of(batch)))
        return cli_usage_error(cli, "\"%s\" cannot be the identifier of a batch", batch);
    if (request->exit_status && !batch)
        return cli_usage_error(cli, "--exit-status goes with executions, or with --batch");
    return log_crowd_run(cli, batch, request);
}

static int run_logs(struct cli *cli)
{
    CLEANUP(log_request_release) struct log_request request = {0};
    const char *const *ids;
    size_t count;
    int code = log_request_read(cli, &request);
    if (code == 0 && (cli_value(cli, "batch") || cli_value(cli, "metadata")))
        return run_crowd(cli, &request);
    if (code == 0)
        code = cli_find_executions(cli, &ids, &count);
    return code ? code : log_tasks_run(cli, ids, count, &request);
}

const struct cli_command cmd_logs = {
    .name = "logs",
    .summary = "show the log of an execution, or follow it",
    .usage = "[ID…] [-f] [OPTIONS]",
    .description = "Writes the records of an execution to standard output, in order; without an identifier those of "
                   "the latest. A beginning of an identifier will do, if "
                   "no other has it. Several executions are shown one after the other, or with -f together, each line "
                   "with its execution before it.\n\n"
                   " On a terminal, or with -t, each line reads `[10:30:15] [stdout] message`; on a "
                   "pipe it is the message alone, so that `runnel logs ID | grep error` sees what the job has written, "
                   "byte for byte. Events are shown on a terminal, "
                   "with -t, with -o json, and where a filter asks for them.\n\n"
                   "With -f it goes on until the log has ended, and says on standard error when the runner is gone, is "
                   "back or counts as lost. When the connection is lost it says so once, comes back by itself and goes "
                   "on behind the last record "
                   "it has shown: no line twice, none missing.\n\n"
                   "On a terminal the job may set colours; other control sequences are shown instead of obeyed. "
                   "Several filters all have to hold; the same one "
                   "given twice, or with commas, means any of its values. Times without a zone are local; --utc shows "
                   "and reads them in UTC.",
    .options =
        (const struct cli_option[]){
            {'f', "follow", CLI_FLAG, NULL, "go on until the log has ended"},
            {0, "batch", CLI_VALUE, "ID",
             "all executions of a batch, each line with its execution before it; with -f also those that start later"},
            {'m', "metadata", CLI_VALUE_MANY, "KEY=VALUE", "the same of all that have this in their metadata"},
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
            {'A', "after-context", CLI_VALUE, "N", "N lines after each that matches, too"},
            {'B', "before-context", CLI_VALUE, "N", "N lines before"},
            {'C', "around", CLI_VALUE, "N", "N lines before and after"},
            {'c', "count", CLI_FLAG, NULL, "say how many lines it would show, instead of showing them"},
            {'o', "output", CLI_VALUE, "FORM",
             "text, raw (exact bytes, also on a terminal) or json (one object a line, times in UTC)"},
            {0, "split", CLI_FLAG, NULL, "write what the job wrote to stderr to stderr"},
            {0, "last", CLI_FLAG, NULL, "the latest execution"},
            {0, "exit-status", CLI_FLAG, NULL,
             "exit with the job's exit code; without -f, 1 while it goes on; 125 if it is lost or skipped"},
            {0, "wait-lost", CLI_FLAG, NULL,
             "with -f and --exit-status: go on when it is lost, as its runner may come back"},
            {0},
        },
    .examples =
        (const struct cli_example[]){
            {"runnel logs -f", "of the latest execution everything so far, and what comes"},
            {"runnel logs -f build-1 build-2", "two of them together"},
            {"runnel logs -f --batch batch_abc123", "all of a batch, until it is over"},
            {"runnel logs -f -m team=data", "all that have this, also those that start later"},
            {"runnel logs exec_abc123 -i --grep error -C 3", "errors, with three lines around each"},
            {"runnel logs exec_abc123 | grep error", "exactly what the job wrote"},
            {"runnel logs exec_abc123 -n 20 --stream stderr", "the last 20 lines on stderr"},
            {"runnel logs exec_abc123 --since 'yesterday 18:00' --until today", "last night"},
            {"runnel logs -f exec_abc123 -o json | jq -r .message", "records as objects"},
            {"runnel logs -f --exit-status exec_abc123", "wait for the job, and end as it ended"},
            {0},
        },
    .run = run_logs,
};
