// What a worker offers. It is found out once, at the start.
#include "runner/process/cgroup.h"
#include "util/clock.h"
#include "util/file.h"
#include "util/id.h"
#include "util/machine.h"
#include "worker/worker_private.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <sys/statvfs.h>
#include <unistd.h>

#define ID_FILE       "worker.id"
#define INSTANCE_FILE "worker.instance"
#define GROUP_LEFT_MS UINT64_C(3600000)             // an empty group that is so old is nobody's
#define DISK_FREE_MIN ((uint64_t)512 * 1024 * 1024) // with less, it takes no jobs
#define DEFAULT_PATH  "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// Of our own environment, a job gets only these: the rest may hold credentials.
static const char *const passed_on[] = {"PATH", "HOME", "USER", "LOGNAME", "SHELL", "LANG", "LANGUAGE", "TZ", "TMPDIR"};

static bool is_passed_on(const char *variable)
{
    size_t len = strcspn(variable, "=");
    if (strncmp(variable, "LC_", 3) == 0)
        return true;
    for (size_t i = 0; i < ARRAY_LEN(passed_on); i++) {
        if (strlen(passed_on[i]) == len && strncmp(variable, passed_on[i], len) == 0)
            return true;
    }
    return false;
}

static void add(char ***all, size_t *count, char *variable)
{
    *all = xrealloc(*all, (*count + 2) * sizeof(**all));
    (*all)[(*count)++] = variable;
    (*all)[*count] = NULL;
}

static void make_environment(struct worker *worker, const struct passwd *user)
{
    size_t count = 0;
    if (user) { // their own values
        add(&worker->environment, &count, xasprintf("HOME=%s", user->pw_dir));
        add(&worker->environment, &count, xasprintf("USER=%s", user->pw_name));
        add(&worker->environment, &count, xasprintf("LOGNAME=%s", user->pw_name));
        add(&worker->environment, &count, xasprintf("SHELL=%s", user->pw_shell));
    }
    for (char *const *variable = environ; *variable; variable++) {
        bool theirs = user && (strncmp(*variable, "HOME=", 5) == 0 || strncmp(*variable, "USER=", 5) == 0 ||
                               strncmp(*variable, "LOGNAME=", 8) == 0 || strncmp(*variable, "SHELL=", 6) == 0);
        if (is_passed_on(*variable) && !theirs)
            add(&worker->environment, &count, xstrdup(*variable));
    }
    if (!getenv("PATH"))
        add(&worker->environment, &count, xstrdup("PATH=" DEFAULT_PATH));
}

static int find_user(struct worker *worker)
{
    const char *name = worker->options.job_user;
    if (!name || geteuid() != 0) {
        make_environment(worker, NULL);
        return 0;
    }
    const struct passwd *user = getpwnam(name);
    int groups = LAUNCH_GROUPS_MAX;
    if (!user)
        return ERR_INVALID;
    worker->has_user = true;
    worker->user.uid = user->pw_uid;
    worker->user.gid = user->pw_gid;
    if (getgrouplist(name, user->pw_gid, worker->user.groups, &groups) < 0)
        groups = LAUNCH_GROUPS_MAX;
    worker->user.group_count = (size_t)groups;
    make_environment(worker, user);
    return 0;
}

// An identifier that lasts as long as the folder, in a file of it.
static int keep_id(const struct worker *worker, const char *file, const char *prefix, char out[WORKER_ID_MAX + 1])
{
    CLEANUP(free_ptr) char *path = xasprintf("%s/%s", worker->options.state_dir, file);
    CLEANUP(buf_release) struct buf text = {0};
    if (file_read_all(path, WORKER_ID_MAX, &text) == 0 && id_execution_valid(str_trim(buf_str(&text)))) {
        snprintf(out, WORKER_ID_MAX + 1, "%.*s", STR_ARGS(str_trim(buf_str(&text))));
        return 0;
    }
    char made[ID_SORTABLE_LEN + 1];
    id_sortable(clock_real_ms(), made);
    snprintf(out, WORKER_ID_MAX + 1, "%s%s", prefix, made);
    return file_write_atomic(path, out, strlen(out), 0600);
}

// Its id may be given to it, and by mistake to another machine, too. The instance tells the two apart.
static int find_id(struct worker *worker)
{
    int err = keep_id(worker, INSTANCE_FILE, "", worker->instance);
    if (err < 0 || !worker->options.name)
        return err < 0 ? err : keep_id(worker, ID_FILE, "worker_", worker->id);
    snprintf(worker->id, sizeof(worker->id), "%s", worker->options.name);
    return 0;
}

int worker_find_offer(struct worker *worker)
{
    const char *path = getenv("PATH");
    int err = find_id(worker);
    if (err == 0)
        err = find_user(worker);
    if (err < 0)
        return err;
    long processors = sysconf(_SC_NPROCESSORS_ONLN);
    worker->slots = worker->options.slots > 0 ? worker->options.slots : (unsigned)MAX(processors, 1L);
    worker->confines = confine_available();
    run_file_boot(worker->boot);
    if (cgroup_base("/proc/self", &worker->cgroup_base) < 0)
        worker->cgroup_base = NULL;
    else
        cgroup_sweep(worker->cgroup_base, "runnel-job-", GROUP_LEFT_MS);
    runtimes_find(path ? path : DEFAULT_PATH, &worker->runtimes);
    return 0;
}

void worker_release_offer(struct worker *worker)
{
    for (char **variable = worker->environment; variable && *variable; variable++)
        free(*variable);
    free(worker->environment);
    free(worker->cgroup_base);
    runtimes_release(&worker->runtimes);
}

bool worker_has_room(const struct worker *worker)
{
    struct statvfs info;
    return statvfs(worker->spools, &info) < 0 || (uint64_t)info.f_bavail * info.f_frsize >= DISK_FREE_MIN;
}

uint32_t worker_slots_free(const struct worker *worker)
{
    bool takes = !worker->draining && !worker->drained && worker_has_room(worker);
    return takes && worker->jobs.count < worker->slots ? (uint32_t)(worker->slots - worker->jobs.count) : 0;
}

static void add_held(struct map_node *node, void *arg)
{
    const struct worker_job *job = CONTAINER_OF(node, struct worker_job, node);
    struct json_writer *json = arg;
    if (job->state == JOB_KEPT || job->epoch == 0)
        return;
    json_open_object(json, NULL);
    json_add_text(json, "execution_id", job->id);
    json_add_u64(json, "epoch", job->epoch);
    json_close(json);
}

// The server's data folder holds an operator's key. A job that could read it must belong to somebody who has such a
// key.
static bool takes_trusted_only(const struct worker *worker)
{
    return worker->options.embedded && !worker->options.unconfined && !worker->confines && !worker->has_user;
}

void worker_hello_offer(struct worker *worker, struct json_writer *json)
{
    char host[256] = "";
    if (gethostname(host, sizeof(host) - 1) < 0)
        host[0] = 0;
    json_add_text(json, "worker_id", worker->id);
    json_add_text(json, "instance", worker->instance);
    json_add_text(json, "hostname", host);
    json_add_text(json, "version", RUNNEL_VERSION);
    json_add_u64(json, "slots", worker->draining ? 0 : worker->slots);
    json_add_u64(json, "cpus", (uint64_t)MAX(sysconf(_SC_NPROCESSORS_ONLN), 1L) * 1000);
    json_add_u64(json, "memory", machine_memory(""));
    json_open_array(json, "labels");
    for (size_t i = 0; i < worker->options.label_count; i++)
        json_add_text(json, NULL, worker->options.labels[i]);
    json_close(json);
    json_open_array(json, "executors");
    json_add_text(json, NULL, "process");
    if (worker->engine.available)
        json_add_text(json, NULL, "container");
    json_close(json);
    json_open_array(json, "runtimes");
    for (size_t i = 0; i < worker->runtimes.count; i++)
        json_add_text(json, NULL, worker->runtimes.all[i].name);
    json_close(json);
    json_add_time(json, "clock", clock_real_ms());
    json_add_bool(json, "trusted_only", takes_trusted_only(worker));
    json_add_bool(json, "drained", worker->drained);
    json_open_array(json, "held");
    map_each(&worker->jobs, add_held, json);
    json_close(json);
}
