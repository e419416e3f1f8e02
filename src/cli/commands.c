#include "cli/cli_private.h"

// In the order of the help.
const struct cli_command *const cli_commands[] = {
    &cmd_serve,  &cmd_worker,  &cmd_run,    &cmd_batch,  &cmd_wrap,       &cmd_pipe,    &cmd_emit,   &cmd_ask,
    &cmd_answer, &cmd_logs,    &cmd_search, &cmd_status, &cmd_artifacts,  &cmd_list,    &cmd_cancel, &cmd_wait,
    &cmd_retry,  &cmd_pin,     &cmd_unpin,  &cmd_purge,  &cmd_verify,     &cmd_key,     &cmd_secret, &cmd_account,
    &cmd_backup, &cmd_restore, &cmd_store,  &cmd_trace,  &cmd_completion, &cmd_version, &cmd_help,   NULL,
};
