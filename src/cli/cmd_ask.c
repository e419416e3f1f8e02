// `ask`: lets the run that it is called in wait for somebody, and prints the answer.
#include "cli/cli_private.h"
#include "util/clock.h"
#include "util/id.h"

#include <poll.h>

#define IDLE_MS   60000 // the server says something each 15 s
#define AGAIN_MS  500   // before the next try
#define KNOWN_MS  60000 // a runner has told the server of its run by then
#define TIMED_OUT 124

struct asking {
    struct cli *cli;
    const char *id;
    uint64_t known_by_ms; // clock_mono_ms; until then the server may not know this run yet
    uint64_t from;        // the answer comes at or behind this record
    struct buf line;      // not whole yet
    bool over;
    int code; // when it is over
};

// --- Asking

static json_t *question(struct cli *cli, const char *title)
{
    const char *const *assignees;
    size_t count = cli_values(cli, "assignee", &assignees);
    json_t *body = json_object();
    static const struct {
        const char *option, *member;
    } texts[] = {{"until", "until"}, {"on-timeout", "on_timeout"}, {"node", "node_id"}};
    for (size_t i = 0; i < ARRAY_LEN(texts); i++)
        if (cli_value(cli, texts[i].option))
            json_object_set_new(body, texts[i].member, json_string(cli_value(cli, texts[i].option)));
    if (title)
        json_object_set_new(body, "form", json_pack("{ss}", "title", title));
    for (size_t i = 0; i < count; i++) {
        if (i == 0)
            json_object_set_new(body, "assignees", json_array());
        json_array_append_new(json_object_get(body, "assignees"), json_string(assignees[i]));
    }
    return body;
}

static int add_form(struct cli *cli, json_t *body)
{
    const char *text = cli_value(cli, "form");
    json_error_t error;
    if (!text)
        return 0;
    json_t *form = json_loads(text, 0, &error);
    if (!json_is_object(form)) {
        json_decref(form);
        return cli_usage_error(cli, "--form wants a JSON object, not \"%s\"", text);
    }
    json_object_set_new(body, "form", form);
    return 0;
}

// It waits for its runner, or has got it since it was asked.
static bool begins(struct asking *it, struct client *client)
{
    CLEANUP(client_response_release) struct client_response response = {0};
    CLEANUP(free_ptr) char *path = xasprintf("/api/v1/executions/%s/waiting", it->id);
    if (client_request(client, "GET", path, str_n(NULL, 0), NULL, &response) || response.status != 200)
        return false;
    CLEANUP(json_free) json_t *found = json_loadb(response.body.data, response.body.len, 0, NULL);
    const char *status = json_string_value(json_object_get(found, "status"));
    return status && (strcmp(status, "queued") == 0 || strcmp(status, "running") == 0);
}

// A run that has just begun may not be said to run yet, or not be known at all.
static bool may_be_too_early(struct asking *it, struct client *client, const struct client_response *response)
{
    CLEANUP(buf_release) struct buf text = {0};
    int err = client_response_error(response, &text);
    return err == ERR_BAD_TRANSITION ? begins(it, client) : err == ERR_NOT_FOUND && clock_mono_ms() < it->known_by_ms;
}

static int ask(struct asking *it, struct client *client, struct str body)
{
    CLEANUP(free_ptr) char *path = xasprintf("/api/v1/executions/%s/waiting", it->id);
    for (;;) {
        CLEANUP(client_response_release) struct client_response response = {0};
        int err = client_request(client, "PUT", path, body, NULL, &response);
        if (err)
            return cli_fail(it->cli, err, "%s", client_cause(&response, err));
        if (response.status == 200) {
            CLEANUP(json_free) json_t *answer = json_loadb(response.body.data, response.body.len, 0, NULL);
            it->from = (uint64_t)json_integer_value(json_object_get(answer, "last_index"));
            return 0;
        }
        if (!may_be_too_early(it, client, &response))
            return cli_fail_response(it->cli, &response);
        poll(NULL, 0, AGAIN_MS);
    }
}

// --- The answer

static void end_with(struct asking *it, int code)
{
    it->over = true;
    it->code = code;
}

static void hear(struct asking *it, const json_t *object)
{
    const char *type = json_string_value(json_object_get(object, "event_type"));
    const char *frame = json_string_value(json_object_get(object, "type"));
    const json_t *data = json_object_get(object, "data");
    CLEANUP(buf_release) struct buf text = {0};
    if (frame && strcmp(frame, "complete") == 0) {
        end_with(it, cli_fail(it->cli, ERR_SEALED, "the run has ended without an answer"));
    } else if (type && strcmp(type, "human_interaction") == 0 && data) {
        json_append_line(&text, data);
        end_with(it, cli_print(it->cli, &text));
    } else if (type && strcmp(type, "human_interaction") == 0) {
        cli_fail(it->cli, ERR_CONFLICT, "nobody has answered in time");
        end_with(it, TIMED_OUT);
    }
}

static bool took(void *arg, struct str bytes)
{
    struct asking *it = arg;
    buf_append_str(&it->line, bytes);
    struct str rest = buf_str(&it->line);
    while (!it->over && str_find(rest, '\n')) {
        struct str line = str_split(&rest, '\n');
        CLEANUP(json_free) json_t *object = json_loadb(line.data, line.len, 0, NULL);
        if (json_is_object(object))
            hear(it, object);
    }
    buf_consume(&it->line, it->line.len - rest.len);
    return !it->over;
}

static int await_answer(struct asking *it, struct client *client)
{
    CLEANUP(free_ptr)
    char *path =
        xasprintf("/api/v1/executions/%s/logs?format=ndjson&follow=true&event_type=human_interaction&from=%llu", it->id,
                  (unsigned long long)it->from);
    while (!it->over) {
        CLEANUP(client_response_release) struct client_response response = {0};
        buf_reset(&it->line);
        int err = client_stream(client, path, NULL, took, it, IDLE_MS, &response);
        if (it->over)
            break;
        if (err == 0 && response.status >= 400 && response.status < 500)
            return cli_fail_response(it->cli, &response);
        poll(NULL, 0, AGAIN_MS); // the server is away, or the connection was cut
    }
    return it->code;
}

static int run_ask(struct cli *cli)
{
    CLEANUP(client_free) struct client *client = NULL;
    struct asking it = {.cli = cli, .id = cli_value(cli, "id") ? cli_value(cli, "id") : getenv("RUNNEL_EXECUTION_ID")};
    char *const *operands;
    size_t count = cli_operands(cli, &operands);
    if (count > 1)
        return cli_usage_error(cli, "one question at a time, so \"%s\" is too much; quote it", operands[1]);
    if (count == 1 && cli_value(cli, "form"))
        return cli_usage_error(cli, "--form has the whole question, so \"%s\" is too much", operands[0]);
    if (!it.id || !id_execution_valid(str_of(it.id)))
        return cli_usage_error(cli, "there is no RUNNEL_EXECUTION_ID here, as a job has one; --id names the execution");
    if (!cli_value(cli, "id"))
        it.known_by_ms = clock_mono_ms() + KNOWN_MS;
    CLEANUP(json_free) json_t *body = question(cli, count == 1 ? operands[0] : NULL);
    int code = add_form(cli, body);
    CLEANUP(json_text_free) char *text = json_dumps(body, JSON_COMPACT);
    if (code == 0)
        code = cli_connect(cli, &client);
    if (code == 0)
        code = ask(&it, client, str_of(text));
    if (code == 0)
        code = await_answer(&it, client);
    buf_release(&it.line);
    return code;
}

const struct cli_command cmd_ask = {
    .name = "ask",
    .summary = "let a job wait for a person, and print the answer",
    .usage = "[OPTIONS] [TITLE]",
    .description =
        "Within a job, lets its run wait until somebody has answered (`runnel answer`), and prints the answer, a "
        "JSON object, on a line. The exit code is 124 if nobody has answered in time.\n\n"
        "It talks to the server, so it needs a credential. Under `runnel wrap` it is that of whoever has called it; "
        "a job of a worker gets one for just its run by `runnel run --secret @run`.",
    .options =
        (const struct cli_option[]){
            {0, "form", CLI_VALUE, "JSON", "what is asked, an object; TITLE is the same as {\"title\": TITLE}"},
            {0, "assignee", CLI_VALUE_MANY, "USER", "who may answer; the owner without it; may be repeated"},
            {0, "until", CLI_VALUE, "TIME", "a time by RFC 3339, or so long from now, such as 2h; for ever without it"},
            {0, "on-timeout", CLI_VALUE, "WHAT", "what follows then: fail ends the run, resume goes on"},
            {0, "node", CLI_VALUE, "ID", "the node that waits"},
            {0, "id", CLI_VALUE, "ID", "the execution, if it is not that of this job"},
            {0},
        },
    .examples =
        (const struct cli_example[]){
            {"answer=$(runnel ask \"Deploy to production?\" --until 2h)", "in a script"},
            {"runnel ask --form '{\"title\": \"Go?\"}' --assignee ann | jq .go", "of somebody else"},
            {0},
        },
    .run = run_ask,
};
