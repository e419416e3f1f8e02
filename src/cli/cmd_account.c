#include "cli/cli_private.h"
#include "cli/output.h"
#include "cli/table.h"
#include "cli/terminal.h"
#include "util/id.h"

#include <unistd.h>

static const struct table_column columns[] = {{"ACCOUNT", 0, false}, {"STATE", 0, false}, {"CREATED", 1, false}};

#define COLUMNS ARRAY_LEN(columns)
#define PAGE    1000

static int print_account(struct cli *cli, const json_t *account, const char *what)
{
    CLEANUP(buf_release) struct buf out = {0};
    if (!cli_json(cli)) {
        fprintf(stderr, "runnel: %s\n", what);
        return 0;
    }
    json_append_line(&out, account);
    return cli_print(cli, &out);
}

static int create_account(struct cli *cli, struct client *client, const char *name)
{
    CLEANUP(buf_release) struct buf body = {0};
    CLEANUP(json_free) json_t *account = NULL;
    buf_append_text(&body, "{\"name\":");
    buf_append_json_string(&body, str_of(name));
    buf_append_byte(&body, '}');
    int code = cli_call_json(cli, client, "POST", "/api/v1/accounts", buf_str(&body), &account);
    if (code)
        return code;
    CLEANUP(free_ptr)
    char *what =
        xasprintf("made account %s; `runnel key create --account %s --role admin` makes its first key", name, name);
    return print_account(cli, account, what);
}

static int set_suspended(struct cli *cli, struct client *client, const char *name, bool suspended)
{
    CLEANUP(json_free) json_t *account = NULL;
    CLEANUP(free_ptr) char *path = xasprintf("/api/v1/accounts/%s", name);
    CLEANUP(free_ptr) char *body = xasprintf("{\"suspended\":%s}", suspended ? "true" : "false");
    int code = cli_call_json(cli, client, "PATCH", path, str_of(body), &account);
    if (code)
        return code;
    CLEANUP(free_ptr)
    char *what = suspended ? xasprintf("suspended account %s: its credentials are refused and its streams end; nothing "
                                       "of it is lost, and its runners wait for `runnel account resume %s`",
                                       name, name)
                           : xasprintf("resumed account %s", name);
    return print_account(cli, account, what);
}

static int set_account(struct cli *cli, struct client *client, const char *name)
{
    const char *retention = cli_value(cli, "retention");
    CLEANUP(json_free) json_t *account = NULL;
    CLEANUP(free_ptr) char *path = xasprintf("/api/v1/accounts/%s", name);
    CLEANUP(buf_release) struct buf body = {0};
    buf_append_text(&body, "{\"retention\":");
    buf_append_json_string(&body, str_of(retention));
    buf_append_byte(&body, '}');
    int code = cli_call_json(cli, client, "PATCH", path, buf_str(&body), &account);
    if (code)
        return code;
    CLEANUP(free_ptr)
    char *what = *retention ? xasprintf("executions of account %s are kept by its own rules: %s", name, retention)
                            : xasprintf("executions of account %s are kept by the server's rules", name);
    return print_account(cli, account, what);
}

static int suspend_account(struct cli *cli, struct client *client, const char *name)
{
    return set_suspended(cli, client, name, true);
}

static int resume_account(struct cli *cli, struct client *client, const char *name)
{
    return set_suspended(cli, client, name, false);
}

static int delete_account(struct cli *cli, struct client *client, const char *name)
{
    CLEANUP(json_free) json_t *answer = NULL;
    CLEANUP(free_ptr)
    char *path = xasprintf("/api/v1/accounts/%s%s", name, cli_flag(cli, "purge") ? "?purge=true" : "");
    int code = cli_call_json(cli, client, "DELETE", path, str_n(NULL, 0), &answer);
    if (code)
        return code;
    CLEANUP(free_ptr) char *what = xasprintf("deleted account %s; its keys are revoked", name);
    return print_account(cli, answer, what);
}

// --- List

struct listing {
    bool utc; // how times are shown
    char **cells;
    size_t count;
};

static void listing_release(struct listing *listing)
{
    for (size_t i = 0; i < listing->count; i++)
        free(listing->cells[i]);
    free(listing->cells);
}

static void add_cell(struct listing *listing, char *text)
{
    listing->cells = xrealloc(listing->cells, (listing->count + 1) * sizeof(*listing->cells));
    listing->cells[listing->count++] = text;
}

static void add_row(struct listing *listing, const json_t *account)
{
    struct buf name = {0}, created = {0};
    int64_t ms;
    terminal_append_cell(&name, str_of(json_string_value(json_object_get(account, "name"))));
    if (json_time(account, "created_at", &ms))
        when_format(ms, listing->utc, &created);
    add_cell(listing, buf_take(&name));
    add_cell(listing, xstrdup(json_is_true(json_object_get(account, "suspended")) ? "suspended" : "active"));
    add_cell(listing, buf_take(&created));
}

// Reads the page at *cursor (NULL: the first page). *cursor becomes the next page's (NULL: there is none); the caller
// owns it.
static int read_page(struct cli *cli, struct client *client, char **cursor, struct listing *listing, struct buf *out)
{
    CLEANUP(buf_release) struct buf path = {0};
    CLEANUP(json_free) json_t *page = NULL;
    buf_printf(&path, "/api/v1/accounts?limit=%d", PAGE);
    if (*cursor)
        query_append(&path, "cursor", *cursor);
    int code = cli_get_json(cli, client, buf_cstr(&path), &page);
    if (code)
        return code;
    const json_t *account;
    size_t i;
    json_array_foreach(json_object_get(page, "accounts"), i, account)
    {
        if (!cli_json(cli)) {
            add_row(listing, account);
            continue;
        }
        json_append_line(out, account);
    }
    const char *next = json_string_value(json_object_get(page, "next_cursor"));
    free(*cursor);
    *cursor = next ? xstrdup(next) : NULL;
    return 0;
}

static int list_accounts(struct cli *cli, struct client *client, const char *name)
{
    CLEANUP(listing_release) struct listing listing = {.utc = cli_flag(cli, "utc")};
    CLEANUP(buf_release) struct buf out = {0};
    CLEANUP(free_ptr) char *cursor = NULL;
    size_t width, height;
    (void)name;
    output_terminal_size(STDOUT_FILENO, &width, &height);
    do {
        int code = read_page(cli, client, &cursor, &listing, &out);
        if (code)
            return code;
    } while (cursor);
    if (!cli_json(cli))
        table_append(columns, COLUMNS, (const char *const *)listing.cells, listing.count / COLUMNS, width, &out);
    return cli_print(cli, &out);
}

// --- The command

static int check_options(struct cli *cli, const char *operand)
{
    (void)operand;
    if (cli_flag(cli, "retention"))
        return cli_usage_error(cli, "--retention is for `runnel account set`");
    return cli_flag(cli, "purge") ? cli_usage_error(cli, "--purge is for `runnel account delete`") : 0;
}

static int check_name(struct cli *cli, const char *name)
{
    if (id_account_valid(str_of(name)))
        return 0;
    return cli_usage_error(cli, "\"%s\" is not the name of an account: 1 to 63 letters, digits or any of ._-", name);
}

static int check_change(struct cli *cli, const char *name)
{
    int code = check_name(cli, name);
    return code ? code : check_options(cli, name);
}

static int check_set(struct cli *cli, const char *name)
{
    if (cli_flag(cli, "purge"))
        return cli_usage_error(cli, "--purge is for `runnel account delete`");
    if (!cli_flag(cli, "retention"))
        return cli_usage_error(cli, "say what to set: --retention RULES");
    return check_name(cli, name);
}

static int run_account(struct cli *cli)
{
    static const char one[] = "name one account";
    static const struct cli_action actions[] = {
        {"create", one, .check = check_change, .run = create_account},
        {"list", NULL, .check = check_options, .run = list_accounts},
        {"set", one, .check = check_set, .run = set_account},
        {"suspend", one, .check = check_change, .run = suspend_account},
        {"resume", one, .check = check_change, .run = resume_account},
        {"delete", one, .check = check_name, .run = delete_account},
        {0},
    };
    return cli_run_action(cli, actions);
}

const struct cli_command cmd_account = {
    .name = "account",
    .summary = "make, list, set up, suspend, resume and delete accounts",
    .usage = "create|list|set|suspend|resume|delete [NAME] [OPTIONS]",
    .description = "Accounts are kept apart: each sees its own executions and keys alone. Needs an operator's key. "
                   "`runnel key create --account NAME` makes "
                   "a key for one.\n\n"
                   "A suspended account's credentials are refused and its streams end. Nothing of it is lost: jobs go "
                   "on, their spools keep what they write, "
                   "and all is delivered when it is resumed.\n\n"
                   "`delete` revokes the keys of an account. One that holds executions is deleted only with --purge, "
                   "and all of them with it. Its name is "
                   "never used again. The account `default` stays.\n\n"
                   "`set --retention` takes several rules with commas between them. A duration is how long executions "
                   "are kept after their end; STATUS=DURATION how long those that ended so (completed, failed, "
                   "cancelled, timed_out, skipped, lost). executions=N and bytes=SIZE limit all of the account: beyond "
                   "them the oldest go. log_records=N (1000 or more) and log_bytes=SIZE (64K or more) limit each log: "
                   "beyond them its oldest records go, also while it is written. Sizes may have K, M, G or T. 0 is for "
                   "ever, and no limit. What is not named is as the server's setting `retention` says.",
    .options =
        (const struct cli_option[]){
            {0, "purge", CLI_FLAG, NULL, "with delete: also all executions that it holds"},
            {0, "retention", CLI_VALUE, "RULES",
             "with set: how long its executions are kept, and how much of each log, such as \"7d, failed=90d, "
             "executions=1000, bytes=10G, log_records=1000000, log_bytes=1G\"; empty: as the server says"},
            {'o', "output", CLI_VALUE, "FORMAT", "text or json"},
            {0},
        },
    .examples =
        (const struct cli_example[]){
            {"runnel account create team-a", "a new account, without keys yet"},
            {"runnel key create --account team-a --role admin", "its first key"},
            {"runnel account set team-a --retention '7d, failed=90d'", "keep what failed for longer"},
            {"runnel account set team-a --retention 'log_bytes=1G'", "keep the newest gigabyte of each log"},
            {"runnel account suspend team-a", "until it is resumed"},
            {"runnel account delete team-a --purge", "with all that it holds"},
            {0},
        },
    .run = run_account,
};
