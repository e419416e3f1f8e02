// `batch`: shows, watches and changes batches.
#include "cli/batch_display.h"
#include "cli/batch_watch.h"
#include "cli/table.h"
#include "util/id.h"

#include <unistd.h>

static int print_json(struct cli *cli, const json_t *value)
{
    CLEANUP(json_text_free) char *line = json_dumps(value, JSON_COMPACT);
    CLEANUP(buf_release) struct buf text = {0};
    buf_printf(&text, "%s\n", line);
    return cli_print(cli, &text);
}

static int batch_status(struct cli *cli, struct client *client, const char *id)
{
    CLEANUP(free_ptr) char *path = xasprintf("/api/v1/batches/%s/status", id);
    CLEANUP(json_free) json_t *status = NULL;
    CLEANUP(buf_release) struct buf text = {0};
    int code = cli_get_json(cli, client, path, &status);
    if (code)
        return code;
    if (cli_json(cli))
        return print_json(cli, status);
    buf_printf(&text, "Batch: %s\nStatus: %s\n", id, json_string_value(json_object_get(status, "status")));
    batch_append_kept(&text, status);
    buf_append_byte(&text, '\n');
    batch_append_progress(&text, status, cli_colour(cli), 0);
    return cli_print(cli, &text);
}

static int batch_post(struct cli *cli, struct client *client, const char *id, const char *what)
{
    CLEANUP(free_ptr) char *path = xasprintf("/api/v1/batches/%s/%s", id, what);
    CLEANUP(json_free) json_t *status = NULL;
    CLEANUP(buf_release) struct buf text = {0};
    int code = cli_call_json(cli, client, "POST", path, str_n(NULL, 0), &status);
    if (code)
        return code;
    if (cli_json(cli))
        return print_json(cli, status);
    buf_printf(&text, "%s: ", id);
    batch_append_line(&text, status);
    return cli_print(cli, &text);
}

static int batch_cancel(struct cli *cli, struct client *client, const char *id)
{
    return batch_post(cli, client, id, "cancel");
}

static int batch_close(struct cli *cli, struct client *client, const char *id)
{
    return batch_post(cli, client, id, "close");
}

static int batch_retry(struct cli *cli, struct client *client, const char *id)
{
    return batch_post(cli, client, id, cli_flag(cli, "skipped") ? "retry?skipped=true" : "retry");
}

static int batch_watched(struct cli *cli, struct client *client, const char *id)
{
    return batch_watch(cli, client, id, false);
}

static const struct {
    const char *word;
    int (*act)(struct cli *cli, struct client *client, const char *id);
} actions[] = {
    {"status", batch_status}, {"watch", batch_watched}, {"cancel", batch_cancel},
    {"close", batch_close},   {"retry", batch_retry},
};

static int batch_list(struct cli *cli, struct client *client)
{
    static const struct table_column columns[] = {{"BATCH", 0, true}, {"STATUS", 0, false}, {"PROGRESS", 1, false}};
    CLEANUP(json_free) json_t *list = NULL;
    CLEANUP(buf_release) struct buf text = {0};
    size_t width = 0, height = 0;
    int code = cli_get_json(cli, client, "/api/v1/batches?limit=50", &list);
    const json_t *batches = json_object_get(list, "batches");
    size_t count = json_array_size(batches);
    if (code)
        return code;
    const char **cells = xcalloc(count * ARRAY_LEN(columns) + 1, sizeof(*cells));
    for (size_t i = 0; i < count; i++) {
        const json_t *batch = json_array_get(batches, i);
        CLEANUP(buf_release) struct buf line = {0};
        batch_append_line(&line, batch);
        struct str rest = buf_str(&line);
        cells[i * 3] = json_string_value(json_object_get(batch, "batch_id"));
        cells[i * 3 + 1] = json_string_value(json_object_get(batch, "status"));
        cells[i * 3 + 2] = arena_dup(&cli->arena, str_trim(str_split(&rest, '|')));
        if (!cli_json(cli))
            continue;
        CLEANUP(json_text_free) char *json = json_dumps(batch, JSON_COMPACT);
        buf_printf(&text, "%s\n", json);
    }
    output_terminal_size(STDOUT_FILENO, &width, &height);
    if (!cli_json(cli))
        table_append(columns, ARRAY_LEN(columns), cells, count, width, &text);
    free(cells);
    return cli_print(cli, &text);
}

static int run_batch(struct cli *cli)
{
    CLEANUP(client_free) struct client *client = NULL;
    char *const *operands;
    size_t count = cli_operands(cli, &operands);
    bool lists = count == 1 && strcmp(operands[0], "list") == 0;
    if (!lists && (count != 2 || !id_execution_valid(str_of(operands[1]))))
        return cli_usage_error(cli, "say what, and of which: runnel batch status|watch|retry|close|cancel ID, or list");
    for (size_t i = 0; i < ARRAY_LEN(actions) || lists; i++) {
        if (!lists && strcmp(operands[0], actions[i].word) != 0)
            continue;
        int code = cli_connect(cli, &client);
        return code ? code : lists ? batch_list(cli, client) : actions[i].act(cli, client, operands[1]);
    }
    return cli_usage_error(cli, "\"%s\" is nothing that can be done; it is status, watch, retry, close, cancel or list",
                           operands[0]);
}

const struct cli_command cmd_batch = {
    .name = "batch",
    .summary = "show, watch and change batches",
    .usage = "status|watch|retry|close|cancel ID, or list",
    .description =
        "`status` shows how far a batch is. `watch` goes on until it is over, and then tells what failed, by "
        "exit code and last line. `retry` queues what failed once more, and only that; with --skipped also what did "
        "not "
        "start for that reason. `close` lets an open "
        "batch take no more jobs. `cancel` ends all that is not over.\n\n"
        "A batch is made by `runnel run --batch`; `runnel run --add-to` adds to one that was made with --keep-open.",
    .options =
        (const struct cli_option[]){
            {0, "skipped", CLI_FLAG, NULL, "with retry: what was skipped, because too much had failed, too"},
            {'o', "output", CLI_VALUE, "FORMAT", "text or json"},
            {0},
        },
    .examples =
        (const struct cli_example[]){
            {"runnel batch watch batch_abc123", "its progress until it is over"},
            {"runnel batch retry batch_abc123", "once more what failed"},
            {0},
        },
    .run = run_batch,
};
