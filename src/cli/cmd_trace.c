// `trace`: takes trace data that another system has exported.
#include "cli/cli_private.h"
#include "cli/trace_runs.h"
#include "model/foreign_json.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#define READ_STEP      ((size_t)64 * 1024)
#define LINE_BYTES_MAX ((size_t)8 * 1024 * 1024) // bytes
#define STDIN_NAME     "standard input"

struct import {
    struct cli *cli;
    struct trace_runs *runs; // with a client, or without one when lines are only checked
    bool checks;
    uint64_t lines, events, states;
};

// --- Lines

static int take_object(struct import *it, json_t *object, struct trace_place place)
{
    CLEANUP(buf_release) struct buf reason = {0};
    struct trace_item item;
    if (!trace_item_read(object, &item, &reason)) {
        trace_runs_refuse(it->runs, place, buf_cstr(&reason));
        return 0;
    }
    it->events += !item.is_state;
    it->states += item.is_state;
    int code = it->checks ? 0 : trace_runs_take(it->runs, &item, place);
    trace_item_release(&item);
    return code;
}

// An answer of …/trace: its events, each of its run.
static int take_page(struct import *it, const json_t *page, struct trace_place place)
{
    json_t *event;
    size_t i;
    json_array_foreach(json_object_get(page, "events"), i, event)
    {
        if (json_is_object(event) && !json_object_get(event, "runId"))
            json_object_set(event, "runId", json_object_get(page, "runId"));
        int code = take_object(it, event, place);
        if (code)
            return code;
    }
    return 0;
}

static int take_line(struct import *it, struct str line, struct trace_place place)
{
    json_error_t error;
    it->lines++;
    if (str_trim(line).len == 0)
        return 0;
    CLEANUP(json_free) json_t *object = foreign_json_load(line, JSON_REJECT_DUPLICATES, &error);
    if (!object) {
        CLEANUP(free_ptr) char *reason = xasprintf("is no JSON: %s", error.text);
        trace_runs_refuse(it->runs, place, reason);
        return 0;
    }
    return json_is_array(json_object_get(object, "events")) ? take_page(it, object, place)
                                                            : take_object(it, object, place);
}

// --- Input

struct reading {
    const char *name;
    int fd;
    uint64_t line;
    struct buf text; // that has no newline yet
    size_t looked;   // so much of it has none
    bool overlong;   // the rest of a line that is too long
};

static void too_long(struct import *it, struct reading *reading)
{
    trace_runs_refuse(it->runs, (struct trace_place){reading->name, reading->line + 1}, "a line may have 8 MiB");
    reading->overlong = true;
    buf_reset(&reading->text);
    reading->looked = 0;
}

// Whole lines that are there; at the end also what has no newline.
static int take_lines(struct import *it, struct reading *reading, bool ended)
{
    size_t from = 0;
    int code = 0;
    while (code == 0 && from < reading->text.len) {
        size_t look = MAX(from, reading->looked);
        const char *newline = memchr(reading->text.data + look, '\n', reading->text.len - look);
        if (!newline && !ended)
            break;
        size_t end = newline ? (size_t)(newline - reading->text.data) : reading->text.len;
        reading->line++;
        if (!reading->overlong)
            code = take_line(it, str_n(reading->text.data + from, end - from),
                             (struct trace_place){reading->name, reading->line});
        reading->overlong = false;
        from = end + (newline != NULL);
        reading->looked = 0;
    }
    buf_consume(&reading->text, MIN(from, reading->text.len));
    reading->looked = reading->text.len;
    if (reading->overlong) {
        buf_reset(&reading->text);
        reading->looked = 0;
    } else if (reading->text.len > LINE_BYTES_MAX) {
        too_long(it, reading);
    }
    return code;
}

static int read_all(struct import *it, struct reading *reading)
{
    for (;;) {
        buf_reserve(&reading->text, READ_STEP);
        ssize_t got = read(reading->fd, reading->text.data + reading->text.len, READ_STEP);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return cli_fail(it->cli, ERR_IO, "%s: %s", reading->name, strerror(errno));
        reading->text.len += (size_t)got;
        int code = take_lines(it, reading, got == 0);
        if (code || got == 0)
            return code;
    }
}

static int read_one(struct import *it, const char *path)
{
    bool is_stdin = strcmp(path, "-") == 0;
    struct reading reading = {.name = is_stdin ? STDIN_NAME : path, .fd = STDIN_FILENO};
    if (!is_stdin)
        reading.fd = open(path, O_RDONLY | O_CLOEXEC);
    if (reading.fd < 0)
        return cli_fail(it->cli, ERR_NOT_FOUND, "%s: %s", path, strerror(errno));
    int code = read_all(it, &reading);
    buf_release(&reading.text);
    if (!is_stdin)
        close(reading.fd);
    return code;
}

// --- The command

static int tell(const struct import *it, int code)
{
    const struct trace_counts *counts = trace_runs_counts(it->runs);
    CLEANUP(buf_release) struct buf out = {0};
    if (cli_json(it->cli) && it->checks)
        buf_printf(&out, "{\"lines\":%llu,\"events\":%llu,\"states\":%llu,\"refused\":%llu}\n",
                   (unsigned long long)it->lines, (unsigned long long)it->events, (unsigned long long)it->states,
                   (unsigned long long)counts->refused);
    else if (cli_json(it->cli))
        buf_printf(&out, "{\"runs\":%llu,\"stored\":%llu,\"there_already\":%llu,\"refused\":%llu}\n",
                   (unsigned long long)counts->runs, (unsigned long long)counts->stored,
                   (unsigned long long)counts->there, (unsigned long long)counts->refused);
    else if (it->checks)
        buf_printf(&out, "%llu events and %llu states in %llu lines, %llu refused\n", (unsigned long long)it->events,
                   (unsigned long long)it->states, (unsigned long long)it->lines, (unsigned long long)counts->refused);
    else
        buf_printf(&out, "%llu events of %llu runs stored, %llu were there already, %llu refused\n",
                   (unsigned long long)counts->stored, (unsigned long long)counts->runs,
                   (unsigned long long)counts->there, (unsigned long long)counts->refused);
    int printed = cli_print(it->cli, &out);
    return code ? code : printed ? printed : counts->refused > 0;
}

static int import_all(struct import *it, char *const *paths, size_t count)
{
    int code = count == 0 ? read_one(it, "-") : 0;
    for (size_t i = 0; i < count && code == 0; i++)
        code = read_one(it, paths[i]);
    if (code == 0 && !it->checks)
        code = trace_runs_finish(it->runs, cli_flag(it->cli, "ended"));
    if (code && !it->checks)
        fprintf(stderr, "runnel: what was stored stays; the same command goes on from there\n");
    return tell(it, code);
}

static int run_trace(struct cli *cli)
{
    CLEANUP(client_free) struct client *client = NULL;
    char *const *operands;
    size_t count = cli_operands(cli, &operands);
    bool imports = count > 0 && strcmp(operands[0], "import") == 0;
    if (!imports && (count == 0 || strcmp(operands[0], "check") != 0))
        return cli_usage_error(cli, "say what to do: import or check");
    int code = imports ? cli_connect(cli, &client) : 0;
    if (code)
        return code;
    CLEANUP(trace_runs_free) struct trace_runs *runs = trace_runs_new(cli, client, cli_value(cli, "workflow"));
    struct import it = {.cli = cli, .runs = runs, .checks = !imports};
    return import_all(&it, operands + 1, count - 1);
}

const struct cli_command cmd_trace = {
    .name = "trace",
    .summary = "take trace data that another system has exported",
    .usage = "import|check [FILE…] [OPTIONS]",
    .description =
        "`import` makes runs of trace data: of NDJSON, from files or standard input, with an object on each line. An "
        "object is a trace event, as `GET /workflows/runs/{runId}/trace` gives it (runId, nodeRef, type, level, "
        "timestamp, "
        "message, error, outputSummary, data, metadata), a page of them, or what became of a run (runId, status, "
        "startedAt, completedAt). Names may also be written as run_id. Types and states may be those of Temporal, "
        "Airflow, Argo, Prefect and Dagster; the word that stood there is kept. What else an event has is kept in its "
        "technical details.\n\n"
        "Events of a run are stored in the order of the input. The same input again stores nothing twice, and one that "
        "was interrupted goes on where it was: by the number that is an event's id, or by the event's place if ids are "
        "no numbers. Import a run by one command at a time. A line that cannot be taken is named with its reason, "
        "the others are stored, and the exit code is 1. What comes later of the same run may be stored by then, so "
        "look "
        "with `check` first: it says the same of each line, without a server.",
    .options =
        (const struct cli_option[]){
            {0, "workflow", CLI_VALUE, "ID", "the workflow of runs that do not say theirs"},
            {0, "ended", CLI_FLAG, NULL,
             "runs whose state is not told have ended: as failed if a node failed last, else as completed"},
            {'o', "output", CLI_VALUE, "FORMAT", "text or json"},
            {0},
        },
    .examples =
        (const struct cli_example[]){
            {"runnel trace check traces.ndjson", "which lines cannot be taken, and why"},
            {"runnel trace import --workflow nightly traces.ndjson", "stores them"},
            {"zstd -dc traces.ndjson.zst | runnel trace import --ended", "of runs that are over"},
            {0},
        },
    .run = run_trace,
};
