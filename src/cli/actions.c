// Commands that do several things: the first operand says which.
#include "cli/cli_private.h"

static const struct cli_action *find_action(const struct cli_action *actions, const char *name)
{
    for (const struct cli_action *action = actions; action->name; action++)
        if (strcmp(action->name, name) == 0)
            return action;
    return NULL;
}

static int tell_actions(struct cli *cli, const struct cli_action *actions)
{
    CLEANUP(buf_release) struct buf text = {0};
    for (const struct cli_action *action = actions; action->name; action++) {
        const char *between = action == actions ? "" : action[1].name ? ", " : " or ";
        buf_printf(&text, "%s%s", between, action->name);
    }
    return cli_usage_error(cli, "say what to do: %s", buf_cstr(&text));
}

int cli_run_action(struct cli *cli, const struct cli_action *actions)
{
    CLEANUP(client_free) struct client *client = NULL;
    char *const *operands;
    size_t count = cli_operands(cli, &operands);
    const struct cli_action *action = count > 0 ? find_action(actions, operands[0]) : NULL;
    if (!action)
        return tell_actions(cli, actions);
    if (!action->operand && count > 1)
        return cli_usage_error(cli, "`runnel %s %s` takes options only, not \"%s\"", cli->command->name, action->name,
                               operands[1]);
    if (action->operand && count != 2 + action->more)
        return cli_usage_error(cli, "%s", action->operand);
    int code = action->check ? action->check(cli, operands[1]) : 0;
    if (code == 0 && !action->offline)
        code = cli_connect(cli, &client);
    return code ? code : action->run(cli, client, operands[1]);
}
