// `run`: queues a job for a worker, follows its log, and exits as it did.
#include "cli/batch_items.h"
#include "cli/batch_watch.h"
#include "cli/log_tasks.h"
#include "cli/run_inputs.h"
#include "cli/run_order.h"
#include "cli/terminal.h"
#include "cli/wait.h"
#include "util/id.h"

#include <unistd.h>

static int submit(struct cli *cli, json_t *order, const char **ret_id)
{
    CLEANUP(client_free) struct client *client = NULL;
    CLEANUP(json_free) json_t *answer = NULL;
    int code = cli_connect(cli, &client);
    if (code == 0)
        code = inputs_send(cli, client, order, NULL);
    if (code)
        return code;
    json_object_set_new(order, "queue", json_true());
    if (cli_value(cli, "id"))
        json_object_set_new(order, "execution_id", json_string(cli_value(cli, "id")));
    CLEANUP(json_text_free) char *body = json_dumps(order, JSON_COMPACT);
    code = cli_call_json(cli, client, "POST", "/api/v1/executions", str_of(body), &answer);
    if (code)
        return code;
    const char *id = json_string_value(json_object_get(answer, "execution_id"));
    *ret_id = arena_dup(&cli->arena, str_of(id ? id : ""));
    if (cli_flag(cli, "detach") && cli_json(cli)) {
        CLEANUP(json_text_free) char *line = json_dumps(answer, JSON_COMPACT);
        printf("%s\n", line);
    } else if (cli_flag(cli, "detach")) {
        printf("%s\n", *ret_id);
    } else if (!cli_flag(cli, "quiet")) {
        fprintf(stderr, "runnel: queued as %s\n", *ret_id);
    }
    return 0;
}

static int follow_one(struct cli *cli, const char *id)
{
    CLEANUP(log_request_release) struct log_request request = {0};
    int code = log_request_read(cli, &request);
    request.follow = request.exit_status = true;
    request.tells_waits = !cli_flag(cli, "quiet");
    return code ? code : log_tasks_run(cli, &id, 1, &request);
}

// The attempt that follows; NULL if none does, or it cannot be told.
static const char *next_attempt(struct cli *cli, const char *id)
{
    CLEANUP(client_free) struct client *client = NULL;
    CLEANUP(json_free) json_t *status = NULL;
    const char *next = NULL;
    if (cli_connect(cli, &client) == 0 && cli_next_attempt(cli, client, id, &status, &next) == 0 && next &&
        !cli_flag(cli, "quiet"))
        fprintf(stderr, "runnel: tried again as %s\n", next);
    return next;
}

// Its log says why there is none.
static void tell_result(struct cli *cli, const char *id)
{
    CLEANUP(client_free) struct client *client = NULL;
    CLEANUP(client_response_release) struct client_response response = {0};
    CLEANUP(free_ptr) char *path = xasprintf("/api/v1/executions/%s/result", id);
    if (cli_flag(cli, "result") && !cli_flag(cli, "quiet") && cli_connect(cli, &client) == 0 &&
        client_request(client, "GET", path, str_n(NULL, 0), NULL, &response) == 0 && response.status == 404)
        fprintf(stderr, "runnel: it has left no result; `runnel logs --stream event %s` says why\n", id);
}

// Why it has ended as it did, if its exit code does not tell that: its program cannot be run, or its time was over. A
// terminal has shown the event of it.
static void tell_reason(struct cli *cli, const char *id)
{
    CLEANUP(client_free) struct client *client = NULL;
    CLEANUP(client_response_release) struct client_response response = {0};
    CLEANUP(free_ptr) char *path = xasprintf("/api/v1/executions/%s", id);
    if (isatty(STDOUT_FILENO) || cli_connect(cli, &client) ||
        client_request(client, "GET", path, str_n(NULL, 0), NULL, &response) < 0 || response.status != 200)
        return;
    CLEANUP(json_free) json_t *status = json_loadb(response.body.data, response.body.len, 0, NULL);
    const char *reason = json_string_value(json_object_get(status, "reason"));
    CLEANUP(buf_release) struct buf shown = {0};
    terminal_append_plain(&shown, str_of(reason ? reason : ""));
    if (shown.len > 0)
        fprintf(stderr, "runnel: %s\n", buf_cstr(&shown));
}

// To the end of its last attempt, as which it exits.
static int follow(struct cli *cli, const char *id)
{
    int code = 0;
    while (id) {
        code = follow_one(cli, id);
        if (code)
            tell_reason(cli, id);
        tell_result(cli, id);
        id = code != 0 && cli_value(cli, "retries") ? next_attempt(cli, id) : NULL;
    }
    return code;
}

// --- Batches

// What holds for all executions of the batch, also for those that are added later.
static void move_member(json_t *from, json_t *to, const char *name)
{
    json_object_set(to, name, json_object_get(from, name)); // nothing, if it is not there
    json_object_del(from, name);
}

static int batch_body(struct cli *cli, json_t *order, json_t **ret)
{
    CLEANUP(json_free) json_t *jobs = NULL;
    const char *parallel = cli_value(cli, "parallel"), *max_fails = cli_value(cli, "max-fails");
    uint64_t number = 0;
    if (parallel && !str_to_u64(str_of(parallel), &number))
        return cli_usage_error(cli, "--parallel wants a number, not \"%s\"", parallel);
    int code = batch_items_read(cli, order, &jobs);
    if (code)
        return code;
    *ret = json_object();
    json_object_set(*ret, "metadata", json_object_get(order, "metadata"));
    if (cli_value(cli, "id"))
        json_object_set_new(*ret, "batch_id", json_string(cli_value(cli, "id")));
    if (cli_value(cli, "name"))
        json_object_set_new(*ret, "name", json_string(cli_value(cli, "name")));
    if (parallel)
        json_object_set_new(*ret, "parallel", json_integer((json_int_t)number));
    if (max_fails)
        json_object_set_new(*ret, "max_fails", json_string(max_fails));
    if (cli_flag(cli, "keep-open"))
        json_object_set_new(*ret, "keep_open", json_true());
    move_member(order, *ret, "retention");
    move_member(order, *ret, "pin");
    json_object_set(*ret, "job", order);
    json_object_set(*ret, "jobs", jobs);
    return 0;
}

// Of a batch that is made, or of one that takes more.
static int batch_request(struct cli *cli, json_t *order, char **ret_path, json_t **ret_body)
{
    const char *to = cli_value(cli, "add-to");
    if (!to) {
        *ret_path = xstrdup("/api/v1/batches");
        return batch_body(cli, order, ret_body);
    }
    CLEANUP(json_free) json_t *jobs = NULL;
    if (!id_execution_valid(str_of(to)))
        return cli_usage_error(cli, "\"%s\" cannot be the identifier of a batch", to);
    int code = batch_wanted(cli) ? batch_items_read(cli, order, &jobs) : 0;
    if (code)
        return code;
    *ret_path = xasprintf("/api/v1/batches/%s/executions", to);
    *ret_body = json_pack("{s:O,s:o}", "job", order, "jobs", jobs ? json_incref(jobs) : json_pack("[{}]"));
    return 0;
}

static int run_batch(struct cli *cli, json_t *order)
{
    CLEANUP(client_free) struct client *client = NULL;
    CLEANUP(json_free) json_t *body = NULL, *answer = NULL;
    CLEANUP(free_ptr) char *path = NULL;
    int code = batch_request(cli, order, &path, &body);
    if (code == 0)
        code = cli_connect(cli, &client);
    if (code == 0)
        code = inputs_send(cli, client, order, json_object_get(body, "jobs"));
    if (code)
        return code;
    CLEANUP(json_text_free) char *text = json_dumps(body, JSON_COMPACT);
    code = cli_call_json(cli, client, "POST", path, str_of(text), &answer);
    if (code)
        return code;
    const char *id = json_string_value(json_object_get(answer, "batch_id"));
    if (cli_flag(cli, "watch")) {
        fprintf(stderr, "runnel: batch %s\n", id);
        return batch_watch(cli, client, id, true);
    }
    CLEANUP(json_text_free) char *line = cli_json(cli) ? json_dumps(answer, JSON_COMPACT) : NULL;
    printf("%s\n", line ? line : id);
    return 0;
}

static int run_run(struct cli *cli)
{
    CLEANUP(json_free) json_t *order = NULL;
    const char *id = NULL;
    int code = run_order_read(cli, &order);
    if (code == 0 && (batch_wanted(cli) || cli_value(cli, "add-to")))
        return run_batch(cli, order);
    if (code == 0)
        code = submit(cli, order, &id);
    if (code || cli_flag(cli, "detach"))
        return code;
    return follow(cli, id);
}

const struct cli_command cmd_run = {
    .name = "run",
    .summary = "queue a job for a worker, and follow it",
    .usage = "[OPTIONS] SCRIPT [ARGS] | [OPTIONS] -- COMMAND [ARGS]",
    .description =
        "Queues a job. A worker takes it as soon as one has room; its log is followed meanwhile, and runnel exits with "
        "the job's code; what that does not tell, such as that its program cannot be run, is said on stderr. Ctrl-C "
        "ends the following and not the job, which `runnel cancel` ends.\n\n"
        "SCRIPT travels to the worker, and so do the files and folders of --input, by their content: what the server "
        "has already is not sent again. It is run by the runtime that --runtime names, else by what its first line "
        "(#!) says, else by its ending (.py, .sh, .js …). After -- a COMMAND follows, which is there on the worker.\n\n"
        "A job runs in a fresh folder, in which its script and inputs lie. It has RUNNEL_EXECUTION_ID, "
        "RUNNEL_ATTEMPT, RUNNEL_OUTPUTS and more in its environment. What it leaves in the folder RUNNEL_OUTPUTS is "
        "shown and fetched by `runnel artifacts`.\n\n"
        "With --retries a job that did not succeed is tried again, as a new execution: after any end but a success "
        "or a cancel, or after those that --retry-on names. With --after it waits for others; if what it waits for "
        "cannot come true any more, it ends as skipped, and says why.\n\n"
        "A batch has one job for each file of --batch (a pattern that is quoted, or that the shell has expanded), "
        "line, number or object. With --cwd the files do not travel: they are those of the worker's machine. The "
        "arguments of SCRIPT stand behind -- then.\n\n"
        "When a job has not begun after two seconds, why it waits is said on stderr, and again when the reason "
        "changes; "
        "`runnel status` tells it at any time.",
    .options =
        (const struct cli_option[]){
            {'d', "detach", CLI_FLAG, NULL, "only queue it, and print its identifier"},
            {'e', "env", CLI_VALUE_MANY, "KEY=VALUE", "a variable of its environment; KEY alone: as it is here"},
            {0, "secret", CLI_VALUE_MANY, "NAME[=VARIABLE]",
             "a secret of the account as a variable of its environment, masked in its log; @run: the token of the run "
             "itself, as RUNNEL_TOKEN"},
            {'m', "metadata", CLI_VALUE_MANY, "KEY=VALUE", "what else to know about it; may be repeated"},
            {0, "id", CLI_VALUE, "ID", "its identifier; else one is made"},
            {0, "name", CLI_VALUE, "NAME", "a name to show"},
            {0, "runtime", CLI_VALUE, "RUNTIME", "such as python:3.11; a worker that has it runs the script"},
            {0, "image", CLI_VALUE, "IMAGE", "of the container that it runs in; pulled if it is not there"},
            {0, "cwd", CLI_VALUE, "FOLDER", "a folder of the worker's machine to run it in"},
            {0, "stdin", CLI_VALUE, "FILE", "what it reads; at most 1 MiB of text"},
            {0, "result", CLI_VALUE, "json",
             "keep its output, whole or else its last line, as its result, if that is JSON of at most 64 KiB"},
            {0, "retention", CLI_VALUE, "RULES",
             "how long it is kept after its end, and how much of its log, such as 7d,log_records=100000; 0: for ever; "
             "of a "
             "batch: all of its jobs"},
            {0, "pin", CLI_FLAG, NULL, "keep it whatever its age, until `runnel unpin`"},
            {0, "timeout", CLI_VALUE, "DURATION", "it is ended after so long"},
            {0, "retries", CLI_VALUE, "N", "try it again so many times"},
            {0, "retry-on", CLI_VALUE_MANY, "END", "failed, timed_out, lost, exit:N, exit:N-M or signal:NAME"},
            {0, "retry-delay", CLI_VALUE, "DURATION", "before the first retry; doubles with each"},
            {0, "after", CLI_VALUE_MANY, "ID[:ok|:any|:failed]", "wait until an execution or a batch has ended so"},
            {0, "cpus", CLI_VALUE, "N", "processors that it needs"},
            {0, "memory", CLI_VALUE, "BYTES", "memory that it needs, such as 512M"},
            {0, "label", CLI_VALUE_MANY, "LABEL", "that its worker must have"},
            {0, "priority", CLI_VALUE, "N", "higher ones first; -1000 to 1000"},
            {0, "input", CLI_VALUE_MANY, "FILE", "a file, or a folder, that travels to its folder; may be repeated"},
            {0, "batch", CLI_VALUE_MANY, "PATTERN",
             "a job for each file, which travels with it, and is its last argument, or {} in them"},
            {0, "each-line", CLI_VALUE, "FILE", "a job for each line of a file; -: of standard input"},
            {0, "each-json", CLI_VALUE, "FILE", "a job for each line, which is JSON"},
            {0, "range", CLI_VALUE, "M-N", "a job for each number"},
            {0, "parallel", CLI_VALUE, "N", "of a batch: at most so many at once"},
            {0, "max-fails", CLI_VALUE, "N|P%", "of a batch: with more failures nothing more is started"},
            {0, "keep-open", CLI_FLAG, NULL, "the batch takes more jobs (--add-to) until `runnel batch close`"},
            {0, "add-to", CLI_VALUE, "BATCH", "add to a batch that was made with --keep-open"},
            {'w', "watch", CLI_FLAG, NULL, "show the batch's progress until it is over; 0 only if all succeeded"},
            {'t', "timestamps", CLI_FLAG, NULL, "show time and stream of each record, as on a terminal"},
            {'o', "output", CLI_VALUE, "FORM", "of the log: text, raw or json; with -d json prints the execution"},
            {'q', "quiet", CLI_FLAG, NULL, "no notices on stderr"},
            {0},
        },
    .examples =
        (const struct cli_example[]){
            {"runnel run process.py data.csv", "run a script on a worker"},
            {"runnel run --input model.bin --input conf/ train.py", "with the files that it needs"},
            {"runnel run --retries 3 --retry-delay 10s -- ./fetch.sh", "try again what fails"},
            {"runnel run script.py --batch 'data/*.csv' --parallel 8 --watch", "a job for each file"},
            {"runnel run --range 1-100 --watch -- ./simulate --seed {}", "a job for each number"},
            {"runnel run -d --after exec_abc123 -- make deploy", "queue what follows"},
            {0},
        },
    .run = run_run,
};
