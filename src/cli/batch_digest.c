// What failed of a batch, and how: as the server gathers it, by status, exit code and last line.
#include "cli/batch_display.h"
#include "cli/batch_watch.h"
#include "cli/terminal.h"

#define DIGEST_GROUPS 10

static const char *text_of(const json_t *group, const char *name)
{
    const char *text = json_string_value(json_object_get(group, name));
    return text ? text : "";
}

static void append_group(struct buf *text, const json_t *group)
{
    const json_t *code = json_object_get(group, "exit_code");
    buf_printf(text, "  %lld × ", (long long)json_integer_value(json_object_get(group, "count")));
    batch_append_why(text, text_of(group, "status"), json_is_integer(code) ? json_integer_value(code) : -1);
    if (text_of(group, "line")[0]) {
        buf_append_text(text, ": ");
        terminal_append(text, str_of(text_of(group, "line")));
    }
    buf_printf(text, "\n      runnel logs %s", text_of(group, "execution_id"));
    batch_append_title(text, group);
    buf_append_byte(text, '\n');
}

static void digest_print(const json_t *digest)
{
    CLEANUP(buf_release) struct buf text = {0};
    const json_t *groups = json_object_get(digest, "groups");
    json_int_t looked_at = json_integer_value(json_object_get(digest, "looked_at"));
    size_t count = json_array_size(groups);
    buf_append_text(&text, "\nFailures:\n");
    for (size_t i = 0; i < MIN(count, (size_t)DIGEST_GROUPS); i++)
        append_group(&text, json_array_get(groups, i));
    if (count > DIGEST_GROUPS)
        buf_printf(&text, "  and %zu other kinds\n", count - DIGEST_GROUPS);
    if (looked_at < json_integer_value(json_object_get(digest, "failed_count")))
        buf_printf(&text, "  (of the latest %lld)\n", (long long)looked_at);
    fputs(buf_cstr(&text), stdout);
    fflush(stdout);
}

int batch_print_digest(struct cli *cli, struct client *client, const char *batch_id)
{
    CLEANUP(json_free) json_t *digest = NULL;
    CLEANUP(free_ptr) char *path = xasprintf("/api/v1/batches/%s/digest", batch_id);
    int code = cli_get_json(cli, client, path, &digest);
    if (code == 0 && json_array_size(json_object_get(digest, "groups")) > 0)
        digest_print(digest);
    return code;
}
