// Makes the folder of a job from what the server asks for.
#include "runner/runner.h"
#include "util/beneath.h"
#include "util/file.h"
#include "util/id.h"
#include "worker/worker_private.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#define TIMEOUT_MAX_S 31536000.0
#define STDIN_FILE    "stdin"
#define SCRIPT_HEAD   4096

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
    if (mkdirat(dir_fd, JOB_WORK, 0700) < 0 && errno != EEXIST)
        return -errno;
    CLEANUP(close_fd) int folder = openat(dir_fd, JOB_WORK, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return folder < 0 ? -errno : write_file(folder, name, content, 0700, worker);
}

struct order_script {
    struct script script;
    bool is_inline; // it came with the order; else it is an input, and is there already
    char head[SCRIPT_HEAD];
};

// The beginning of a script that has travelled as an input: its first line says what runs it.
static void read_head(int dir_fd, const char *name, char *head, size_t size, size_t *ret_len)
{
    CLEANUP(free_ptr) char *path = xasprintf(JOB_WORK "/%s", name);
    CLEANUP(close_fd) int fd = beneath_open(dir_fd, path, O_RDONLY | O_NONBLOCK, 0);
    ssize_t got = fd < 0 ? 0 : pread(fd, head, size, 0);
    *ret_len = got > 0 ? (size_t)got : 0;
}

// In a folder of the worker's machine, the script is not where the job runs.
static void add_script_argument(const struct worker *worker, const json_t *spec, const json_t *root, const char *name,
                                bool as_program)
{
    CLEANUP(free_ptr) char *spools = realpath(worker->spools, NULL);
    const char *prefix = as_program ? "./" : "";
    CLEANUP(free_ptr)
    char *path = text(spec, "cwd") ? xasprintf("%s/%s/" JOB_WORK "/%s", spools ? spools : worker->spools,
                                               text(root, "execution_id"), name)
                                   : xasprintf("%s%s", prefix, name);
    json_array_append_new(json_object_get(root, "argv"), json_string(path));
}

// A script that cannot be run here is no error: its log says so.
static bool choose_program(const struct worker *worker, const json_t *spec, json_t *root, const struct script *script)
{
    struct runtime_choice choice;
    CLEANUP(buf_release) struct buf reason = {0};
    json_t *argv = json_object_get(root, "argv");
    if (!runtime_choose(&worker->runtimes, script, &choice, &reason)) {
        set(root, "refusal", buf_cstr(&reason));
        return false;
    }
    set(root, "runtime_version", choice.version);
    if (choice.runtime)
        json_array_append_new(argv, json_string(choice.runtime->path));
    add_script_argument(worker, spec, root, script->name, !choice.runtime);
    append_texts(argv, json_object_get(spec, "args"));
    return true;
}

static int add_script(const struct worker *worker, const json_t *spec, int dir_fd, json_t *root,
                      const struct order_script *order)
{
    const struct script *script = &order->script;
    bool chosen = choose_program(worker, spec, root, script);
    return chosen && order->is_inline ? put_script(worker, dir_fd, script->name, script->text) : 0;
}

static bool is_input(const json_t *spec, const char *name)
{
    const json_t *inputs = json_object_get(spec, "inputs");
    for (size_t i = 0; i < json_array_size(inputs) && name; i++) {
        const char *input = text(json_array_get(inputs, i), "name");
        if (input && strcmp(input, name) == 0)
            return true;
    }
    return false;
}

// Returns false if there is none: a command is to be run.
static bool find_script(const json_t *spec, int dir_fd, struct order_script *ret)
{
    const json_t *content = json_object_get(spec, "script");
    ret->script.wanted = text(spec, "runtime");
    ret->is_inline = json_is_string(content);
    if (ret->is_inline) {
        ret->script.name = script_name(spec);
        ret->script.text = str_n(json_string_value(content), json_string_length(content));
        return true;
    }
    ret->script.name = text(spec, "script_filename");
    if (json_array_size(json_object_get(spec, "command")) > 0 || !is_input(spec, ret->script.name))
        return false;
    ret->script.text.data = ret->head;
    read_head(dir_fd, ret->script.name, ret->head, sizeof(ret->head), &ret->script.text.len);
    return true;
}

// In a container: with the interpreter that its image has under the usual name.
static int add_script_inside(const struct worker *worker, const json_t *spec, int dir_fd, json_t *root,
                             const struct order_script *order)
{
    const struct script *script = &order->script;
    const char *program = runtime_program(script);
    CLEANUP(free_ptr) char *path = xasprintf(JOB_INSIDE JOB_WORK "/%s", script->name);
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
    return order->is_inline ? put_script(worker, dir_fd, script->name, script->text) : 0;
}

static int add_container(const struct worker *worker, const json_t *spec, int dir_fd, json_t *root)
{
    const struct worker_engine *engine = &worker->engine;
    struct order_script order;
    bool has_script = find_script(spec, dir_fd, &order);
    json_t *argv = json_object_get(root, "argv");
    json_t *container =
        json_pack("{s:s, s:s, s:s, s:s, s:s, s:b}", "image", text(spec, "image"), "socket", engine->sockets[engine->at],
                  "user", engine->user, "folder", engine->folder, "worker", worker->instance, "program", has_script);
    set(container, "registry_auth", worker->options.registry_auth);
    json_object_set_new(root, "container", container);
    if (has_script)
        return add_script_inside(worker, spec, dir_fd, root, &order);
    append_texts(argv, json_object_get(spec, "command"));
    append_texts(argv, json_object_get(spec, "args"));
    return 0;
}

static int add_program(const struct worker *worker, const json_t *spec, int dir_fd, json_t *root)
{
    struct order_script order;
    if (text(spec, "image"))
        return add_container(worker, spec, dir_fd, root);
    if (find_script(spec, dir_fd, &order))
        return add_script(worker, spec, dir_fd, root, &order);
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

void worker_hidden(const struct worker *worker, const char *ret[CONFINE_PATHS_MAX])
{
    size_t count = 0;
    ret[count++] = worker->options.state_dir;
    if (geteuid() == 0 && !worker->options.job_user)
        ret[count++] = "/dev"; // it may read disks, and so what lies on them
    memcpy(ret + count, worker->options.hidden, worker->options.hidden_count * sizeof(*ret));
}

// `kept`: one that its runner has; or NULL.
static void add_cgroup(const struct worker *worker, const char *kept, json_t *root)
{
    const char *producer = text(root, "producer");
    CLEANUP(free_ptr)
    char *own = worker->cgroup_base ? xasprintf("%s/runnel-%s", worker->cgroup_base, producer) : NULL;
    set(root, "cgroup", kept ? kept : own);
}

static void add_confinement(const struct worker *worker, json_t *root)
{
    if (!worker->confines)
        return;
    const char *paths[CONFINE_PATHS_MAX] = {0};
    json_t *hidden = json_array();
    worker_hidden(worker, paths);
    for (size_t i = 0; paths[i]; i++)
        json_array_append_new(hidden, json_string(paths[i]));
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
    const char *given = text(message, "producer"); // of ours, with which it was held while its inputs came
    json_t *root = json_object();
    set(root, "execution_id", text(message, "execution_id"));
    set(root, "producer", given ? given : producer);
    set(root, "url", worker->options.server.url);
    set(root, "incarnation", worker->incarnation);
    set(root, "boot", worker->boot);
    json_object_set_new(root, "stays", json_true());
    set(root, "batch_id", text(message, "batch_id"));
    set(root, "token", text(message, "token"));
    json_object_set(root, "epoch", json_object_get(message, "epoch"));
    json_object_set(root, "attempt", json_object_get(message, "attempt"));
    return root;
}

static int write_program(struct worker *worker, const json_t *message, int dir_fd, json_t *root, const char *refusal)
{
    const json_t *spec = json_object_get(message, "spec");
    json_object_set_new(root, "argv", json_array());
    if (refusal) {
        set(root, "refusal", refusal);
        return 0;
    }
    int err = add_program(worker, spec, dir_fd, root);
    return err < 0 ? err : add_stdin(worker, spec, dir_fd, root);
}

static json_t *make(struct worker *worker, const json_t *message, const struct worker_refusal *refusal,
                    const char *cgroup)
{
    const json_t *spec = json_object_get(message, "spec");
    json_t *root = describe(worker, message);
    add_environment(worker, spec, root);
    add_limits(worker, spec, root);
    add_times(worker, message, spec, root);
    add_user(worker, root);
    add_cgroup(worker, cgroup, root);
    add_confinement(worker, root);
    add_cwd(spec, root);
    const char *result = text(spec, "result");
    json_object_set_new(root, "wants_result", json_boolean(result && strcmp(result, "json") == 0));
    if (refusal)
        set(root, "refusal_status", refusal->status);
    return root;
}

static int save(struct worker *worker, const json_t *message, int dir_fd, json_t *root, const char *refusal)
{
    int err = write_program(worker, message, dir_fd, root, refusal ? refusal : text(message, "refusal"));
    return err < 0 ? err : job_file_save(dir_fd, root); // the last file: a folder without it is not a job's
}

int worker_spec_finish(struct worker *worker, const json_t *message, int dir_fd, const struct worker_refusal *refusal)
{
    json_t *root = make(worker, message, refusal, NULL);
    int err = save(worker, message, dir_fd, root, refusal ? refusal->reason : NULL);
    json_decref(root);
    return err;
}

// In the folder of a job that takes nothing further.
static int begin(struct worker *worker, const json_t *message, int dir_fd, const char *cgroup, struct run_file *ret_run)
{
    json_t *root = make(worker, message, NULL, cgroup);
    int err = save(worker, message, dir_fd, root, NULL);
    if (err == 0)
        err = run_file_of_job(root, ret_run);
    json_decref(root);
    return err;
}

const char *worker_no_folder(int err)
{
    return err == ERR_CONFLICT ? "a folder of its name is in the way" : error_text(err);
}

int worker_spec_folder(const struct worker *worker, const char *dir)
{
    // Another user gets through this folder and sees only what belongs to it.
    if (mkdir(dir, worker->has_user ? 0711 : 0700) < 0)
        return errno == EEXIST ? ERR_CONFLICT : -errno;
    return 0;
}

int worker_spec_write(struct worker *worker, const json_t *message, const char *dir, struct run_file *ret_run)
{
    int err = worker_spec_folder(worker, dir);
    if (err < 0)
        return err;
    CLEANUP(close_fd) int dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    err = dir_fd < 0 ? -errno : begin(worker, message, dir_fd, NULL, ret_run);
    if (err < 0)
        dir_remove_all(dir);
    return err;
}

int worker_spec_reuse(struct worker *worker, const json_t *message, const struct worker_reuse *reuse, const char *dir,
                      struct run_file *ret_run)
{
    CLEANUP(close_fd) int dir_fd = open(reuse->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int err = dir_fd < 0 ? -errno : begin(worker, message, dir_fd, reuse->cgroup, ret_run);
    if (err == 0 && renameat2(AT_FDCWD, reuse->folder, AT_FDCWD, dir, RENAME_NOREPLACE) < 0)
        err = errno == EEXIST ? ERR_CONFLICT : -errno;
    return err;
}
