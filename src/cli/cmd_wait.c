// `wait`: until executions or batches have ended. `retry`: queues jobs once more.
#include "cli/batch_display.h"
#include "cli/batch_follow.h"
#include "cli/log_reader.h"
#include "cli/wait.h"
#include "util/id.h"

#include <poll.h>

#define LOOK_MS        1000
#define SETTLE_MS      20 // until whether another attempt follows is looked for; that is decided right after the end
#define SETTLE_MS_MOST 1000
#define NO_RECORD      "&stream=event&event_type=separator&node=none" // the state is wanted, and no line

static int get_status(struct cli *cli, struct client *client, const char *id, json_t **ret)
{
    CLEANUP(free_ptr) char *path = xasprintf("/api/v1/executions/%s/status", id);
    return cli_get_json(cli, client, path, ret);
}

static const char *word_of(const json_t *status)
{
    const char *word = json_string_value(json_object_get(status, "status"));
    return word ? word : "";
}

static bool is_over(const json_t *status)
{
    enum execution_status known;
    return status_parse(str_of(word_of(status)), &known) && (status_terminal(known) || known == STATUS_LOST);
}

int cli_next_attempt(struct cli *cli, struct client *client, const char *id, json_t **ret_status, const char **ret_next)
{
    *ret_next = NULL;
    for (int wait_ms = SETTLE_MS;; wait_ms = MIN(wait_ms * 2, SETTLE_MS_MOST)) {
        json_free(ret_status);
        int code = get_status(cli, client, id, ret_status);
        const char *next = json_string_value(json_object_get(*ret_status, "retried_as"));
        if (next)
            *ret_next = arena_dup(&cli->arena, str_of(next));
        // It is false only while the server has not decided yet.
        if (code || next || !json_is_false(json_object_get(*ret_status, "settled")))
            return code;
        poll(NULL, 0, wait_ms);
    }
}

// --- One

static int follow_to_end(struct cli *cli, const char *id, const json_t *status)
{
    struct log_printer printer;
    struct log_reader reader;
    CLEANUP(free_ptr)
    char *position = xasprintf("from=%lld", (long long)json_integer_value(json_object_get(status, "last_index")));
    log_printer_init(&printer, id);
    printer.form = LOG_FORM_COUNT;
    int code = log_reader_init(&reader, cli, &printer, id);
    reader.filters = NO_RECORD;
    reader.position = position;
    reader.ends_when_lost = true;
    if (code == 0)
        code = log_reader_follow(&reader);
    log_reader_release(&reader);
    log_printer_release(&printer);
    return code;
}

static int print_result(struct cli *cli, struct client *client, const char *id)
{
    CLEANUP(client_response_release) struct client_response response = {0};
    CLEANUP(free_ptr) char *path = xasprintf("/api/v1/executions/%s/result", id);
    int code = cli_call(cli, client, "GET", path, str_n(NULL, 0), &response);
    if (code)
        return code;
    buf_append_byte(&response.body, '\n');
    return cli_print(cli, &response.body);
}

// To the end of its last attempt.
static int wait_execution(struct cli *cli, struct client *client, const char *id)
{
    for (;;) {
        CLEANUP(json_free) json_t *status = NULL;
        const char *next = NULL;
        int code = get_status(cli, client, id, &status);
        if (code == 0 && !is_over(status))
            code = follow_to_end(cli, id, status);
        if (code == 0)
            code = cli_next_attempt(cli, client, id, &status, &next);
        if (code)
            return code;
        if (!next && is_over(status)) {
            bool result = cli_flag(cli, "result");
            if (!cli_flag(cli, "quiet") && !result)
                printf("%s: %s\n", id, word_of(status));
            fflush(stdout);
            code = result ? print_result(cli, client, id) : 0;
            int job_code = cli_exit_as_job(cli, status);
            return job_code ? job_code : code;
        }
        id = next ? next : id;
    }
}

static int wait_batch(struct cli *cli, struct client *client, const char *id)
{
    struct batch_follow follow;
    CLEANUP(buf_release) struct buf line = {0};
    int code = batch_follow_init(&follow, cli, client, id, true);
    while (code == 0 && !follow.over) {
        batch_follow_wait(&follow, NULL, 0, LOOK_MS);
        code = follow.code;
    }
    if (code == 0) {
        batch_append_line(&line, follow.status);
        if (!cli_flag(cli, "quiet"))
            printf("%s: %s", id, buf_cstr(&line));
        fflush(stdout);
        code = batch_exit_code(follow.status);
    }
    batch_follow_release(&follow);
    return code;
}

// What has no execution of that name is a batch.
static int wait_one(struct cli *cli, struct client *client, const char *id)
{
    CLEANUP(client_response_release) struct client_response response = {0};
    CLEANUP(free_ptr) char *path = xasprintf("/api/v1/batches/%s", id);
    bool batch = client_request(client, "GET", path, str_n(NULL, 0), NULL, &response) == 0 && response.status == 200;
    cli->about = id;
    int code = batch ? wait_batch(cli, client, id) : wait_execution(cli, client, id);
    cli->about = NULL;
    return code;
}

static int wait_latest(struct cli *cli)
{
    CLEANUP(client_free) struct client *client = NULL;
    const char *id = NULL;
    int code = cli_connect(cli, &client);
    if (code == 0)
        code = cli_find_execution(cli, client, &id);
    return code ? code : wait_one(cli, client, id);
}

static int run_wait(struct cli *cli)
{
    CLEANUP(client_free) struct client *client = NULL;
    char *const *ids;
    size_t count = cli_operands(cli, &ids);
    int first = 0;
    if (count == 0 && cli_flag(cli, "last"))
        return wait_latest(cli);
    if (count == 0)
        return cli_usage_error(cli, "say for what to wait: runnel wait ID…, or --last");
    if (cli_flag(cli, "last"))
        return cli_usage_error(cli, CLI_LAST_AND_ANOTHER, ids[0]);
    for (size_t i = 0; i < count; i++)
        if (!id_execution_valid(str_of(ids[i])))
            return cli_usage_error(cli, "\"%s\" cannot be the identifier of an execution or a batch", ids[i]);
    int code = cli_connect(cli, &client);
    if (code)
        return code;
    for (size_t i = 0; i < count; i++) {
        code = wait_one(cli, client, ids[i]);
        first = first ? first : code;
    }
    return first;
}

const struct cli_command cmd_wait = {
    .name = "wait",
    .summary = "wait until executions or batches have ended",
    .usage = "ID… | --last",
    .description = "Waits until all of them have ended, and prints how. A job that is tried again is waited for to its "
                   "last attempt.\n\n"
                   "The exit code is that of the job; of several, that of the first one named that did not succeed. Of "
                   "a batch it is 0 if all of it succeeded, else 1.\n\n"
                   "--result prints what `run --result json` has kept of each, on a line of its own.",
    .options =
        (const struct cli_option[]){
            {0, "last", CLI_FLAG, NULL, "the latest execution"},
            {'q', "quiet", CLI_FLAG, NULL, "print nothing"},
            {0, "result", CLI_FLAG, NULL, "print its result, and only that"},
            {0},
        },
    .examples =
        (const struct cli_example[]){
            {"runnel wait exec_abc123 && echo good", "go on when it has succeeded"},
            {"runnel wait batch_abc123", "until all of a batch is over"},
            {0},
        },
    .run = run_wait,
};

// --- Once more

static int retry_one(struct cli *cli, struct client *client, const char *id, struct buf *out)
{
    CLEANUP(free_ptr) char *path = xasprintf("/api/v1/executions/%s/retry", id);
    CLEANUP(json_free) json_t *answer = NULL;
    int code = cli_call_json(cli, client, "POST", path, str_n(NULL, 0), &answer);
    if (code)
        return code;
    const char *made = json_string_value(json_object_get(answer, "execution_id"));
    if (cli_json(cli))
        json_append_line(out, answer);
    else
        buf_printf(out, "%s: queued again as %s\n", id, made ? made : "");
    return 0;
}

static int run_retry(struct cli *cli)
{
    char *const *operands;
    if (cli_operands(cli, &operands) == 0 && !cli_flag(cli, "last"))
        return cli_usage_error(cli, "name an execution: runnel retry ID, or --last");
    return cli_each_execution(cli, retry_one);
}

const struct cli_command cmd_retry = {
    .name = "retry",
    .summary = "queue jobs that have ended once more",
    .usage = "ID… [-o json]",
    .description = "Queues each job once more, as a new execution. The one before names it as `retried_as`. Only the "
                   "last attempt of a job can be retried, and only once it has ended.\n\n"
                   "All that failed of a batch: `runnel batch retry`.",
    .options =
        (const struct cli_option[]){
            {0, "last", CLI_FLAG, NULL, "the latest execution"},
            {'o', "output", CLI_VALUE, "FORMAT", "text or json, one object a line"},
            {0},
        },
    .examples =
        (const struct cli_example[]){
            {"runnel retry exec_abc123", "once more"},
            {0},
        },
    .run = run_retry,
};
