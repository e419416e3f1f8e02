#include "cli/cli_private.h"
#include "cli/terminal.h"
#include "model/status.h"

static void append_texts(struct buf *out, const char *name, const json_t *list)
{
    for (size_t i = 0; i < json_array_size(list); i++) {
        buf_append_text(out, i == 0 ? name : ", ");
        terminal_append_cell(out, str_of(json_string_value(json_array_get(list, i))));
    }
    if (json_array_size(list) > 0)
        buf_append_byte(out, '\n');
}

// What it asks, and how that is answered. Nothing if that cannot be read: the status is known without it.
static void append_waiting(const struct cli *cli, struct client *client, const char *id, struct buf *out)
{
    CLEANUP(client_response_release) struct client_response response = {0};
    CLEANUP(free_ptr) char *path = xasprintf("/api/v1/executions/%s/waiting", id);
    if (client_request(client, "GET", path, str_n(NULL, 0), NULL, &response) || response.status != 200)
        return;
    CLEANUP(json_free) json_t *found = json_loadb(response.body.data, response.body.len, 0, NULL);
    const json_t *waiting = json_object_get(found, "waiting"), *form = json_object_get(waiting, "form");
    const char *title = json_string_value(json_object_get(form, "title"));
    int64_t until_ms;
    if (!json_is_object(waiting))
        return;
    CLEANUP(json_text_free) char *whole = form ? json_dumps(form, JSON_COMPACT) : NULL;
    buf_append_byte(out, '\n');
    if (title || whole) {
        buf_append_text(out, "Asks: ");
        terminal_append_cell(out, str_of(title ? title : whole));
        buf_append_byte(out, '\n');
    }
    if (title && json_object_size(form) > 1) {
        buf_append_text(out, "Form: ");
        terminal_append_cell(out, str_of(whole));
        buf_append_byte(out, '\n');
    }
    append_texts(out, "Asked: ", json_object_get(waiting, "assignees"));
    if (json_time(waiting, "until", &until_ms)) {
        buf_append_text(out, "Until: ");
        when_format(until_ms, cli_flag(cli, "utc"), out);
        buf_append_byte(out, '\n');
    }
    buf_printf(out, "Answer: runnel answer %s NAME=TEXT\n", id);
}

static int run_status(struct cli *cli)
{
    CLEANUP(client_free) struct client *client = NULL;
    CLEANUP(json_free) json_t *status = NULL;
    CLEANUP(buf_release) struct buf text = {0};
    const char *id;
    int code = cli_read_status(cli, &client, &id, &status);
    if (code)
        return code;
    if (cli_json(cli))
        json_append_line(&text, status);
    else
        format_status(status, clock_real_ms(), cli_colour(cli), cli_flag(cli, "utc"), &text);
    const char *word = json_string_value(json_object_get(status, "status"));
    if (!cli_json(cli) && word && strcmp(word, status_word(STATUS_WAITING)) == 0)
        append_waiting(cli, client, id, &text);
    code = cli_print(cli, &text);
    if (code || !cli_flag(cli, "exit-status"))
        return code;
    return cli_exit_as_job(cli, status);
}

const struct cli_command cmd_status = {
    .name = "status",
    .summary = "show what became of an execution",
    .usage = "ID [-o json]",
    .description = "Shows the status of an execution, when it was started and how long it took, where it ran and, once "
                   "it is known, what it cost.\n\n"
                   "What is not known is left out; with -o json it is null.",
    .options =
        (const struct cli_option[]){
            {0, "last", CLI_FLAG, NULL, "the latest execution"},
            {'o', "output", CLI_VALUE, "FORMAT", "text or json"},
            {0, "exit-status", CLI_FLAG, NULL, "exit with the job's exit code; 1 while it goes on"},
            {0},
        },
    .examples =
        (const struct cli_example[]){
            {"runnel status exec_abc123", "the status in words"},
            {"runnel status exec_abc123 -o json | jq .status", "for scripts"},
            {0},
        },
    .run = run_status,
};
