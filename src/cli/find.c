// Finds the executions that a command means: by identifier, by a unique beginning of one, or the latest.
#include "cli/cli_private.h"
#include "cli/output.h"
#include "cli/terminal.h"
#include "util/id.h"

#include <unistd.h>

#define CANDIDATES 10 // how many are shown if several begin so

static int get_list(struct cli *cli, struct client *client, const char *prefix, unsigned limit, json_t **ret)
{
    CLEANUP(buf_release) struct buf path = {0};
    char number[16];
    snprintf(number, sizeof(number), "%u", limit);
    buf_append_text(&path, "/api/v1/executions");
    query_append(&path, "limit", number);
    if (prefix)
        query_append(&path, "id_prefix", prefix);
    return cli_get_json(cli, client, buf_cstr(&path), ret);
}

static const char *id_at(struct cli *cli, const json_t *list, size_t i)
{
    const json_t *execution = json_array_get(json_object_get(list, "executions"), i);
    const char *id = json_string_value(json_object_get(execution, "execution_id"));
    return id && id_execution_valid(str_of(id)) ? arena_dup(&cli->arena, str_of(id)) : NULL;
}

static int find_latest(struct cli *cli, struct client *client, const char **ret)
{
    CLEANUP(json_free) json_t *list = NULL;
    int code = get_list(cli, client, NULL, 1, &list);
    if (code)
        return code;
    *ret = id_at(cli, list, 0);
    return *ret ? 0 : cli_fail(cli, ERR_NOT_FOUND, "there is no execution yet; `runnel wrap -- CMD` makes one");
}

static int tell_candidates(struct cli *cli, const char *prefix, const json_t *list, size_t count)
{
    CLEANUP(buf_release) struct buf text = {0};
    for (size_t i = 0; i < MIN(count, (size_t)CANDIDATES); i++) {
        const json_t *execution = json_array_get(json_object_get(list, "executions"), i);
        const char *status = json_string_value(json_object_get(execution, "status"));
        buf_printf(&text, "\n  %s  ", id_at(cli, list, i));
        terminal_append(&text, str_of(status ? status : ""));
    }
    if (count > CANDIDATES)
        buf_append_text(&text, "\n  …");
    return cli_usage_error(cli, "\"%s\" is the beginning of several identifiers; give more of the one that is meant:%s",
                           prefix, buf_cstr(&text));
}

// True if an execution has exactly this identifier, or if that cannot be found out; then the next request will tell.
static bool exists(struct client *client, const char *id)
{
    CLEANUP(free_ptr) char *path = xasprintf("/api/v1/executions/%s/status", id);
    CLEANUP(client_response_release) struct client_response response = {0};
    return client_request(client, "GET", path, str_n(NULL, 0), NULL, &response) || response.status != 404;
}

int cli_find_execution(struct cli *cli, struct client *client, const char **id)
{
    CLEANUP(json_free) json_t *list = NULL;
    const char *prefix = *id;
    if (!prefix)
        return find_latest(cli, client, id);
    if (exists(client, prefix))
        return 0;
    int code = get_list(cli, client, prefix, CANDIDATES + 1, &list);
    if (code)
        return code;
    size_t count = json_array_size(json_object_get(list, "executions"));
    if (count > 1)
        return tell_candidates(cli, prefix, list, count);
    *id = count == 1 ? id_at(cli, list, 0) : NULL;
    return *id ? 0
               : cli_fail(cli, ERR_NOT_FOUND, "no such execution: %s, nor one that begins so; `runnel list` shows them",
                          prefix);
}

// The operands as they are, or one NULL for the latest. At least one.
static int take_operands(struct cli *cli, const char ***ret, size_t *ret_count)
{
    char *const *operands;
    size_t count = cli_operands(cli, &operands);
    if (cli_flag(cli, "last") && count > 0)
        return cli_usage_error(cli, CLI_LAST_AND_ANOTHER, operands[0]);
    for (size_t i = 0; i < count; i++)
        if (!id_execution_valid(str_of(operands[i])))
            return cli_usage_error(cli, "\"%s\" cannot be the identifier of an execution", operands[i]);
    *ret = arena_alloc(&cli->arena, (count + 1) * sizeof(**ret));
    for (size_t i = 0; i < count; i++)
        (*ret)[i] = operands[i];
    *ret_count = MAX(count, (size_t)1);
    return 0;
}

int cli_find_executions(struct cli *cli, const char *const **ret, size_t *ret_count)
{
    CLEANUP(client_free) struct client *client = NULL;
    const char **ids = NULL;
    int code = take_operands(cli, &ids, ret_count);
    if (code == 0)
        code = cli_connect(cli, &client);
    for (size_t i = 0; code == 0 && i < *ret_count; i++)
        code = cli_find_execution(cli, client, &ids[i]);
    *ret = code == 0 ? ids : NULL;
    return code;
}

static int act_on(struct cli *cli, struct client *client, const char *id, cli_act_fn *act, struct output *output)
{
    int code = cli_find_execution(cli, client, &id);
    cli->about = id;
    if (code == 0)
        code = act(cli, client, id, &output->buf);
    cli->about = NULL;
    output_flush(output);
    return code;
}

// Failures that the next execution would meet, too: of the credential, and of the way to the server.
static bool is_of_the_server(int code)
{
    return code == error_exit_code(ERR_UNAUTHORIZED) || code == error_exit_code(ERR_UNREACHABLE);
}

int cli_each_execution(struct cli *cli, cli_act_fn *act)
{
    CLEANUP(client_free) struct client *client = NULL;
    CLEANUP(output_release) struct output output;
    const char **ids;
    size_t count, at = 0;
    int last = 0;
    output_init(&output, STDOUT_FILENO);
    int code = take_operands(cli, &ids, &count);
    if (code == 0)
        code = cli_connect(cli, &client);
    if (code)
        return code;
    while (at < count && !is_of_the_server(last)) {
        last = act_on(cli, client, ids[at++], act, &output);
        code = code ? code : last;
    }
    if (at < count)
        fprintf(stderr, "runnel: %zu more %s not tried\n", count - at, count - at == 1 ? "was" : "were");
    int written = cli_finish(cli, &output);
    return code ? code : written;
}

int cli_read_status(struct cli *cli, struct client **ret_client, const char **ret_id, json_t **ret_status)
{
    int code = cli_execution_operand(cli, ret_id);
    if (code == 0)
        code = cli_connect(cli, ret_client);
    if (code == 0)
        code = cli_find_execution(cli, *ret_client, ret_id);
    if (code)
        return code;
    CLEANUP(free_ptr) char *path = xasprintf("/api/v1/executions/%s/status", *ret_id);
    return cli_get_json(cli, *ret_client, path, ret_status);
}
