// What the files of this room share.
#pragma once

#include "cli/cli.h"
#include "cli/options.h"
#include "cli/output.h"
#include "util/clock.h"
#include "util/when.h"

#include <jansson.h>

#define CLI_EXIT_USAGE 2

struct cli {
    const struct cli_command *const *commands; // NULL-terminated
    const struct cli_command *command;
    struct arena arena;
    struct parsed parsed;
    char *data_dir;
    bool server_known;
    struct client_options server; // strings in the arena
};

extern const struct cli_option cli_global_options[];
extern const struct cli_command cmd_account, cmd_backup, cmd_cancel, cmd_completion, cmd_help, cmd_key, cmd_list,
    cmd_logs, cmd_pipe, cmd_purge, cmd_restore, cmd_serve, cmd_status, cmd_store, cmd_verify, cmd_version, cmd_wrap;
const struct cli_command *cli_command_find(const struct cli *cli, const char *name);
void cli_find_data_dir(struct cli *cli); // once its options are parsed
// Appends the options that a command which is told to the user needs to find the same server and spools: what was given
// as flags, quoted for a shell; a credential by its place only. "" if the environment and files do without.
void cli_append_again(const struct cli *cli, struct buf *out);

// --- context.c: which server
struct context_inputs { // each may be NULL
    const char *url_flag, *token_flag, *context_flag, *ca_flag;
    const char *url_env, *token_env, *context_env, *ca_env;
    const char *config_path; // of the contexts; may not exist
    const char *data_dir;
};
// 0, or ERR_INVALID with a text.
int context_resolve(const struct context_inputs *inputs, struct arena *arena, struct client_options *ret,
                    struct buf *ret_error);
char *config_home_path(struct arena *arena, const char *name); // $XDG_CONFIG_HOME/runnel/NAME

void append_shell_word(struct buf *out, const char *word); // for a POSIX shell: as it is, or in single quotes
// --- help.c
void help_overview(struct buf *out, const struct cli_command *const *commands);
void help_environment_example(struct buf *out); // the commands' part of an example file
void help_command(struct buf *out, const struct cli_command *command);
// `command`: NULL for runnel(1).
void help_man(struct buf *out, const struct cli_command *const *commands, const struct cli_command *command);
void help_markdown(struct buf *out, const struct cli_command *const *commands);

// --- request.c. All say what is wrong on stderr and return the exit code, or 0.
int cli_connect(struct cli *cli, struct client **ret);
// `body` may be empty. Any answer but 2xx is an error.
int cli_call(struct cli *cli, struct client *client, const char *method, const char *path, struct str body,
             struct client_response *ret);
int cli_get_json(struct cli *cli, struct client *client, const char *path, json_t **ret);
int cli_call_json(struct cli *cli, struct client *client, const char *method, const char *path, struct str body,
                  json_t **ret);
int cli_fail_response(struct cli *cli, const struct client_response *response);
int cli_execution_operand(struct cli *cli, const char **ret); // the one operand, a valid id; NULL with --last
int cli_exit_as_job(struct cli *cli, const json_t *status);   // the exit code of the job, from the object of …/status
void json_free(json_t **json);
void json_text_free(char **text);
// Appends "?name=value" or "&name=value", percent-encoded.
void query_append(struct buf *path, const char *name, const char *value);
// A time or "so long ago" as given by people, as RFC 3339; `late`: the last moment that it can mean. On stderr and 2 if
// it is none.
int query_append_time(struct cli *cli, struct buf *path, const char *name, const char *option, bool late);
// The value of an option that is a time. True if it was given and is one.
bool cli_moment(struct cli *cli, const char *option, bool late, int64_t *ret_ms);
#define CLI_TIMES "2026-11-15 10:30:15, 10:30, yesterday, 1h30m or seconds since 1970"

// --- find.c
#define CLI_LAST_AND_ANOTHER "--last means the latest execution, and \"%s\" another; give one of them"
// NULL becomes the latest. *id stays as it is if there is one, else it becomes the only execution whose identifier
// begins so; several: their list on stderr, and 2. In the arena.
int cli_find_execution(struct cli *cli, struct client *client, const char **id);
// Those of the operands; without one, or with --last, the latest. At least one.
int cli_find_executions(struct cli *cli, const char *const **ret, size_t *ret_count);

// --- format.c
const char *status_mark(const char *status_word);   // "✓", "✗" or ""
const char *status_colour(const char *status_word); // SGR parameters
bool json_time(const json_t *object, const char *name, int64_t *ret_ms);
// The text of `runnel status`, from the object of …/status.
void format_status(const json_t *status, int64_t now_ms, bool colour, bool utc, struct buf *out);
#define EXIT_LOST 125
int exit_code_of_job(const char *status_word, const json_t *exit_code); // 1 while it goes on
// Rows of cells in columns of equal width. The first row is the head.
void format_table(const char *const *cells, size_t columns, size_t rows, struct buf *out);
size_t text_width(const char *text); // in characters

// Writes what is left; the exit code of the command.
int cli_finish(const struct cli *cli, struct output *output);
int cli_print(const struct cli *cli, struct buf *text); // on stdout, as a whole
