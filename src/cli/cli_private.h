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
    struct client_options server; // strings are in the arena
    const char *about;            // what refusals of the server are about, named in front of them; may be NULL
};

extern const struct cli_option cli_global_options[];
extern const struct cli_command cmd_account, cmd_answer, cmd_artifacts, cmd_ask, cmd_retry, cmd_wait, cmd_backup,
    cmd_batch, cmd_cancel, cmd_completion, cmd_emit, cmd_help, cmd_key, cmd_list, cmd_logs, cmd_pin, cmd_pipe,
    cmd_unpin, cmd_purge, cmd_restore, cmd_run, cmd_search, cmd_secret, cmd_serve, cmd_status, cmd_store, cmd_trace,
    cmd_verify, cmd_version, cmd_worker, cmd_wrap;
const struct cli_command *cli_command_find(const struct cli *cli, const char *name);
void cli_find_data_dir(struct cli *cli); // call it when the options are parsed
// Appends the options that a command in our messages needs to find the same server and spools. They are the ones that
// were given as flags, quoted for a shell. Of a credential only its place is shown. Appends "" if the environment and
// the files are enough.
void cli_append_again(const struct cli *cli, struct buf *out);

// --- context.c: finds the server
struct context_inputs { // each may be NULL
    const char *url_flag, *token_flag, *context_flag, *ca_flag;
    const char *url_env, *token_env, *context_env, *ca_env;
    const char *config_path; // file of the contexts; it need not exist
    const char *data_dir;
};
// Returns 0, or ERR_INVALID with a text.
int context_resolve(const struct context_inputs *inputs, struct arena *arena, struct client_options *ret,
                    struct buf *ret_error);
char *config_home_path(struct arena *arena, const char *name); // $XDG_CONFIG_HOME/runnel/NAME

void append_shell_word(struct buf *out, const char *word); // for a POSIX shell: as it is, or in single quotes
// --- actions.c
struct cli_action {
    const char *name;
    const char *operand;                                // what to say if it is not given; NULL: the action takes none
    unsigned more;                                      // operands that it takes behind that one
    bool offline;                                       // it needs no server: `run` gets no client
    int (*check)(struct cli *cli, const char *operand); // runs before a server is looked for; may be NULL
    int (*run)(struct cli *cli, struct client *client, const char *operand);
};
// Runs the action that the first operand names. The last one of `actions` has no name.
int cli_run_action(struct cli *cli, const struct cli_action *actions);

// --- help.c
// `width`: of a line, in characters; see help_width.
void help_overview(struct buf *out, const struct cli_command *const *commands, size_t width);
void help_environment_example(struct buf *out); // the part about commands in an example file
void help_command(struct buf *out, const struct cli_command *command, size_t width);
size_t help_width(int fd); // that of its terminal, within what is good to read; 80 elsewhere
// `command`: NULL for runnel(1).
void help_man(struct buf *out, const struct cli_command *const *commands, const struct cli_command *command);
void help_markdown(struct buf *out, const struct cli_command *const *commands);

// --- request.c. These say on stderr what is wrong, and return the exit code or 0.
int cli_connect(struct cli *cli, struct client **ret);
// `body` may be empty. Any answer except 2xx is an error.
int cli_call(struct cli *cli, struct client *client, const char *method, const char *path, struct str body,
             struct client_response *ret);
int cli_get_json(struct cli *cli, struct client *client, const char *path, json_t **ret);
int cli_call_json(struct cli *cli, struct client *client, const char *method, const char *path, struct str body,
                  json_t **ret);
int cli_fail_response(struct cli *cli, const struct client_response *response);
int cli_execution_operand(struct cli *cli, const char **ret); // the only operand, a valid id; NULL with --last
// Returns the exit code of the job, from the object of …/status.
int cli_exit_as_job(struct cli *cli, const json_t *status);
void json_free(json_t **json);
void json_text_free(char **text);
void json_append_line(struct buf *out, const json_t *value); // compact, on a line of its own
// Appends "?name=value" or "&name=value", percent-encoded.
void query_append(struct buf *path, const char *name, const char *value);
// Appends a time (or a time ago) that a person wrote, as RFC 3339. `late`: the last moment that it can mean. If it is
// not a time, says so on stderr and returns 2.
int query_append_time(struct cli *cli, struct buf *path, const char *name, const char *option, bool late);
// Appends the options status, batch, workflow, metadata and since. If one is wrong, says so on stderr and returns 2.
int query_append_executions(struct cli *cli, struct buf *path);
#define CLI_STATUSES "queued, running, waiting, paused, completed, failed, cancelled, timed_out, skipped or lost"
// Reads the value of an option that is a time. True if the option was given and is a time.
bool cli_moment(struct cli *cli, const char *option, bool late, int64_t *ret_ms);
#define CLI_TIMES "2026-11-15 10:30:15, 10:30, yesterday, 1h30m or seconds since 1970"

// --- find.c
#define CLI_LAST_AND_ANOTHER "--last means the latest execution, and \"%s\" another; give one of them"
// Finds the execution that *id means. NULL means the latest. A complete identifier stays; the beginning of one becomes
// the only execution that begins so. If there are several, prints them on stderr and returns 2. The result is in the
// arena.
int cli_find_execution(struct cli *cli, struct client *client, const char **id);
// Finds those of the operands; without operands, or with --last, the latest. At least one.
int cli_find_executions(struct cli *cli, const char *const **ret, size_t *ret_count);
// Appends what is told about it to `out`. Returns 0, or the exit code after having said what is wrong.
typedef int cli_act_fn(struct cli *cli, struct client *client, const char *id, struct buf *out);
// Finds each of the same executions in turn and calls `act` for it. If one fails, the next one has its turn all the
// same, unless the failure is one of the credential or of the way to the server. Returns the exit code of the first
// failure.
int cli_each_execution(struct cli *cli, cli_act_fn *act);
// Connects, finds the execution that the only operand means, and reads its status.
int cli_read_status(struct cli *cli, struct client **ret_client, const char **ret_id, json_t **ret_status);

// --- format.c
const char *status_mark(const char *status_word);   // "✓", "✗" or ""
const char *status_colour(const char *status_word); // parameters of SGR
bool json_time(const json_t *object, const char *name, int64_t *ret_ms);
// Writes the text of `runnel status`, from the object of …/status.
void format_status(const json_t *status, int64_t now_ms, bool colour, bool utc, struct buf *out);
// Appends what it runs, quoted as a shell needs it: its command, or its script and arguments. Behind it in brackets a
// name that does not stand there.
void format_command(const json_t *execution, struct buf *out);
#define EXIT_LOST 125
int exit_code_of_job(const char *status_word, const json_t *exit_code); // 1 while the job goes on

// Writes what is left. Returns the exit code of the command.
int cli_finish(const struct cli *cli, struct output *output);
int cli_print(const struct cli *cli, struct buf *text); // writes to stdout, all of it
