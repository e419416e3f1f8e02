// Makes the folder of a job from what the server asks for.
#include "runner/runner.h"
#include "util/file.h"
#include "util/id.h"
#include "worker/worker_private.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#define TIMEOUT_MAX_S 31536000.0
#define STDIN_FILE    "stdin"

static const char *text(const json_t *root, const char *name)
{
    const char *value = json_string_value(json_object_get(root, name));
    return value && value[0] ? value : NULL;
}

static void set(json_t *root, const char *name, const char *value)
{
    if (value)
        json_object_set_new(root, name, json_string(value));
}

// Appends the strings of one array to another.
static void append_texts(json_t *to, const json_t *from)
{
    for (size_t i = 0; i < json_array_size(from); i++)
        json_array_append(to, json_array_get(from, i));
}

// --- The program

// Returns the last part of its name: the script lies in the folder that the job runs in.
static const char *script_name(const json_t *spec)
{
    const char *name = text(spec, "script_filename");
    const char *slash = name ? strrchr(name, '/') : NULL;
    name = slash ? slash + 1 : name;
    return name && name[0] && strcmp(name, ".") != 0 && strcmp(name, "..") != 0 ? name : "script";
}

static int write_file(int folder, const char *name, struct str content, mode_t mode, const struct worker *worker)
{
    CLEANUP(close_fd) int fd = openat(folder, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode);
    if (fd < 0 || fchmod(fd, mode) < 0)
        return -errno;
    if (worker->has_user && fchown(fd, worker->user.uid, worker->user.gid) < 0)
        return -errno;
    return file_write_full(fd, content.data, content.len);
}

static int put_script(const struct worker *worker, int dir_fd, const char *name, struct str content)
{
    if (mkdirat(dir_fd, JOB_WORK, 0700) < 0)
        return -errno;
    CLEANUP(close_fd) int folder = openat(dir_fd, JOB_WORK, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return folder < 0 ? -errno : write_file(folder, name, content, 0700, worker);
}

// A script that cannot be run here is no error: its log says so.
static int add_script(const struct worker *worker, const json_t *spec, int dir_fd, json_t *root)
{
    const json_t *content = json_object_get(spec, "script");
    struct script script = {.wanted = text(spec, "runtime"),
                            .name = script_name(spec),
                            .text = str_n(json_string_value(content), json_string_length(content))};
    struct runtime_choice choice;
    CLEANUP(buf_release) struct buf reason = {0};
    json_t *argv = json_object_get(root, "argv");
    if (!runtime_choose(&worker->runtimes, &script, &choice, &reason)) {
        set(root, "refusal", buf_cstr(&reason));
        return 0;
    }
    set(root, "runtime_version", choice.version);
    if (choice.runtime) {
        json_array_append_new(argv, json_string(choice.runtime->path));
        json_array_append_new(argv, json_string(script.name));
    } else {
        CLEANUP(free_ptr) char *path = xasprintf("./%s", script.name);
        json_array_append_new(argv, json_string(path));
    }
    append_texts(argv, json_object_get(spec, "args"));
    return put_script(worker, dir_fd, script.name, script.text);
}

// In a container: with the interpreter that its image has under the usual name.
static int add_script_inside(const struct worker *worker, const json_t *spec, int dir_fd, json_t *root)
{
    const json_t *content = json_object_get(spec, "script");
    struct script script = {.wanted = text(spec, "runtime"),
                            .name = script_name(spec),
                            .text = str_n(json_string_value(content), json_string_length(content))};
    const char *program = runtime_program(&script);
    CLEANUP(free_ptr) char *path = xasprintf(JOB_INSIDE JOB_WORK "/%s", script.name);
    json_t *argv = json_object_get(root, "argv");
    if (!program) {
        set(root, "refusal",
            "what is to run its script within the image is not known: name a runtime such as python, "
            "begin it with #!, or give it the ending of one");
        return 0;
    }
    if (program[0])
        json_array_append_new(argv, json_string(program));
    json_array_append_new(argv, json_string(path));
    append_texts(argv, json_object_get(spec, "args"));
    return put_script(worker, dir_fd, script.name, script.text);
}

static int add_container(const struct worker *worker, const json_t *spec, int dir_fd, json_t *root)
{
    const struct worker_engine *engine = &worker->engine;
    bool has_script = json_is_string(json_object_get(spec, "script"));
    json_t *argv = json_object_get(root, "argv");
    json_object_set_new(root, "container",
                        json_pack("{s:s, s:s, s:s, s:s, s:b}", "image", text(spec, "image"), "socket",
                                  engine->sockets[engine->at], "user", engine->user, "folder", engine->folder,
                                  "program", has_script));
    if (has_script)
        return add_script_inside(worker, spec, dir_fd, root);
    append_texts(argv, json_object_get(spec, "command"));
    append_texts(argv, json_object_get(spec, "args"));
    return 0;
}

static int add_program(const struct worker *worker, const json_t *spec, int dir_fd, json_t *root)
{
    if (text(spec, "image"))
        return add_container(worker, spec, dir_fd, root);
    if (json_is_string(json_object_get(spec, "script")))
        return add_script(worker, spec, dir_fd, root);
    json_t *argv = json_object_get(root, "argv");
    append_texts(argv, json_object_get(spec, "command"));
    append_texts(argv, json_object_get(spec, "args"));
    if (json_array_size(argv) == 0)
        set(root, "refusal", "it says neither a command nor a script");
    return 0;
}

// --- Around it

static int add_stdin(const struct worker *worker, const json_t *spec, int dir_fd, json_t *root)
{
    const json_t *content = json_object_get(spec, "stdin");
    if (!json_is_string(content))
        return 0;
    set(root, "stdin", STDIN_FILE);
    return write_file(dir_fd, STDIN_FILE, str_n(json_string_value(content), json_string_length(content)), 0600, worker);
}

static void add_environment(const struct worker *worker, const json_t *spec, json_t *root)
{
    json_t *env = json_array();
    json_t *given = json_object_get(spec, "env");
    const char *name;
    json_t *value;
    // The first value of a name counts.
    json_object_foreach(given, name, value)
    {
        if (!json_is_string(value))
            continue;
        CLEANUP(free_ptr) char *variable = xasprintf("%s=%s", name, json_string_value(value));
        json_array_append_new(env, json_string(variable));
    }
    // A container has its image's instead of ours.
    for (char **variable = worker->environment; *variable && !text(spec, "image"); variable++) {
        CLEANUP(free_ptr) char *own = xstrndup(*variable, strcspn(*variable, "="));
        if (!json_object_get(given, own))
            json_array_append_new(env, json_string(*variable));
    }
    json_object_set_new(root, "env", env);
    json_object_set_new(root, "spec_env_count", json_integer((json_int_t)json_object_size(given)));
}

static void add_limits(const struct worker *worker, const json_t *spec, json_t *root)
{
    const json_t *memory = json_object_get(spec, "memory"), *cpus = json_object_get(spec, "cpus"),
                 *processes = json_object_get(spec, "processes");
    uint64_t spool_max = worker->options.spool_max ? worker->options.spool_max : RUNNER_SPOOL_MAX;
    json_t *limits = json_pack("{s:I}", "spool", (json_int_t)spool_max);
    if (json_is_integer(memory))
        json_object_set_new(limits, "memory", json_integer(json_integer_value(memory)));
    if (json_is_number(cpus))
        json_object_set_new(limits, "cpus_milli", json_integer((json_int_t)(json_number_value(cpus) * 1000)));
    if (json_is_integer(processes))
        json_object_set_new(limits, "processes", json_integer(json_integer_value(processes)));
    json_object_set_new(root, "limits", limits);
}

static void add_times(const struct worker *worker, const json_t *message, const json_t *spec, json_t *root)
{
    const json_t *timeout = json_object_get(spec, "timeout_seconds"), *grace = json_object_get(spec, "grace_seconds");
    if (json_is_number(timeout) && json_number_value(timeout) > 0)
        json_object_set_new(root, "timeout_ms",
                            json_integer((json_int_t)(MIN(json_number_value(timeout), TIMEOUT_MAX_S) * 1000)));
    if (json_is_number(grace) && json_number_value(grace) >= 0)
        json_object_set_new(root, "grace_ms",
                            json_integer((json_int_t)(MIN(json_number_value(grace), TIMEOUT_MAX_S) * 1000)));
    json_object_set_new(root, "retry_on_lost", json_boolean(json_is_true(json_object_get(message, "retry_on_lost"))));
    json_object_set_new(root, "lease_ms", json_integer((json_int_t)worker->lease_ms));
    struct life life;
    life_begin(&life, worker_link_proved_ms(worker->link));
    json_object_set_new(root, "alive_until_ms", json_integer((json_int_t)life_until_ms(&life, worker->lease_ms)));
}

static void add_user(const struct worker *worker, json_t *root)
{
    if (!worker->has_user)
        return;
    json_t *groups = json_array();
    for (size_t i = 0; i < worker->user.group_count; i++)
        json_array_append_new(groups, json_integer(worker->user.groups[i]));
    json_object_set_new(root, "user",
                        json_pack("{s:I, s:I, s:o}", "uid", (json_int_t)worker->user.uid, "gid",
                                  (json_int_t)worker->user.gid, "groups", groups));
}

static void add_confinement(const struct worker *worker, json_t *root)
{
    set(root, "cgroup_base", worker->cgroup_base);
    if (!worker->confines)
        return;
    json_t *hidden = json_array();
    json_array_append_new(hidden, json_string(worker->options.state_dir));
    for (size_t i = 0; i < worker->options.hidden_count; i++)
        json_array_append_new(hidden, json_string(worker->options.hidden[i]));
    json_object_set_new(root, "hidden", hidden);
}

// Relative to the folder that the job runs in, or absolute.
static void add_cwd(const json_t *spec, json_t *root)
{
    const char *cwd = text(spec, "cwd");
    if (!cwd)
        return;
    CLEANUP(free_ptr) char *path = cwd[0] == '/' ? xstrdup(cwd) : xasprintf(JOB_WORK "/%s", cwd);
    set(root, "cwd", path);
}

static json_t *describe(const struct worker *worker, const json_t *message)
{
    CLEANUP(free_ptr) char *producer = xasprintf("job-%016llx", (unsigned long long)random_u64());
    json_t *root = json_object();
    set(root, "execution_id", text(message, "execution_id"));
    set(root, "producer", producer);
    set(root, "url", worker->options.server.url);
    set(root, "incarnation", worker->incarnation);
    set(root, "batch_id", text(message, "batch_id"));
    set(root, "token", text(message, "token"));
    json_object_set(root, "epoch", json_object_get(message, "epoch"));
    json_object_set(root, "attempt", json_object_get(message, "attempt"));
    return root;
}

static int write_folder(struct worker *worker, const json_t *message, int dir_fd)
{
    const json_t *spec = json_object_get(message, "spec");
    json_t *root = describe(worker, message);
    add_environment(worker, spec, root);
    add_limits(worker, spec, root);
    add_times(worker, message, spec, root);
    add_user(worker, root);
    add_confinement(worker, root);
    add_cwd(spec, root);
    const char *result = text(spec, "result");
    json_object_set_new(root, "wants_result", json_boolean(result && strcmp(result, "json") == 0));
    json_object_set_new(root, "argv", json_array());
    const char *refusal = text(message, "refusal");
    set(root, "refusal", refusal);
    int err = refusal ? 0 : add_program(worker, spec, dir_fd, root);
    if (err == 0)
        err = add_stdin(worker, spec, dir_fd, root);
    if (err == 0)
        err = job_file_save(dir_fd, root); // the last file: a folder without it is not a job's
    json_decref(root);
    return err;
}

int worker_spec_write(struct worker *worker, const json_t *message, const char *dir)
{
    // Another user gets through this folder and sees only what belongs to it.
    if (mkdir(dir, worker->has_user ? 0711 : 0700) < 0)
        return errno == EEXIST ? ERR_CONFLICT : -errno;
    CLEANUP(close_fd) int dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int err = dir_fd < 0 ? -errno : write_folder(worker, message, dir_fd);
    if (err < 0)
        dir_remove_all(dir);
    return err;
}
