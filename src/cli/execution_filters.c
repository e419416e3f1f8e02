// The options by which commands choose executions, as parameters of a request.
#include "cli/cli_private.h"
#include "model/status.h"

// Each of the values with commas between them, as a parameter of its own.
static int append_list(struct cli *cli, struct buf *path, const char *option, const char *parameter, const char *text)
{
    enum execution_status known;
    struct str rest = str_of(text);
    do {
        const char *value = arena_dup(&cli->arena, str_split(&rest, ','));
        if (strcmp(option, "status") == 0 && !status_parse(str_of(value), &known))
            return cli_usage_error(cli, "--status must be of " CLI_STATUSES ", not \"%s\"", value);
        query_append(path, parameter, value);
    } while (rest.len > 0);
    return 0;
}

static int append_values(struct cli *cli, struct buf *path, const char *option, const char *parameter)
{
    const char *const *values;
    size_t count = cli_values(cli, option, &values);
    int code = 0;
    for (size_t i = 0; i < count && code == 0; i++)
        code = append_list(cli, path, option, parameter, values[i]);
    return code;
}

static int append_metadata(struct cli *cli, struct buf *path)
{
    const char *const *pairs;
    size_t count = cli_values(cli, "metadata", &pairs);
    for (size_t i = 0; i < count; i++) {
        const char *equals = strchr(pairs[i], '=');
        if (!equals || equals == pairs[i])
            return cli_usage_error(cli, "-m wants KEY=VALUE, not \"%s\"", pairs[i]);
        CLEANUP(free_ptr) char *name = xasprintf("metadata.%.*s", (int)(equals - pairs[i]), pairs[i]);
        query_append(path, name, equals + 1);
    }
    return 0;
}

int query_append_executions(struct cli *cli, struct buf *path)
{
    static const char *const plain[][2] = {{"status", "status"}, {"batch", "batch_id"}, {"workflow", "workflow_id"}};
    int code = 0;
    for (size_t i = 0; i < ARRAY_LEN(plain) && code == 0; i++)
        code = append_values(cli, path, plain[i][0], plain[i][1]);
    if (code == 0)
        code = append_metadata(cli, path);
    // Made absolute now, so that a list that is watched does not lose its oldest rows.
    if (code == 0 && cli_value(cli, "since"))
        code = query_append_time(cli, path, "since", "since", false);
    return code;
}
