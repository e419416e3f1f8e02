// `pin` and `unpin`: whether executions are kept whatever their age.
#include "cli/cli_private.h"

static int set_pin(struct cli *cli, struct client *client, const char *id, bool pin, struct buf *out)
{
    CLEANUP(free_ptr) char *path = xasprintf("/api/v1/executions/%s", id);
    CLEANUP(json_free) json_t *answer = NULL;
    int64_t expires_ms;
    int code = cli_call_json(cli, client, "PATCH", path, pin ? STR("{\"pin\":true}") : STR("{\"pin\":false}"), &answer);
    if (code)
        return code;
    if (cli_json(cli)) {
        json_append_line(out, answer);
        return 0;
    }
    buf_printf(out, "%s: %s", id, pin ? "kept until it is unpinned" : "not pinned");
    if (json_time(answer, "expires_at", &expires_ms)) {
        buf_append_text(out, "; expires ");
        when_format(expires_ms, cli_flag(cli, "utc"), out);
    }
    buf_append_byte(out, '\n');
    return 0;
}

static int pin_one(struct cli *cli, struct client *client, const char *id, struct buf *out)
{
    return set_pin(cli, client, id, true, out);
}

static int unpin_one(struct cli *cli, struct client *client, const char *id, struct buf *out)
{
    return set_pin(cli, client, id, false, out);
}

static int run_each(struct cli *cli, cli_act_fn *act)
{
    char *const *operands;
    if (cli_operands(cli, &operands) == 0 && !cli_flag(cli, "last"))
        return cli_usage_error(cli, "name an execution: runnel %s ID, or --last", cli->command->name);
    return cli_each_execution(cli, act);
}

static int run_pin(struct cli *cli)
{
    return run_each(cli, pin_one);
}

static int run_unpin(struct cli *cli)
{
    return run_each(cli, unpin_one);
}

static const struct cli_option options[] = {
    {0, "last", CLI_FLAG, NULL, "the latest execution"},
    {'o', "output", CLI_VALUE, "FORMAT", "text or json, one object a line"},
    {0},
};

const struct cli_command cmd_pin = {
    .name = "pin",
    .summary = "keep executions whatever their age",
    .usage = "ID… [-o json]",
    .description = "Keeps executions from going when their time has come, until they are unpinned. They do not count "
                   "against their account's limits of executions and bytes either. `runnel purge` removes them all "
                   "the same.",
    .options = options,
    .examples =
        (const struct cli_example[]){
            {"runnel pin exec_abc123", "keep it"},
            {0},
        },
    .run = run_pin,
};

const struct cli_command cmd_unpin = {
    .name = "unpin",
    .summary = "let pinned executions go when their time has come",
    .usage = "ID… [-o json]",
    .description = "Ends what `runnel pin` began. What has expired meanwhile goes at once.",
    .options = options,
    .examples =
        (const struct cli_example[]){
            {"runnel unpin exec_abc123", "keep it no longer than others"},
            {0},
        },
    .run = run_unpin,
};
