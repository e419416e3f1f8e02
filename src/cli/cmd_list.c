#include "cli/cli_private.h"
#include "cli/terminal.h"
#include "model/status.h"

#define COLUMNS       6
#define PAGE          100
#define DEFAULT_LIMIT 50
#define STATUSES      "queued, running, waiting, paused, completed, failed, cancelled, timed_out or lost"

struct listing {
    struct cli *cli;
    struct output output;
    char **cells; // of the table
    size_t cell_count;
};

static void listing_release(struct listing *listing)
{
    for (size_t i = 0; i < listing->cell_count; i++)
        free(listing->cells[i]);
    free(listing->cells);
    output_release(&listing->output);
}

static void add_cell(struct listing *listing, char *text)
{
    listing->cells = xrealloc(listing->cells, (listing->cell_count + 1) * sizeof(*listing->cells));
    listing->cells[listing->cell_count++] = text;
}

static char *text_of(const json_t *object, const char *name)
{
    struct buf text = {0};
    const char *value = json_string_value(json_object_get(object, name));
    terminal_append(&text, str_of(value ? value : "-"));
    return buf_take(&text);
}

static char *time_of(const json_t *object, bool utc)
{
    struct buf text = {0};
    int64_t ms;
    if (json_time(object, "started_at", &ms))
        when_format(ms, utc, &text);
    return text.len > 0 ? buf_take(&text) : xstrdup("-");
}

static char *duration_of(const json_t *object)
{
    struct buf text = {0};
    const json_t *ms = json_object_get(object, "duration_ms");
    if (!json_is_integer(ms))
        return xstrdup("-");
    duration_format(json_integer_value(ms), &text);
    return buf_take(&text);
}

static void add_row(struct listing *listing, const json_t *execution)
{
    const json_t *exit_code = json_object_get(execution, "exit_code");
    add_cell(listing, text_of(execution, "execution_id"));
    add_cell(listing, text_of(execution, "status"));
    add_cell(listing, time_of(execution, cli_flag(listing->cli, "utc")));
    add_cell(listing, duration_of(execution));
    add_cell(listing,
             json_is_integer(exit_code) ? xasprintf("%lld", (long long)json_integer_value(exit_code)) : xstrdup("-"));
    add_cell(listing, text_of(execution, "script_filename"));
}

static void take_execution(struct listing *listing, const json_t *execution)
{
    if (!cli_json(listing->cli)) {
        add_row(listing, execution);
        return;
    }
    CLEANUP(json_text_free) char *line = json_dumps(execution, JSON_COMPACT);
    buf_append_text(&listing->output.buf, line);
    buf_append_byte(&listing->output.buf, '\n');
    output_advance(&listing->output);
}

static int build_query(struct cli *cli, struct buf *path)
{
    static const char *const plain[][2] = {{"status", "status"}, {"batch", "batch_id"}, {"workflow", "workflow_id"}};
    const char *status = cli_value(cli, "status");
    enum execution_status known;
    if (status && !status_parse(str_of(status), &known))
        return cli_usage_error(cli, "--status must be " STATUSES ", not \"%s\"", status);
    buf_append_text(path, "/api/v1/executions");
    for (size_t i = 0; i < ARRAY_LEN(plain); i++)
        if (cli_value(cli, plain[i][0]))
            query_append(path, plain[i][1], cli_value(cli, plain[i][0]));
    const char *const *pairs;
    size_t count = cli_values(cli, "metadata", &pairs);
    for (size_t i = 0; i < count; i++) {
        const char *equals = strchr(pairs[i], '=');
        if (!equals || equals == pairs[i])
            return cli_usage_error(cli, "-m wants KEY=VALUE, not \"%s\"", pairs[i]);
        CLEANUP(free_ptr) char *name = xasprintf("metadata.%.*s", (int)(equals - pairs[i]), pairs[i]);
        query_append(path, name, equals + 1);
    }
    return cli_value(cli, "since") ? query_append_time(cli, path, "since", "since", false) : 0;
}

static int read_pages(struct listing *listing, struct client *client, const char *base, uint64_t wanted)
{
    CLEANUP(free_ptr) char *cursor = NULL;
    while (wanted > 0 && !output_ended(&listing->output)) {
        CLEANUP(buf_release) struct buf path = {0};
        CLEANUP(json_free) json_t *page = NULL;
        char limit[24];
        snprintf(limit, sizeof(limit), "%llu", (unsigned long long)MIN(wanted, (uint64_t)PAGE));
        buf_append_text(&path, base);
        query_append(&path, "limit", limit);
        if (cursor)
            query_append(&path, "cursor", cursor);
        int code = cli_get_json(listing->cli, client, buf_cstr(&path), &page);
        if (code)
            return code;
        const json_t *executions = json_object_get(page, "executions"), *execution;
        size_t i;
        json_array_foreach(executions, i, execution) take_execution(listing, execution);
        wanted -= MIN(wanted, (uint64_t)json_array_size(executions));

        const json_t *next = json_object_get(page, "next_cursor");
        free(TAKE_PTR(cursor));
        if (json_is_string(next))
            cursor = xstrdup(json_string_value(next));
        else if (json_is_integer(next))
            cursor = xasprintf("%lld", (long long)json_integer_value(next));
        else
            break;
    }
    return 0;
}

static int run_list(struct cli *cli)
{
    static const char *const head[COLUMNS] = {"EXECUTION", "STATUS", "STARTED", "DURATION", "EXIT", "SCRIPT"};
    CLEANUP(client_free) struct client *client = NULL;
    CLEANUP(buf_release) struct buf base = {0};
    CLEANUP(listing_release) struct listing listing = {.cli = cli};
    uint64_t wanted = DEFAULT_LIMIT;
    char *const *operands;
    if (cli_operands(cli, &operands) > 0)
        return cli_usage_error(cli, "it takes options only, not \"%s\"", operands[0]);
    const char *limit = cli_value(cli, "limit");
    if (limit && !str_to_u64(str_of(limit), &wanted))
        return cli_usage_error(cli, "--limit wants a number, not \"%s\"", limit);
    if (cli_flag(cli, "all"))
        wanted = UINT64_MAX;
    int code = build_query(cli, &base);
    if (code == 0)
        code = cli_connect(cli, &client);
    if (code)
        return code;

    output_init(&listing.output, 1);
    for (size_t i = 0; i < COLUMNS && !cli_json(cli); i++)
        add_cell(&listing, xstrdup(head[i]));
    code = read_pages(&listing, client, buf_cstr(&base), wanted);
    if (listing.cell_count > COLUMNS)
        format_table((const char *const *)listing.cells, COLUMNS, listing.cell_count / COLUMNS, &listing.output.buf);
    int written = cli_finish(cli, &listing.output);
    return code ? code : written;
}

const struct cli_command cmd_list = {
    .name = "list",
    .summary = "list executions, the newest first",
    .usage = "[OPTIONS]",
    .description = "Lists executions, the newest first. Several filters all have to hold.",
    .options =
        (const struct cli_option[]){
            {'s', "status", CLI_VALUE, "STATUS", STATUSES},
            {0, "batch", CLI_VALUE, "ID", "those of a batch"},
            {0, "workflow", CLI_VALUE, "ID", "those of a workflow"},
            {'m', "metadata", CLI_VALUE_MANY, "KEY=VALUE", "those with this in their metadata"},
            {0, "since", CLI_VALUE, "TIME", "made at or after a time: " CLI_TIMES},
            {'n', "limit", CLI_VALUE, "N", "at most so many; 50 unless told"},
            {'a', "all", CLI_FLAG, NULL, "all of them"},
            {'o', "output", CLI_VALUE, "FORMAT", "text or json, one object a line"},
            {0},
        },
    .examples =
        (const struct cli_example[]){
            {"runnel list --status failed --since 1d", "what failed since yesterday"},
            {"runnel list -a -o json | jq -r .execution_id", "every identifier"},
            {0},
        },
    .run = run_list,
};
