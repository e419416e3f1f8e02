// `answer`: answers what a run waits for.
#include "cli/cli_private.h"
#include "util/id.h"

// --- The answer

// NAME=TEXT or NAME:=JSON.
static int add_member(struct cli *cli, json_t *data, const char *operand)
{
    const char *equals = strchr(operand, '=');
    bool is_json = equals && equals > operand && equals[-1] == ':';
    size_t len = equals ? (size_t)(equals - operand) - is_json : 0;
    if (len == 0)
        return cli_usage_error(cli, "\"%s\" is no NAME=TEXT, nor NAME:=JSON", operand);
    json_error_t error;
    json_t *value = is_json ? json_loads(equals + 1, JSON_DECODE_ANY, &error) : json_string(equals + 1);
    if (!value)
        return cli_usage_error(cli, "\"%s\": %s", operand, is_json ? error.text : "it is not UTF-8");
    json_object_setn_new(data, operand, len, value);
    return 0;
}

static int read_data(struct cli *cli, char *const *operands, size_t count, json_t **ret)
{
    const char *text = cli_value(cli, "data");
    json_error_t error;
    if (text && count > 0)
        return cli_usage_error(cli, "--data has the whole answer, so \"%s\" is too much", operands[0]);
    *ret = text ? json_loads(text, 0, &error) : json_object();
    if (!json_is_object(*ret))
        return cli_usage_error(cli, "--data wants a JSON object, not \"%s\"", text);
    int code = 0;
    for (size_t i = 0; i < count && code == 0; i++)
        code = add_member(cli, *ret, operands[i]);
    return code;
}

// --- What it waits for

// Those who are asked may not see the execution, so it is not looked for if the identifier is complete.
static int find_waiting(struct cli *cli, struct client *client, const char **id, json_t **ret)
{
    CLEANUP(client_response_release) struct client_response response = {0};
    CLEANUP(free_ptr) char *path = xasprintf("/api/v1/executions/%s/waiting", *id);
    bool there = client_request(client, "GET", path, str_n(NULL, 0), NULL, &response) == 0 && response.status == 200;
    int code = there ? 0 : cli_find_execution(cli, client, id);
    CLEANUP(free_ptr) char *found = xasprintf("/api/v1/executions/%s/waiting", *id);
    return code ? code : cli_get_json(cli, client, found, ret);
}

static int send_answer(struct cli *cli, struct client *client, const char *id, const json_t *waiting, json_t *data)
{
    CLEANUP(json_free) json_t *answer = NULL;
    CLEANUP(buf_release) struct buf text = {0};
    json_t *waiting_id = json_object_get(waiting, "waiting_id");
    CLEANUP(json_free) json_t *body = json_pack("{sO}", "data", data);
    if (waiting_id)
        json_object_set(body, "waiting_id", waiting_id);
    CLEANUP(json_text_free) char *sent = json_dumps(body, JSON_COMPACT);
    CLEANUP(free_ptr) char *path = xasprintf("/api/v1/executions/%s/answer", id);
    int code = cli_call_json(cli, client, "POST", path, str_of(sent), &answer);
    if (code)
        return code;
    if (cli_json(cli))
        json_append_line(&text, answer);
    else
        buf_printf(&text, "%s: answered; %s\n", id, json_string_value(json_object_get(answer, "status")));
    return cli_print(cli, &text);
}

static int run_answer(struct cli *cli)
{
    CLEANUP(client_free) struct client *client = NULL;
    CLEANUP(json_free) json_t *data = NULL, *found = NULL;
    char *const *operands;
    size_t count = cli_operands(cli, &operands);
    if (count == 0)
        return cli_usage_error(cli, "name an execution: runnel answer ID NAME=TEXT…");
    const char *id = operands[0];
    if (!id_execution_valid(str_of(id)))
        return cli_usage_error(cli, "\"%s\" cannot be the identifier of an execution", id);
    int code = read_data(cli, operands + 1, count - 1, &data);
    if (code == 0)
        code = cli_connect(cli, &client);
    if (code == 0)
        code = find_waiting(cli, client, &id, &found);
    if (code)
        return code;
    const json_t *waiting = json_object_get(found, "waiting");
    if (!json_is_object(waiting))
        return cli_fail(cli, ERR_CONFLICT, "%s waits for no answer; it is %s", id,
                        json_string_value(json_object_get(found, "status")));
    return send_answer(cli, client, id, waiting, data);
}

const struct cli_command cmd_answer = {
    .name = "answer",
    .summary = "answer what a run waits for",
    .usage = "ID [NAME=TEXT… | NAME:=JSON… | --data JSON]",
    .description =
        "Answers an execution that waits for somebody, so that it goes on; `runnel status` shows what it asks. "
        "The answer becomes a record of its log, with who gave it.\n\n"
        "Only those may answer who are asked, or, if nobody is named, the owner; keys with the role service or "
        "admin always. Whoever is first answers; to the next one the server says that it waits for nothing.",
    .options =
        (const struct cli_option[]){
            {0, "data", CLI_VALUE, "JSON", "the whole answer, an object"},
            {'o', "output", CLI_VALUE, "FORMAT", "text or json"},
            {0},
        },
    .examples =
        (const struct cli_example[]){
            {"runnel answer exec_abc123 go:=true note=\"after lunch\"", "an answer of two members"},
            {"runnel answer exec_abc123 --data '{\"go\": false}'", "the same as JSON"},
            {0},
        },
    .run = run_answer,
};
