// What failed of a batch, and how: by exit code and last line.
#include "cli/batch_display.h"
#include "cli/batch_watch.h"
#include "cli/terminal.h"

#define DIGEST_MOST   200 // failures that are looked at
#define DIGEST_GROUPS 10
#define LAST_LINE_MAX 200

struct group {
    char *line;
    const json_t *example; // of the list
    int64_t exit_code;     // -1: none
    char *status;
    size_t count;
};

struct digest {
    struct group groups[DIGEST_MOST];
    size_t count;
};

static void digest_release(struct digest *digest)
{
    for (size_t i = 0; i < digest->count; i++) {
        free(digest->groups[i].line);
        free(digest->groups[i].status);
    }
}

static char *last_line(struct cli *cli, struct client *client, const char *id)
{
    CLEANUP(free_ptr) char *path = xasprintf("/api/v1/executions/%s/logs?tail=1&stream=stderr", id);
    CLEANUP(json_free) json_t *page = NULL;
    if (cli_get_json(cli, client, path, &page))
        return xstrdup("");
    const json_t *record = json_array_get(json_object_get(page, "logs"), 0);
    const char *message = json_string_value(json_object_get(record, "message"));
    return xstrndup(message ? message : "", message ? MIN(strlen(message), (size_t)LAST_LINE_MAX) : 0);
}

static void digest_add(struct digest *digest, const json_t *execution, char *line)
{
    const json_t *code = json_object_get(execution, "exit_code");
    int64_t exit_code = json_is_integer(code) ? (int64_t)json_integer_value(code) : -1;
    const char *status = json_string_value(json_object_get(execution, "status"));
    for (size_t i = 0; i < digest->count; i++) {
        struct group *group = &digest->groups[i];
        if (group->exit_code != exit_code || strcmp(group->status, status) != 0 || strcmp(group->line, line) != 0)
            continue;
        group->count++;
        free(line);
        return;
    }
    digest->groups[digest->count++] = (struct group){
        .line = line,
        .example = execution,
        .exit_code = exit_code,
        .status = xstrdup(status),
        .count = 1,
    };
}

static int by_count(const void *a, const void *b)
{
    const struct group *x = a, *y = b;
    return (x->count < y->count) - (x->count > y->count);
}

static void digest_print(const struct digest *digest, int64_t failed, size_t looked_at)
{
    CLEANUP(buf_release) struct buf text = {0};
    buf_append_text(&text, "\nFailures:\n");
    for (size_t i = 0; i < MIN(digest->count, (size_t)DIGEST_GROUPS); i++) {
        const struct group *group = &digest->groups[i];
        buf_printf(&text, "  %zu × ", group->count);
        batch_append_why(&text, group->status, group->exit_code);
        if (group->line[0]) {
            buf_append_text(&text, ": ");
            terminal_append(&text, str_of(group->line));
        }
        buf_printf(&text, "\n      runnel logs %s", json_string_value(json_object_get(group->example, "execution_id")));
        batch_append_title(&text, group->example);
        buf_append_byte(&text, '\n');
    }
    if (digest->count > DIGEST_GROUPS)
        buf_printf(&text, "  and %zu other kinds\n", digest->count - DIGEST_GROUPS);
    if ((int64_t)looked_at < failed)
        buf_printf(&text, "  (of the latest %zu)\n", looked_at);
    fputs(buf_cstr(&text), stdout);
    fflush(stdout);
}

int batch_print_digest(struct cli *cli, struct client *client, const char *batch_id, int64_t failed)
{
    CLEANUP(digest_release) struct digest digest = {0};
    CLEANUP(json_free) json_t *list = NULL;
    CLEANUP(buf_release) struct buf path = {0};
    buf_append_text(&path, "/api/v1/executions");
    query_append(&path, "batch_id", batch_id);
    query_append(&path, "status", "failed,timed_out,lost,cancelled");
    query_append(&path, "limit", "200");
    int code = cli_get_json(cli, client, buf_cstr(&path), &list);
    const json_t *executions = json_object_get(list, "executions");
    size_t looked_at = 0;
    for (size_t i = 0; code == 0 && i < json_array_size(executions) && i < DIGEST_MOST; i++) {
        const json_t *execution = json_array_get(executions, i);
        if (json_is_string(json_object_get(execution, "retried_as")))
            continue; // another attempt counts
        digest_add(&digest, execution,
                   last_line(cli, client, json_string_value(json_object_get(execution, "execution_id"))));
        looked_at++;
    }
    qsort(digest.groups, digest.count, sizeof(digest.groups[0]), by_count);
    if (looked_at > 0)
        digest_print(&digest, failed, looked_at);
    return code;
}
