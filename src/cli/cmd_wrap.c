// `wrap` and `pipe`: the runner, with the options of the command line.
#include "cli/cli_private.h"
#include "model/config_limits.h"
#include "model/secret.h"
#include "runner/runner.h"
#include "util/id.h"

#define GRANDCHILD_GRACE_MS     5000
#define DELIVER_WAIT_DEFAULT_MS 30000

// Appends {"K":"V",…} from -m K=V.
static int append_metadata(struct cli *cli, const struct mask *mask, struct buf *out)
{
    const char *const *pairs;
    size_t count = cli_values(cli, "metadata", &pairs);
    CLEANUP(json_free) json_t *object = json_object();
    for (size_t i = 0; i < count; i++) {
        const char *equals = strchr(pairs[i], '=');
        if (!equals || equals == pairs[i] || !utf8_valid(pairs[i], strlen(pairs[i])))
            return cli_usage_error(cli, "-m wants KEY=VALUE, not \"%s\"", pairs[i]);
        CLEANUP(free_ptr) char *name = xstrndup(pairs[i], (size_t)(equals - pairs[i]));
        CLEANUP(buf_release) struct buf value = {0};
        mask_text(mask, str_of(equals + 1), &value);
        json_object_set_new(object, name, json_string(buf_cstr(&value)));
    }
    CLEANUP(json_text_free) char *text = count > 0 ? json_dumps(object, JSON_COMPACT) : NULL;
    // What no server takes is refused here, before the command runs. Later it would keep the whole log from being
    // delivered.
    if (json_object_size(object) > LIMIT_METADATA_MEMBERS)
        return cli_usage_error(cli, "-m is given for %zu keys; an execution may have %d", json_object_size(object),
                               LIMIT_METADATA_MEMBERS);
    if (text && strlen(text) > LIMIT_METADATA)
        return cli_usage_error(cli, "what -m gives is %zu bytes as JSON; an execution may have %zu", strlen(text),
                               LIMIT_METADATA);
    if (text)
        buf_append_text(out, text);
    return 0;
}

static int read_numbers(struct cli *cli, struct runner_options *options)
{
    const char *wait = cli_value(cli, "deliver-wait"), *spool = cli_value(cli, "spool-max"),
               *message = cli_value(cli, "message-max");
    int64_t ms = DELIVER_WAIT_DEFAULT_MS;
    uint64_t message_max = RECORD_MESSAGE_MAX;
    options->spool_max = RUNNER_SPOOL_MAX;
    if (wait && !duration_parse(str_of(wait), &ms))
        return cli_usage_error(cli, "--deliver-wait wants a duration such as 30s or 5m, not \"%s\"", wait);
    if (spool && (!str_to_u64(str_of(spool), &options->spool_max) || options->spool_max < RUNNER_SPOOL_MIN))
        return cli_usage_error(cli, "--spool-max wants a number of bytes, at least %llu (4 MiB), not \"%s\"",
                               RUNNER_SPOOL_MIN, spool);
    if (message && (!str_to_u64(str_of(message), &message_max) || message_max < 256 || message_max > 1048576))
        return cli_usage_error(cli, "--message-max wants a number of bytes from 256 to 1048576, not \"%s\"", message);
    options->deliver_wait_ms = (uint64_t)ms;
    options->give_up_unreached = !wait;
    options->message_max = (size_t)message_max;
    options->grandchild_grace_ms = GRANDCHILD_GRACE_MS;
    return 0;
}

static void tell_left(void *arg, const char *execution_id, const char *reason, bool discarded)
{
    (void)arg;
    fprintf(stderr, "runnel: %s is %s: %s\n", execution_id, discarded ? "discarded" : "left", reason);
}

static int resume(struct cli *cli, const struct runner_options *options, const char *only)
{
    struct runner_resumed counts = {0};
    int err = runner_resume(options, only, tell_left, NULL, &counts);
    if (err == ERR_INVALID && only && !id_execution_valid(str_of(only)))
        return cli_usage_error(cli, "\"%s\" cannot be the identifier of an execution", only);
    if (err == ERR_NOT_FOUND)
        return cli_fail(cli, err, "there is no run %s in %s/spool", only, options->state_dir);
    if (err == ERR_HELD)
        return cli_fail(cli, err, "%s is being recorded, or delivered, by another process", only);
    fprintf(stderr, "runnel: %u delivered, %u left", counts.delivered, counts.left);
    if (counts.discarded > 0)
        fprintf(stderr, ", %u discarded", counts.discarded);
    if (counts.held > 0)
        fprintf(stderr, ", %u under way in other processes", counts.held);
    fputs("\n", stderr);
    return err ? error_exit_code(err) : counts.left > 0 ? 1 : 0;
}

// Says why the runner could not begin.
static int fail_start(struct cli *cli, const struct runner_options *options, int err)
{
    const char *undone = options->command ? "the command was not run" : "nothing was recorded";
    const char *id = options->execution_id;
    if (err == ERR_CONFLICT && id)
        return cli_fail(cli, err,
                        "the spool of an earlier run as %s is in the way: %s/spool/%s; %s. `runnel wrap%s --resume %s` "
                        "delivers it, or says why not; removing that folder discards it",
                        id, options->state_dir, id, undone, options->again_options, id);
    if (err == ERR_HELD && id)
        return cli_fail(cli, err, "a run as %s is under way, with its spool in %s/spool/%s; %s", id, options->state_dir,
                        id, undone);
    return cli_fail(cli, err, "%s/spool: %s; %s", options->state_dir, error_text(err), undone);
}

// Adds the values of the variables that --mask-env names.
static int read_masked(struct cli *cli, struct mask *mask)
{
    const char *const *names;
    size_t count = cli_values(cli, "mask-env", &names);
    for (size_t i = 0; i < count; i++) {
        const char *value = getenv(names[i]);
        const char *problem = value ? secret_value_problem(str_of(value)) : NULL;
        if (!value)
            return cli_usage_error(cli, "--mask-env %s: there is no such variable in the environment", names[i]);
        if (problem)
            return cli_usage_error(cli, "--mask-env %s: its value %s", names[i], problem);
        secret_add_forms(mask, str_of(value));
    }
    mask_seal(mask);
    return 0;
}

static int run_runner(struct cli *cli, bool with_command)
{
    CLEANUP(buf_release) struct buf metadata = {0};
    CLEANUP(buf_release) struct buf again = {0};
    CLEANUP(mask_free) struct mask *mask = mask_new();
    char *const *operands;
    size_t operand_count = cli_operands(cli, &operands);
    const char *id = cli_value(cli, "id");
    struct runner_options options = {
        .state_dir = cli_data_dir(cli),
        .command = with_command ? operands : NULL,
        .tty = with_command && cli_flag(cli, "tty"),
        .execution_id = id,
        .keep_going = cli_flag(cli, "keep-going"),
        .quiet = cli_flag(cli, "quiet"),
    };
    const char *result = cli_value(cli, "result");
    if (result && strcmp(result, "json") != 0)
        return cli_usage_error(cli, "--result can be json, not \"%s\"", result);
    options.wants_result = result;
    if (id && !id_execution_valid(str_of(id)))
        return cli_usage_error(cli, "\"%s\" cannot be the identifier of an execution", id);
    int code = read_masked(cli, mask);
    if (code == 0)
        code = append_metadata(cli, mask, &metadata);
    if (code == 0)
        code = read_numbers(cli, &options);
    if (code)
        return code;
    options.mask = cli_value(cli, "mask-env") ? mask : NULL;
    options.metadata_json = metadata.len > 0 ? buf_cstr(&metadata) : NULL;
    const struct client_options *server = cli_server(cli);
    if (!server)
        return error_exit_code(ERR_INVALID);
    options.server = *server;
    cli_append_again(cli, &again);
    options.again_options = buf_cstr(&again);

    if (with_command && cli_flag(cli, "resume")) {
        if (operand_count + (id != NULL) > 1)
            return cli_usage_error(cli, "--resume takes one execution, or none for all that is left");
        return resume(cli, &options, operand_count == 1 ? operands[0] : id);
    }
    if (with_command && operand_count == 0)
        return cli_usage_error(cli, "say what to run: runnel wrap -- COMMAND [ARGS]");
    if (!with_command && operand_count > 0)
        return cli_usage_error(
            cli, "it reads its standard input, so \"%s\" is too much; `runnel wrap -- COMMAND` runs a command",
            operands[0]);
    int exit_code = 0;
    int err = runner_run(&options, &exit_code);
    // The runner has said what is left; the exit code is the job's.
    if (err && err != ERR_UNAVAILABLE)
        return fail_start(cli, &options, err);
    return exit_code;
}

static int run_wrap(struct cli *cli)
{
    return run_runner(cli, true);
}

static int run_pipe(struct cli *cli)
{
    return run_runner(cli, false);
}

#define SHARED_OPTIONS                                                                                               \
    {'m', "metadata", CLI_VALUE_MANY, "KEY=VALUE", "what else to know about this execution; may be repeated"},       \
        {0, "id", CLI_VALUE, "ID", "its identifier; else one is made"},                                              \
        {0, "mask-env", CLI_VALUE_MANY, "NAME",                                                                      \
         "mask the value of this variable in what is recorded; may be repeated"},                                    \
        {'q', "quiet", CLI_FLAG, NULL, "no notices on stderr; what fails is said all the same"},                     \
        {0, "keep-going", CLI_FLAG, NULL,                                                                            \
         "go on to the end when nobody reads the output any more, which is still recorded"},                         \
        {0, "deliver-wait", CLI_VALUE, "DURATION",                                                                   \
         "how long to wait for the server after the job has ended; 0: for ever; 30s unless told, and then only for " \
         "one that was reached"},                                                                                    \
        {0, "spool-max", CLI_VALUE, "BYTES",                                                                         \
         "how much may wait on disk for the server before the job has to wait; 10 GiB unless told, 4 MiB at least"}, \
    {                                                                                                                \
        0, "message-max", CLI_VALUE, "BYTES", "a longer line is cut into parts; 10240 unless told"                   \
    }

const struct cli_command cmd_wrap = {
    .name = "wrap",
    .summary = "run a command here and record its output",
    .usage = "[OPTIONS] -- COMMAND [ARGS]",
    .description = "Runs COMMAND. Its output passes through as it is, and is recorded. Exits with the command's code, "
                   "128 and the number of the signal if one "
                   "ended it.\n\n"
                   "What was captured is on disk before it is sent: neither a server that is away nor the death of any "
                   "process loses a line of it. What "
                   "a run has left waits in the folder `spool` of the data folder (--data, RUNNEL_DATA), until the "
                   "server has shown that it has all of it. "
                   "The next wrap that reaches the server delivers it on the side; so does --resume. Without an ID "
                   "that is all that was recorded for the "
                   "present server; what was recorded for another one is delivered only when it is named. Each run "
                   "that is still left is told, and why, and "
                   "the exit code is 1 then. It suits a timer: what a living process has is passed over, and several "
                   "may run at once.\n\n"
                   "An identifier is one execution's. Where one of that name has ended already, COMMAND runs and its "
                   "exit code counts, but the server does not "
                   "take the log: that is said, also with -q, and what was recorded stays in its spool.\n\n"
                   "What the command leaves running in the background may keep its output open: that is read until "
                   "nothing came for a second, and for five "
                   "seconds at most. Then wrap ends, and what comes later is not recorded.\n\n"
                   "A reader of the output that goes away, as head does, ends COMMAND as it would without wrap: by "
                   "SIGPIPE, at its next write (by a hang-up "
                   "with --tty). What it wrote until then is recorded. With --keep-going it is not told, and all of it "
                   "is recorded. Output that cannot be written "
                   "for another reason, such as a full disk, is recorded as well: that is said, and the exit code is 1 "
                   "if COMMAND's own is 0.\n\n"
                   "Between stdout and stderr the order is that of reading; with --tty there is one stream, and the "
                   "order is the command's.\n\n"
                   "Many programs keep their output back when it goes to no terminal; nothing is shown or recorded "
                   "before they give it away. With --tty they do "
                   "not. The keys of a terminal go to the command's own, Ctrl-Z stops both, and fg goes on. An input "
                   "that is no terminal is the command's "
                   "as without --tty. Newlines are recorded as the command wrote them.",
    .options =
        (const struct cli_option[]){
            {'t', "tty", CLI_FLAG, NULL, "give the command a terminal of its own instead of two pipes"},
            SHARED_OPTIONS,
            {0, "result", CLI_VALUE, "json",
             "keep what it writes to stdout, whole or else its last line, as the result, if that is JSON of at most "
             "64 KiB"},
            {0, "resume", CLI_FLAG, NULL,
             "instead of running something, deliver what earlier runs have left behind: all of it, or that of one ID"},
            {0},
        },
    .examples =
        (const struct cli_example[]){
            {"runnel wrap -- make test", "run and record"},
            {"runnel wrap -m branch=main --id nightly-2025-11-15 -- ./nightly.sh",
             "with an identifier and metadata of its own"},
            {"runnel wrap --resume", "deliver what is left after a crash"},
            {0},
        },
    .takes_command = true,
    .own_signals = true,
    .run = run_wrap,
};

const struct cli_command cmd_pipe = {
    .name = "pipe",
    .summary = "record what is read from standard input, and pass it on",
    .usage = "[OPTIONS]",
    .description = "Reads standard input to its end, writes it to standard output as it is, and records it.\n\n"
                   "When the reader of its output goes away, as head does, it ends, and who writes into it gets "
                   "SIGPIPE, as without it; with "
                   "--keep-going all is still recorded. Output that cannot be written for another reason, such as a "
                   "full disk, is recorded as well: "
                   "that is said, and the exit code is 1.",
    .options =
        (const struct cli_option[]){
            SHARED_OPTIONS,
            {0},
        },
    .examples =
        (const struct cli_example[]){
            {"./nightly.sh 2>&1 | runnel pipe -m job=nightly", "record a pipe"},
            {0},
        },
    .own_signals = true,
    .run = run_pipe,
};
