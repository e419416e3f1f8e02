#include "cli/cli_private.h"
#include "client/url.h"
#include "model/status.h"
#include "util/id.h"

#include <ctype.h>

void json_free(json_t **json)
{
    json_decref(*json);
    *json = NULL;
}

void json_text_free(char **text)
{
    free(*text);
    *text = NULL;
}

void json_append_line(struct buf *out, const json_t *value)
{
    CLEANUP(json_text_free) char *text = json_dumps(value, JSON_COMPACT);
    buf_printf(out, "%s\n", text);
}

int cli_connect(struct cli *cli, struct client **ret)
{
    const struct client_options *options = cli_server(cli);
    if (!options)
        return error_exit_code(ERR_INVALID);
    int err = client_new(options, ret);
    return err ? cli_fail(cli, err, "%s: %s", options->url, error_text(err)) : 0;
}

int cli_fail_response(struct cli *cli, const struct client_response *response)
{
    CLEANUP(buf_release) struct buf text = {0};
    int err = client_response_error(response, &text);
    if (err == ERR_WRONG_SERVER) {
        CLEANUP(free_ptr) char *url = url_without_user(cli_server(cli)->url);
        return cli_fail(cli, err, "%s: %s", url, buf_cstr(&text));
    }
    return cli_fail(cli, err, "%s%s%s", cli->about ? cli->about : "", cli->about ? ": " : "", buf_cstr(&text));
}

int cli_call(struct cli *cli, struct client *client, const char *method, const char *path, struct str body,
             struct client_response *ret)
{
    int err = client_request(client, method, path, body, NULL, ret);
    if (err)
        return cli_fail(cli, err, "%s: %s", client_url(client), client_cause(ret, err));
    return ret->status >= 200 && ret->status < 300 ? 0 : cli_fail_response(cli, ret);
}

int cli_call_json(struct cli *cli, struct client *client, const char *method, const char *path, struct str body,
                  json_t **ret)
{
    CLEANUP(client_response_release) struct client_response response = {0};
    int code = cli_call(cli, client, method, path, body, &response);
    if (code)
        return code;
    *ret = json_loadb(response.body.data ? response.body.data : "", response.body.len, JSON_ALLOW_NUL, NULL);
    if (!json_is_object(*ret)) {
        json_free(ret);
        return cli_fail(cli, ERR_MALFORMED, "%s: the answer is not what a Runnel server says; is the URL right?",
                        client_url(client));
    }
    return 0;
}

int cli_get_json(struct cli *cli, struct client *client, const char *path, json_t **ret)
{
    return cli_call_json(cli, client, "GET", path, str_n(NULL, 0), ret);
}

int cli_execution_operand(struct cli *cli, const char **ret)
{
    char *const *operands;
    size_t count = cli_operands(cli, &operands);
    bool latest = cli_flag(cli, "last");
    *ret = NULL;
    if (latest && count > 0)
        return cli_usage_error(cli, CLI_LAST_AND_ANOTHER, operands[0]);
    if (latest)
        return 0;
    if (count == 0)
        return cli_usage_error(cli, "name an execution: runnel %s ID, or --last", cli->command->name);
    if (count > 1)
        return cli_usage_error(cli, "one execution at a time, so \"%s\" is too much", operands[1]);
    if (!id_execution_valid(str_of(operands[0])))
        return cli_usage_error(cli, "\"%s\" cannot be the identifier of an execution", operands[0]);
    *ret = operands[0];
    return 0;
}

int cli_exit_as_job(struct cli *cli, const json_t *status)
{
    const char *word = json_string_value(json_object_get(status, "status"));
    enum execution_status known;
    if (word && status_parse(str_of(word), &known) && !status_terminal(known) && known != STATUS_LOST)
        return cli_fail(cli, ERR_UNAVAILABLE, "it has not ended (%s), so its exit code is not known", word);
    return exit_code_of_job(word, json_object_get(status, "exit_code"));
}

void query_append(struct buf *path, const char *name, const char *value)
{
    static const char digits[] = "0123456789ABCDEF";
    buf_append_byte(path, path->data && memchr(path->data, '?', path->len) ? '&' : '?');
    buf_append_text(path, name);
    buf_append_byte(path, '=');
    for (; *value; value++) {
        unsigned char c = (unsigned char)*value;
        if (c < 0x80 && (isalnum(c) || strchr("-._~", c))) {
            buf_append_byte(path, (char)c);
        } else {
            buf_append_byte(path, '%');
            buf_append_byte(path, digits[c >> 4]);
            buf_append_byte(path, digits[c & 15]);
        }
    }
}

bool cli_moment(struct cli *cli, const char *option, bool late, int64_t *ret_ms)
{
    const char *value = cli_value(cli, option);
    const struct when_options options = {.now_ms = clock_real_ms(), .utc = cli_flag(cli, "utc"), .late = late};
    return value && when_parse(str_of(value), &options, ret_ms);
}

int query_append_time(struct cli *cli, struct buf *path, const char *name, const char *option, bool late)
{
    int64_t ms;
    char text[TIME_RFC3339_LEN + 1] = {0};
    if (!cli_moment(cli, option, late, &ms))
        return cli_usage_error(cli, "--%s wants a time such as " CLI_TIMES ", not \"%s\"", option,
                               cli_value(cli, option));
    time_format_rfc3339(ms, text);
    query_append(path, name, text);
    return 0;
}
