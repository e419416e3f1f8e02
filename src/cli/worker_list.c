// `worker list`: who is connected, and what of it is free.
#include "cli/worker_list.h"

#include "cli/cli_private.h"
#include "cli/table.h"
#include "cli/terminal.h"

#include <unistd.h>

static const struct table_column columns[] = {{"WORKER", 0, false}, {"HOST", 0, false},      {"FREE", 0, false},
                                              {"LABELS", 2, false}, {"EXECUTORS", 3, false}, {"RUNTIMES", 1, true},
                                              {"VERSION", 4, false}};

#define COLUMNS ARRAY_LEN(columns)

static char *text_cell(const json_t *worker, const char *name)
{
    CLEANUP(buf_release) struct buf text = {0};
    terminal_append(&text, str_of(json_string_value(json_object_get(worker, name))));
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
        terminal_append(&text, str_of(json_string_value(word)));
    }
    return xstrdup(buf_cstr(&text));
}

static void add_row(char **cells, const json_t *worker)
{
    cells[0] = text_cell(worker, "worker_id");
    cells[1] = text_cell(worker, "hostname");
    cells[2] = xasprintf("%lld/%lld", (long long)json_integer_value(json_object_get(worker, "slots_free")),
                         (long long)json_integer_value(json_object_get(worker, "slots")));
    cells[3] = words_cell(worker, "labels");
    cells[4] = words_cell(worker, "executors");
    cells[5] = words_cell(worker, "runtimes");
    cells[6] = text_cell(worker, "version");
}

static void append_table(const json_t *workers, struct buf *out)
{
    size_t count = json_array_size(workers), width, height;
    char **cells = xcalloc(count * COLUMNS + 1, sizeof(*cells));
    for (size_t i = 0; i < count; i++)
        add_row(cells + i * COLUMNS, json_array_get(workers, i));
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
        append_table(workers, &out);
    return cli_print(cli, &out);
}
