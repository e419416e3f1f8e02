// `secret`: values that jobs are given by name.
#include "cli/cli_private.h"
#include "cli/output.h"
#include "cli/table.h"
#include "cli/terminal.h"
#include "model/secret.h"
#include "util/file.h"

#include <errno.h>
#include <termios.h>
#include <unistd.h>

#define NAME_ONE  "name one secret: letters, digits and _"
#define PAGE      1000
#define INTERRUPT 3
#define END       4
#define ERASE     0x7f
#define BACKSPACE 8

static const struct table_column columns[] = {
    {"SECRET", 0, false}, {"VERSION", 1, false}, {"CHANGED", 1, false}, {"LAST USED", 2, false}};
#define COLUMNS ARRAY_LEN(columns)

static int check_name(struct cli *cli, const char *name)
{
    return secret_name_valid(str_of(name)) ? 0 : cli_usage_error(cli, "the name of a secret " SECRET_NAME_MUST);
}

static void wipe(struct buf *buf)
{
    if (buf->data)
        explicit_bzero(buf->data, buf->cap);
    buf_release(buf);
}

// --- Where the value comes from

// Returns false at the end of the line.
static bool take_key(char key, struct buf *line)
{
    if (key == '\n' || key == '\r' || key == END || key == INTERRUPT)
        return false;
    if (key == ERASE || key == BACKSPACE)
        line->len = line->len > 0 ? utf8_prefix(line->data, line->len, line->len - 1) : 0;
    else
        buf_append_byte(line, key);
    return line->len <= SECRET_VALUE_MAX;
}

// Reads a line from the terminal without showing it.
static int read_hidden(struct cli *cli, const char *name, struct buf *ret)
{
    struct termios shown, hidden;
    char key = 0;
    if (tcgetattr(STDIN_FILENO, &shown) < 0)
        return cli_usage_error(cli, "the terminal cannot be asked: %s", strerror(errno));
    hidden = shown;
    hidden.c_lflag &= ~(tcflag_t)(ECHO | ICANON | ISIG);
    dprintf(STDERR_FILENO, "Value of %s (it is not shown): ", name);
    tcsetattr(STDIN_FILENO, TCSAFLUSH, &hidden);
    while (read(STDIN_FILENO, &key, 1) == 1 && take_key(key, ret))
        ;
    tcsetattr(STDIN_FILENO, TCSAFLUSH, &shown);
    dprintf(STDERR_FILENO, "\n");
    return key == INTERRUPT ? error_exit_code(ERR_CANCELED) : 0;
}

static int read_file(struct cli *cli, const char *path, struct buf *ret)
{
    int err = file_read_all(path, SECRET_VALUE_MAX, ret);
    if (err < 0)
        return cli_usage_error(cli, "%s: %s", path, err == -EFBIG ? "a secret may have 64 KiB" : strerror(-err));
    return 0;
}

// A pipe's last newline is echo's, and not the value's.
static int read_pipe(struct cli *cli, struct buf *ret)
{
    int code = read_file(cli, "/dev/stdin", ret);
    if (code == 0 && ret->len > 0 && ret->data[ret->len - 1] == '\n')
        ret->len--;
    return code;
}

static int read_value(struct cli *cli, const char *name, struct buf *ret)
{
    const char *path = cli_value(cli, "file");
    int code = path                   ? read_file(cli, path, ret)
               : isatty(STDIN_FILENO) ? read_hidden(cli, name, ret)
                                      : read_pipe(cli, ret);
    const char *problem = code == 0 ? secret_value_problem(buf_str(ret)) : NULL;
    if (problem)
        return cli_usage_error(cli, "the value %s", problem);
    if (code == 0 && !utf8_valid(ret->data, ret->len))
        return cli_usage_error(cli, "the value is not UTF-8; keep it as base64");
    return code;
}

// --- Actions

static int set_secret(struct cli *cli, struct client *client, const char *name)
{
    CLEANUP(wipe) struct buf value = {0}, body = {0};
    CLEANUP(buf_release) struct buf out = {0};
    CLEANUP(json_free) json_t *secret = NULL;
    CLEANUP(free_ptr) char *path = xasprintf("/api/v1/secrets/%s", name);
    int code = read_value(cli, name, &value);
    if (code)
        return code;
    buf_append_text(&body, "{\"value\":");
    buf_append_json_string(&body, buf_str(&value));
    buf_append_byte(&body, '}');
    code = cli_call_json(cli, client, "POST", path, buf_str(&body), &secret);
    if (code)
        return code;
    if (cli_json(cli)) {
        json_append_line(&out, secret);
        return cli_print(cli, &out);
    }
    fprintf(stderr, "runnel: kept as %s, version %lld\n", name,
            (long long)json_integer_value(json_object_get(secret, "version")));
    return 0;
}

static char *cell(const json_t *secret, const char *member, bool utc)
{
    struct buf text = {0};
    const json_t *value = json_object_get(secret, member);
    int64_t ms;
    if (json_is_integer(value))
        buf_append_i64(&text, json_integer_value(value));
    else if (json_time(secret, member, &ms))
        when_format(ms, utc, &text);
    else
        terminal_append_cell(&text, str_of(json_is_string(value) ? json_string_value(value) : "-"));
    return buf_take(&text);
}

static void print_table(struct cli *cli, const json_t *secrets, struct buf *out)
{
    static const char *const members[COLUMNS] = {"name", "version", "changed_at", "last_used_at"};
    const json_t *secret;
    size_t i, width, height, count = json_array_size(secrets) * COLUMNS;
    output_terminal_size(STDOUT_FILENO, &width, &height);
    CLEANUP(free_ptr) char **cells = xcalloc(count + 1, sizeof(*cells));
    json_array_foreach(secrets, i, secret)
    {
        for (size_t column = 0; column < COLUMNS; column++)
            cells[i * COLUMNS + column] = cell(secret, members[column], cli_flag(cli, "utc"));
    }
    table_append(columns, COLUMNS, (const char *const *)cells, json_array_size(secrets), width, out);
    for (size_t at = 0; at < count; at++)
        free(cells[at]);
}

// All pages, as one list.
static int read_all(struct cli *cli, struct client *client, json_t *all)
{
    CLEANUP(free_ptr) char *after = xstrdup("");
    while (after) {
        CLEANUP(json_free) json_t *page = NULL;
        CLEANUP(free_ptr) char *path = xasprintf("/api/v1/secrets?limit=%d&after=%s", PAGE, after);
        int code = cli_get_json(cli, client, path, &page);
        if (code)
            return code;
        json_array_extend(all, json_object_get(page, "secrets"));
        const char *next = json_string_value(json_object_get(page, "next"));
        free(after);
        after = next ? xstrdup(next) : NULL;
    }
    return 0;
}

static int list_secrets(struct cli *cli, struct client *client, const char *operand)
{
    CLEANUP(buf_release) struct buf out = {0};
    CLEANUP(json_free) json_t *all = json_array();
    const json_t *secret;
    size_t i;
    (void)operand;
    int code = read_all(cli, client, all);
    if (code)
        return code;
    if (!cli_json(cli))
        print_table(cli, all, &out);
    else
        json_array_foreach(all, i, secret) json_append_line(&out, secret);
    return cli_print(cli, &out);
}

static int remove_secret(struct cli *cli, struct client *client, const char *name)
{
    CLEANUP(client_response_release) struct client_response response = {0};
    CLEANUP(free_ptr) char *path = xasprintf("/api/v1/secrets/%s", name);
    return cli_call(cli, client, "DELETE", path, str_n(NULL, 0), &response);
}

// Those that an old key has sealed. One that cannot be opened does not keep the others from it.
static int reseal_secrets(struct cli *cli, struct client *client, const char *operand)
{
    CLEANUP(json_free) json_t *all = json_array();
    const json_t *secret;
    size_t i, resealed = 0;
    (void)operand;
    int worst = 0, code = read_all(cli, client, all);
    if (code)
        return code;
    json_array_foreach(all, i, secret)
    {
        CLEANUP(json_free) json_t *answer = NULL;
        const char *name = json_string_value(json_object_get(secret, "name"));
        CLEANUP(free_ptr) char *path = xasprintf("/api/v1/secrets/%s/reseal", name);
        cli->about = name;
        code = cli_call_json(cli, client, "POST", path, str_n(NULL, 0), &answer);
        worst = worst ? worst : code;
        resealed += json_is_true(json_object_get(answer, "resealed"));
    }
    cli->about = NULL;
    CLEANUP(buf_release) struct buf out = {0};
    if (cli_json(cli))
        buf_printf(&out, "{\"secrets\":%zu,\"resealed\":%zu}\n", json_array_size(all), resealed);
    else
        buf_printf(&out, "%zu of %zu sealed anew\n", resealed, json_array_size(all));
    code = cli_print(cli, &out);
    return worst ? worst : code;
}

static int run_secret(struct cli *cli)
{
    static const struct cli_action actions[] = {
        {"set", NAME_ONE, .check = check_name, .run = set_secret},
        {"list", NULL, .run = list_secrets},
        {"reseal", NULL, .run = reseal_secrets},
        {"rm", NAME_ONE, .check = check_name, .run = remove_secret},
        {0},
    };
    return cli_run_action(cli, actions);
}

const struct cli_command cmd_secret = {
    .name = "secret",
    .summary = "keep values that jobs are given by name",
    .usage = "set|list|rm|reseal [NAME] [OPTIONS]",
    .description =
        "`set` keeps a value on the server, sealed by its key file, or gives a secret another value. The value is read "
        "from standard input, without its last newline; on a terminal it is asked for and not shown. It is never an "
        "argument, which others could see. `list` shows names and times; a value never comes back. `rm` deletes "
        "one. `reseal` seals all of the account by the newest key of the server's key file, after which the older keys "
        "may go.\n\n"
        "A job gets secrets by `runnel run --secret NAME`, as variables of its environment. In its log they are "
        "masked before they are recorded: as they are, line by line, as JSON and in base64.",
    .options =
        (const struct cli_option[]){
            {'f', "file", CLI_VALUE, "FILE", "read the value from a file, as it is"},
            {'o', "output", CLI_VALUE, "FORMAT", "text or json"},
            {0},
        },
    .examples =
        (const struct cli_example[]){
            {"runnel secret set DB_PASSWORD", "asks for the value"},
            {"runnel secret set DEPLOY_KEY --file id_ed25519", "of several lines"},
            {"runnel run --secret DB_PASSWORD=PGPASSWORD -- psql -h db", "under another name"},
            {"runnel secret reseal", "after a new key was put into the key file"},
            {"runnel secret list", "what there is, and when it was last used"},
            {0},
        },
    .run = run_secret,
};
