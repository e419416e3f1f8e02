// `worker`: takes jobs from a server and runs them here.
#include "cli/cli_private.h"
#include "cli/worker_list.h"
#include "util/id.h"
#include "worker/worker.h"

#include <limits.h>
#include <signal.h>
#include <sys/prctl.h>
#include <unistd.h>

#define SLOTS_MAX   100000
#define SYSTEM_DATA "/var/lib/runnel"

static int read_labels(struct cli *cli, struct worker_options *options)
{
    const char *const *labels;
    size_t count = cli_values(cli, "label", &labels);
    if (count > WORKER_LABELS_MAX)
        return cli_usage_error(cli, "--label is given %zu times; a worker may have %d", count, WORKER_LABELS_MAX);
    for (size_t i = 0; i < count; i++) {
        if (!labels[i][0] || strlen(labels[i]) > 255 || !utf8_valid(labels[i], strlen(labels[i])))
            return cli_usage_error(cli, "--label wants 1 to 255 bytes of text, not \"%s\"", labels[i]);
        options->labels[options->label_count++] = labels[i];
    }
    return 0;
}

// Runners, which work in other folders, read it, and no job may.
static int read_logins(struct cli *cli, struct worker_options *options)
{
    char here[PATH_MAX];
    const char *path = cli_value(cli, "registry-auth");
    if (!path || !path[0])
        return 0;
    if (path[0] != '/' && !getcwd(here, sizeof(here)))
        return cli_usage_error(cli, "--registry-auth wants an absolute path here, not \"%s\"", path);
    options->registry_auth = path[0] == '/' ? path : arena_printf(&cli->arena, "%s/%s", here, path);
    options->hidden[options->hidden_count++] = options->registry_auth;
    return 0;
}

static int read_options(struct cli *cli, struct worker_options *options)
{
    const char *slots = cli_value(cli, "slots"), *cache = cli_value(cli, "cache-max");
    uint64_t count = 0;
    options->name = cli_value(cli, "name");
    options->job_user = cli_value(cli, "job-user");
    options->container_socket = cli_value(cli, "container-socket");
    if (slots && (!str_to_u64(str_of(slots), &count) || count < 1 || count > SLOTS_MAX))
        return cli_usage_error(cli, "--slots wants a number from 1 to %d, not \"%s\"", SLOTS_MAX, slots);
    if (options->name && (!id_execution_valid(str_of(options->name)) || strlen(options->name) > 128))
        return cli_usage_error(cli, "--name wants at most 128 letters, digits or any of ._:-, not \"%s\"",
                               options->name);
    if (cache && (!str_to_u64(str_of(cache), &options->cache_max) || options->cache_max == 0))
        return cli_usage_error(cli, "--cache-max wants a number of bytes, not \"%s\"", cache);
    options->slots = (unsigned)count;
    options->embedded = cli_flag(cli, "embedded");
    options->unconfined = cli_flag(cli, "unconfined");
    int code = read_logins(cli, options);
    return code ? code : read_labels(cli, options);
}

static int fail(struct cli *cli, const struct worker_options *options, int err)
{
    if (err == ERR_CONFLICT)
        return cli_fail(cli, err,
                        "another worker has the folder %s; --data (RUNNEL_DATA) gives this one a folder of its own",
                        options->state_dir);
    if (err == ERR_HELD) // the log has said so
        return error_exit_code(err);
    if (err == ERR_INVALID)
        return cli_fail(cli, err, "there is no user \"%s\" that jobs could run as", options->job_user);
    return cli_fail(cli, err, "%s: %s", options->state_dir, error_text(err));
}

// Workers that are connected to the server, wherever they are.
static int look_after(struct cli *cli, char *const *operands, size_t count)
{
    bool drain = strcmp(operands[0], "drain") == 0, resume = strcmp(operands[0], "resume") == 0;
    if (count == 1 && strcmp(operands[0], "list") == 0)
        return worker_list(cli);
    if (count == 2 && (drain || resume))
        return worker_drain(cli, operands[1], drain && !cli_flag(cli, "undo"));
    if (drain || resume)
        return cli_usage_error(cli, "name one worker: runnel worker %s ID; `runnel worker list` shows them",
                               operands[0]);
    return cli_usage_error(cli, "it takes options, or `list`, `drain ID` or `resume ID`, and not \"%s\"",
                           operands[count - 1]);
}

static void wipe(const char *text)
{
    if (text)
        explicit_bzero((char *)(uintptr_t)text, strlen(text));
}

// Any process of the same user can read with what a process was started. What is needed of it was copied.
static void forget_credential(struct cli *cli)
{
    wipe(getenv("RUNNEL_TOKEN"));
    wipe(cli_value(cli, "token"));
}

static int run_worker(struct cli *cli)
{
    const struct logger logger = {
        .fd = STDERR_FILENO, .min_level = LOG_INFO, .form = isatty(STDERR_FILENO) ? LOG_COLOUR : LOG_JSON};
    struct worker_options options = {
        .state_dir = cli_data_dir(cli),
        .hidden = {config_home_path(&cli->arena, "."), SYSTEM_DATA},
        .hidden_count = 2,
        .logger = &logger,
    };
    char *const *operands;
    size_t count = cli_operands(cli, &operands);
    if (count > 0)
        return look_after(cli, operands, count);
    int code = read_options(cli, &options);
    if (code)
        return code;
    const struct client_options *server = cli_server(cli);
    if (!server)
        return error_exit_code(ERR_INVALID);
    options.server = *server;
    forget_credential(cli);
    // Jobs outlive it, and it loses nothing by a kill.
    if (options.embedded && prctl(PR_SET_PDEATHSIG, SIGKILL) < 0)
        return cli_fail(cli, ERR_INTERNAL, "it cannot be bound to its server");
    int err = worker_run(&options);
    return err < 0 ? fail(cli, &options, err) : 0;
}

const struct cli_command cmd_worker = {
    .name = "worker",
    .summary = "take jobs from a server and run them here",
    .usage = "[--slots N] [--label LABEL]... [OPTIONS] | list [-o json] | drain ID [--undo] | resume ID",
    .description = "Takes the jobs that `runnel run` has queued and runs as many of them at once as it has slots. Each "
                   "runs in a fresh folder, in a process group of its own, with a small runner beside it that records "
                   "it; all of that lies in the folder `spool` of the data folder until the server has it. It needs "
                   "a key with the role service.\n\n"
                   "SIGTERM (Ctrl-C): it takes no more jobs, and ends when what it has is done and delivered. A second "
                   "one ends it at once. Either way, and also if it is killed, jobs that run go on: the next worker "
                   "of the same data folder finds them and delivers their logs.\n\n"
                   "Jobs run as the worker's own user, or as that of --job-user if it is root. Where the kernel has "
                   "Landlock they see neither the data folder nor each other's, and write only into their own "
                   "folders, /tmp and /var/tmp.\n\n"
                   "`runnel worker list` shows the workers that are connected and take the account's jobs, with the "
                   "slots of each that are free, and when it was last heard of; it says every ten seconds that it is "
                   "alive. `runnel worker drain ID` has one take no more jobs: those that it has go on, and it stays "
                   "so, also when its connection is lost or the server is started again, until `runnel worker resume "
                   "ID`, or until the worker is started again. Both need the role service.",
    .options =
        (const struct cli_option[]){
            {'n', "slots", CLI_VALUE, "N", "how many jobs may run at once; one for each processor unless told"},
            {'l', "label", CLI_VALUE_MANY, "LABEL", "what this worker can be asked for by; may be repeated"},
            {0, "name", CLI_VALUE, "NAME",
             "its identifier, which no other worker of the account has; one is made for the data folder unless told"},
            {0, "job-user", CLI_VALUE, "USER", "whom jobs run as, if the worker is root"},
            {0, "container-socket", CLI_VALUE, "PATH",
             "of the container engine for jobs with an image; none: no containers; that of DOCKER_HOST, Docker's or "
             "Podman's unless told"},
            {0, "registry-auth", CLI_VALUE, "FILE",
             "logins for registries that images are pulled from, as `docker login` keeps them (config.json); only its "
             "owner may read it"},
            {0, "cache-max", CLI_VALUE, "BYTES",
             "how much of the files that travel with jobs is kept for other jobs; 4 GiB unless told"},
            {0, "embedded", CLI_FLAG, NULL,
             "as `serve` starts it: it ends with its parent, and takes only jobs of admin and operator keys where "
             "neither Landlock nor --job-user keeps jobs from the data folder"},
            {'o', "output", CLI_VALUE, "FORMAT", "of `list` and `drain`: text or json, one object a line"},
            {0, "undo", CLI_FLAG, NULL, "with `drain`: as `resume`"},
            {0, "unconfined", CLI_FLAG, NULL, "with --embedded: jobs of any key all the same"},
            {0},
        },
    .examples =
        (const struct cli_example[]){
            {"runnel worker --slots 4 --label gpu", "four jobs at once, also those that want a gpu"},
            {"runnel worker list", "those that are connected"},
            {"runnel worker drain worker_abc123", "before its machine is looked after"},
            {"RUNNEL_URL=https://runnel.example.org RUNNEL_TOKEN=rnl_... runnel worker", "for a server elsewhere"},
            {0},
        },
    .own_signals = true,
    .run = run_worker,
};
