#include "cli/list_table.h"

#include <poll.h>
#include <signal.h>
#include <unistd.h>

#define PAGE          100
#define DEFAULT_LIMIT 50
#define WATCH_EACH_MS 2000

struct listing {
    struct cli *cli;
    struct output output;
    struct list_table table;
    uint64_t found;
};

static void listing_release(struct listing *listing)
{
    list_table_release(&listing->table);
    output_release(&listing->output);
}

static void take_execution(struct listing *listing, const json_t *execution)
{
    listing->found++;
    if (!cli_json(listing->cli)) {
        list_table_add(&listing->table, execution);
        return;
    }
    json_append_line(&listing->output.buf, execution);
    output_advance(&listing->output);
}

static int build_query(struct cli *cli, struct buf *path)
{
    buf_append_text(path, "/api/v1/executions");
    return query_append_executions(cli, path);
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

static void find_terminal(struct listing *listing)
{
    struct list_table *table = &listing->table;
    table->utc = cli_flag(listing->cli, "utc");
    table->colour = cli_colour(listing->cli);
    table->now_ms = clock_real_ms();
    output_terminal_size(listing->output.fd, &table->width, &table->height);
    if (!cli_flag(listing->cli, "watch"))
        table->height = 0;
}

static int show_once(struct listing *listing, struct client *client, const char *base, uint64_t wanted)
{
    listing->found = 0;
    list_table_clear(&listing->table);
    find_terminal(listing);
    int code = read_pages(listing, client, base, wanted);
    if (code == 0 && listing->table.count > 0)
        list_table_append(&listing->table, &listing->output.buf);
    if (code == 0 && listing->found == 0 && !cli_flag(listing->cli, "watch"))
        fprintf(stderr, "runnel: %s\n",
                strchr(base, '?') ? "no execution is like that; `runnel list` without filters shows the latest"
                                  : "there is no execution yet; `runnel wrap -- CMD` makes one");
    return code;
}

// Draws the list again every two seconds, and when the terminal's size changes, until it is interrupted or its reader
// is gone.
static int watch(struct listing *listing, struct client *client, const char *base, uint64_t wanted)
{
    static const char clear[] = "\033[H\033[J";
    int code = 0;
    while (code == 0 && !output_ended(&listing->output)) {
        CLEANUP(buf_release) struct buf drawn = {0};
        code = show_once(listing, client, base, wanted);
        buf_append_str(&drawn, buf_str(&listing->output.buf));
        buf_reset(&listing->output.buf);
        buf_printf(&listing->output.buf, "%sEvery 2 s: runnel list   ", clear);
        when_format(clock_real_ms(), listing->table.utc, &listing->output.buf);
        buf_append_byte(&listing->output.buf, '\n');
        buf_append_str(&listing->output.buf, buf_str(&drawn));
        if (code == 0)
            output_flush(&listing->output);
        struct pollfd watched = {.fd = listing->output.fd}; // reports an error when the terminal is gone
        if (poll(&watched, 1, WATCH_EACH_MS) > 0 && watched.revents & (POLLERR | POLLNVAL | POLLHUP))
            break;
    }
    return code;
}

static void size_changed(int signum)
{
    (void)signum; // it only has to end the waiting
}

static int run_list(struct cli *cli)
{
    CLEANUP(client_free) struct client *client = NULL;
    CLEANUP(buf_release) struct buf base = {0};
    CLEANUP(listing_release) struct listing listing = {.cli = cli};
    uint64_t wanted = DEFAULT_LIMIT;
    char *const *operands;
    output_init(&listing.output, STDOUT_FILENO);
    if (cli_operands(cli, &operands) > 0)
        return cli_usage_error(cli, "it takes options only, not \"%s\"", operands[0]);
    const char *limit = cli_value(cli, "limit");
    if (limit && !str_to_u64(str_of(limit), &wanted))
        return cli_usage_error(cli, "--limit wants a number, not \"%s\"", limit);
    if (cli_flag(cli, "watch") && (cli_json(cli) || !listing.output.is_terminal))
        return cli_usage_error(cli,
                               "-w draws a table on a terminal again and again; leave it out for a file or a pipe");
    if (cli_flag(cli, "all"))
        wanted = UINT64_MAX;
    int code = build_query(cli, &base);
    if (code == 0)
        code = cli_connect(cli, &client);
    if (code)
        return code;
    if (cli_flag(cli, "watch")) {
        sigaction(SIGWINCH, &(struct sigaction){.sa_handler = size_changed}, NULL);
        code = watch(&listing, client, buf_cstr(&base), wanted);
    } else {
        code = show_once(&listing, client, buf_cstr(&base), wanted);
    }
    int written = cli_finish(cli, &listing.output);
    return code ? code : written;
}

const struct cli_command cmd_list = {
    .name = "list",
    .summary = "list executions, the newest first",
    .usage = "[OPTIONS]",
    .description = "Lists executions, those that were started last first. Several filters all have to hold; the same "
                   "one given twice, or with commas, means any of its values. "
                   "On a terminal the table is fitted to its width.",
    .options =
        (const struct cli_option[]){
            {'s', "status", CLI_VALUE_MANY, "STATUS", CLI_STATUSES},
            {0, "batch", CLI_VALUE_MANY, "ID", "those of a batch"},
            {0, "workflow", CLI_VALUE_MANY, "ID", "those of a workflow"},
            {'m', "metadata", CLI_VALUE_MANY, "KEY=VALUE", "those with this in their metadata"},
            {0, "since", CLI_VALUE, "TIME", "made at or after a time: " CLI_TIMES},
            {'n', "limit", CLI_VALUE, "N", "at most so many; 50 unless told"},
            {'a', "all", CLI_FLAG, NULL, "all of them"},
            {'w', "watch", CLI_FLAG, NULL, "draw it again every two seconds"},
            {'o', "output", CLI_VALUE, "FORMAT", "text or json, one object a line"},
            {0},
        },
    .examples =
        (const struct cli_example[]){
            {"runnel list --status failed,lost --since 1d", "what went wrong since yesterday"},
            {"runnel list -w --status running", "what goes on, as it changes"},
            {"runnel list -a -o json | jq -r .execution_id", "every identifier"},
            {0},
        },
    .run = run_list,
};
