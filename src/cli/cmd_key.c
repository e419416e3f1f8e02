#include "cli/cli_private.h"
#include "cli/output.h"
#include "cli/table.h"
#include "cli/terminal.h"
#include "model/role.h"
#include "util/json_writer.h"

#include <unistd.h>

static const struct table_column columns[] = {
    {"KEY", 0, false},     {"NAME", 0, true},       {"ROLE", 0, false},
    {"CREATED", 1, false}, {"LAST USED", 2, false}, {"EXPIRES", 3, false},
};
static const char *const members[] = {"key_id", "name", "role", "created_at", "last_used_at", "expires_at"};

#define COLUMNS  ARRAY_LEN(columns)
#define EXPIRES  (COLUMNS - 1)
#define NAME_ONE "name one key, by the identifier that `runnel key list` shows"
#define NARROW   120 // on a terminal with fewer columns, times are written in their short form

// The path, with the account if one was given.
static char *keys_path(struct cli *cli, const char *id)
{
    struct buf path = {0};
    buf_append_text(&path, "/api/v1/keys");
    if (id)
        buf_printf(&path, "/%s", id);
    if (cli_value(cli, "account"))
        query_append(&path, "account", cli_value(cli, "account"));
    return buf_take(&path);
}

static int create_key(struct cli *cli, struct client *client, const char *operand)
{
    CLEANUP(buf_release) struct buf body = {0}, out = {0};
    CLEANUP(json_free) json_t *key = NULL;
    const char *role = cli_value(cli, "role"), *name = cli_value(cli, "name"), *expires = cli_value(cli, "expires");
    const char *account = cli_value(cli, "account");
    (void)operand;
    enum role known;
    if (!role || !role_parse(str_of(role), &known))
        return cli_usage_error(cli, "--role must be " ROLES_SAID "%s%s", role ? ", not " : "", role ? role : "");
    buf_append_text(&body, "{\"role\":");
    buf_append_json_string(&body, str_of(role));
    buf_append_text(&body, ",\"name\":");
    buf_append_json_string(&body, str_of(name ? name : role));
    if (expires) {
        int64_t ms;
        char text[TIME_RFC3339_LEN + 1] = {0};
        if (duration_parse(str_of(expires), &ms))
            ms += clock_real_ms();
        else if (!time_parse_rfc3339(str_of(expires), &ms))
            return cli_usage_error(
                cli, "--expires wants a time such as 2026-01-31T00:00:00Z, or from now on: 12h, 30d; not \"%s\"",
                expires);
        time_format_rfc3339(ms, text);
        buf_printf(&body, ",\"expires_at\":\"%s\"", text);
    }
    if (account) {
        buf_append_text(&body, ",\"account\":");
        buf_append_json_string(&body, str_of(account));
    }
    buf_append_byte(&body, '}');
    int code = cli_call_json(cli, client, "POST", "/api/v1/keys", buf_str(&body), &key);
    if (code)
        return code;
    const char *secret = json_string_value(json_object_get(key, "key"));
    const char *id = json_string_value(json_object_get(key, "key_id"));
    if (cli_json(cli))
        json_append_line(&out, key);
    else
        buf_printf(&out, "%s\n", secret ? secret : "");
    code = cli_print(cli, &out);
    if (code == 0 && !cli_json(cli))
        fprintf(stderr, "runnel: made key %s with the role %s; it is shown only now\n", id ? id : "", role);
    return code;
}

// `width`: of the terminal, 0 if there is none.
static char *cell(const json_t *key, size_t column, size_t width, bool utc)
{
    struct buf text = {0};
    const char *name = members[column], *value = json_string_value(json_object_get(key, name));
    int64_t ms;
    if (column == EXPIRES && json_is_string(json_object_get(key, "revoked_at")))
        buf_append_text(&text, "revoked");
    else if (!value || !strstr(name, "_at") || !time_parse_rfc3339(str_of(value), &ms))
        terminal_append_cell(&text, str_of(value ? value : "-"));
    else if (width > 0 && width < NARROW)
        when_format_short(ms, clock_real_ms(), utc, &text);
    else
        when_format(ms, utc, &text);
    return buf_take(&text);
}

static void print_table(struct cli *cli, const json_t *keys, struct buf *out)
{
    const json_t *key;
    size_t i, width, height, count = json_array_size(keys) * COLUMNS;
    output_terminal_size(STDOUT_FILENO, &width, &height);
    CLEANUP(free_ptr) char **cells = xcalloc(count + 1, sizeof(*cells));
    json_array_foreach(keys, i, key)
    {
        for (size_t column = 0; column < COLUMNS; column++)
            cells[i * COLUMNS + column] = cell(key, column, width, cli_flag(cli, "utc"));
    }
    table_append(columns, COLUMNS, (const char *const *)cells, json_array_size(keys), width, out);
    for (size_t at = 0; at < count; at++)
        free(cells[at]);
}

static int list_keys(struct cli *cli, struct client *client, const char *operand)
{
    CLEANUP(buf_release) struct buf out = {0};
    CLEANUP(json_free) json_t *answer = NULL;
    (void)operand;
    CLEANUP(free_ptr) char *path = keys_path(cli, NULL);
    int code = cli_get_json(cli, client, path, &answer);
    if (code)
        return code;
    const json_t *keys = json_object_get(answer, "keys"), *key;
    size_t i;
    if (!cli_json(cli)) {
        print_table(cli, keys, &out);
        return cli_print(cli, &out);
    }
    json_array_foreach(keys, i, key) json_append_line(&out, key);
    return cli_print(cli, &out);
}

static int check_id(struct cli *cli, const char *id)
{
    if (strspn(id, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-") == strlen(id) && *id)
        return 0;
    return cli_usage_error(cli, "\"%s\" is not the identifier of a key", id);
}

static int rename_key(struct cli *cli, struct client *client, const char *id)
{
    CLEANUP(client_response_release) struct client_response response = {0};
    CLEANUP(buf_release) struct buf body = {0};
    CLEANUP(free_ptr) char *path = keys_path(cli, id);
    const char *name = cli_value(cli, "name");
    if (!name)
        return cli_usage_error(cli, "say the key's new name by --name");
    struct json_writer json = json_writer_to(&body);
    json_open_object(&json, NULL);
    json_add_text(&json, "name", name);
    json_close(&json);
    return cli_call(cli, client, "PATCH", path, buf_str(&body), &response);
}

static int revoke_key(struct cli *cli, struct client *client, const char *id)
{
    CLEANUP(client_response_release) struct client_response response = {0};
    CLEANUP(free_ptr) char *path = keys_path(cli, id);
    return cli_call(cli, client, "DELETE", path, str_n(NULL, 0), &response);
}

static int run_key(struct cli *cli)
{
    static const struct cli_action actions[] = {
        {"create", NULL, .run = create_key},
        {"list", NULL, .run = list_keys},
        {"rename", NAME_ONE, .check = check_id, .run = rename_key},
        {"revoke", NAME_ONE, .check = check_id, .run = revoke_key},
        {0},
    };
    return cli_run_action(cli, actions);
}

const struct cli_command cmd_key = {
    .name = "key",
    .summary = "make, list, rename and revoke API keys",
    .usage = "create|list|rename|revoke [ID] [OPTIONS]",
    .description =
        "`create` makes a key and prints it, this once. `list` shows the keys of the account. `rename` gives "
        "one another name, which is only for people. `revoke` "
        "makes a key invalid at once and ends the "
        "streams that were opened with it.\n\n"
        "Roles: viewer reads; user submits and reads and cancels its own; service writes records and states "
        "for the account; admin looks after "
        "the account: keys, purge; operator looks after the server: accounts, backup. A key makes and "
        "revokes keys up to its own role. The last "
        "operator key cannot be revoked.",
    .options =
        (const struct cli_option[]){
            {'r', "role", CLI_VALUE, "ROLE", ROLES_SAID},
            {0, "name", CLI_VALUE, "NAME", "what the key is for"},
            {0, "expires", CLI_VALUE, "TIME", "when it becomes invalid: a time, or from now on: 12h, 30d"},
            {0, "account", CLI_VALUE, "NAME", "keys of another account; for operators"},
            {'o', "output", CLI_VALUE, "FORMAT", "text or json"},
            {0},
        },
    .examples =
        (const struct cli_example[]){
            {"runnel key create --role viewer --name dashboard --expires 90d", "a key that can only read"},
            {"runnel key list", "who may do what, and when it last did"},
            {"runnel key rename key_01hx --name \"hall display\"", "says better what it is for"},
            {"runnel key revoke key_01hx", "makes it invalid"},
            {0},
        },
    .run = run_key,
};
