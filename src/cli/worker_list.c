// `worker list`: who is connected, and what of it is free; and `worker drain`.
#include "cli/worker_list.h"

#include "cli/cli_private.h"
#include "cli/table.h"
#include "cli/terminal.h"
#include "util/id.h"

#include <unistd.h>

static const struct table_column columns[] = {
    {"WORKER", 0, false}, {"HOST", 0, false},      {"FREE", 0, false},    {"SINCE", 5, false},   {"HEARD", 6, false},
    {"LABELS", 2, false}, {"EXECUTORS", 3, false}, {"RUNTIMES", 1, true}, {"VERSION", 4, false},
};

#define COLUMNS ARRAY_LEN(columns)

static char *text_cell(const json_t *worker, const char *name)
{
    CLEANUP(buf_release) struct buf text = {0};
    terminal_append_cell(&text, str_of(json_string_value(json_object_get(worker, name))));
    return xstrdup(buf_cstr(&text));
}

static char *words_cell(const json_t *worker, const char *name)
{
    CLEANUP(buf_release) struct buf text = {0};
    const json_t *word;
    size_t i;
    json_array_foreach(json_object_get(worker, name), i, word)
    {
        buf_append_text(&text, i > 0 ? "," : "");
        terminal_append_cell(&text, str_of(json_string_value(word)));
    }
    return xstrdup(buf_cstr(&text));
}

static char *time_cell(const json_t *worker, const char *name, bool utc)
{
    CLEANUP(buf_release) struct buf text = {0};
    int64_t ms;
    if (json_time(worker, name, &ms))
        when_format_short(ms, clock_real_ms(), utc, &text);
    return xstrdup(buf_cstr(&text));
}

static void add_row(char **cells, const json_t *worker, bool utc)
{
    cells[0] = text_cell(worker, "worker_id");
    cells[1] = text_cell(worker, "hostname");
    cells[2] = xasprintf("%lld/%lld%s", (long long)json_integer_value(json_object_get(worker, "slots_free")),
                         (long long)json_integer_value(json_object_get(worker, "slots")),
                         json_is_true(json_object_get(worker, "draining")) ? " draining" : "");
    cells[3] = time_cell(worker, "connected_at", utc);
    cells[4] = time_cell(worker, "heard_at", utc);
    cells[5] = words_cell(worker, "labels");
    cells[6] = words_cell(worker, "executors");
    cells[7] = words_cell(worker, "runtimes");
    cells[8] = text_cell(worker, "version");
}

static void append_table(const json_t *workers, bool utc, struct buf *out)
{
    size_t count = json_array_size(workers), width, height;
    char **cells = xcalloc(count * COLUMNS + 1, sizeof(*cells));
    for (size_t i = 0; i < count; i++)
        add_row(cells + i * COLUMNS, json_array_get(workers, i), utc);
    output_terminal_size(STDOUT_FILENO, &width, &height);
    table_append(columns, COLUMNS, (const char *const *)cells, count, width, out);
    for (size_t i = 0; i < count * COLUMNS; i++)
        free(cells[i]);
    free(cells);
}

int worker_list(struct cli *cli)
{
    CLEANUP(client_free) struct client *client = NULL;
    CLEANUP(json_free) json_t *answer = NULL;
    CLEANUP(buf_release) struct buf out = {0};
    int code = cli_connect(cli, &client);
    if (code == 0)
        code = cli_get_json(cli, client, "/api/v1/workers", &answer);
    if (code)
        return code;
    const json_t *workers = json_object_get(answer, "workers"), *worker;
    size_t i;
    if (json_array_size(workers) == 0)
        fprintf(stderr, "runnel: no worker is connected; `runnel worker` starts one, or `runnel serve --jobs N`\n");
    json_array_foreach(workers, i, worker)
    {
        if (cli_json(cli))
            json_append_line(&out, worker);
    }
    if (!cli_json(cli) && json_array_size(workers) > 0)
        append_table(workers, cli_flag(cli, "utc"), &out);
    return cli_print(cli, &out);
}

int worker_drain(struct cli *cli, const char *id, bool on)
{
    CLEANUP(client_free) struct client *client = NULL;
    CLEANUP(json_free) json_t *answer = NULL;
    CLEANUP(buf_release) struct buf out = {0};
    if (!id_execution_valid(str_of(id)))
        return cli_usage_error(cli, "\"%s\" cannot be the identifier of a worker; `runnel worker list` shows them", id);
    CLEANUP(free_ptr) char *path = xasprintf("/api/v1/workers/%s/%s", id, on ? "drain" : "resume");
    int code = cli_connect(cli, &client);
    if (code == 0)
        code = cli_call_json(cli, client, "POST", path, str_n(NULL, 0), &answer);
    if (code)
        return code;
    if (cli_json(cli))
        json_append_line(&out, answer);
    else
        buf_printf(&out, on ? "%s takes no more jobs; those that it has go on\n" : "%s takes jobs again\n", id);
    return cli_print(cli, &out);
}
