#include "runner/job_file.h"

#include "model/record.h"
#include "runner/runner.h"
#include "util/file.h"
#include "util/id.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

void job_file_release(struct job_file *file)
{
    free(file->argv);
    free(file->env);
    json_decref(file->root);
    *file = (struct job_file){0};
}

static const char *text(const json_t *root, const char *name)
{
    return json_string_value(json_object_get(root, name));
}

static uint64_t number(const json_t *root, const char *name, uint64_t otherwise)
{
    const json_t *value = json_object_get(root, name);
    return json_is_integer(value) && json_integer_value(value) >= 0 ? (uint64_t)json_integer_value(value) : otherwise;
}

// A NULL-terminated array of the strings of an array; NULL if it is none.
static char **texts(const json_t *array)
{
    size_t count = json_array_size(array);
    if (!json_is_array(array) || count > JOB_ARGUMENTS_MAX)
        return NULL;
    char **all = xcalloc(count + 1, sizeof(*all));
    for (size_t i = 0; i < count; i++) {
        const char *one = json_string_value(json_array_get(array, i));
        if (!one) {
            free(all);
            return NULL;
        }
        all[i] = (char *)(uintptr_t)one;
    }
    return all;
}

// False if there is one that makes no sense.
static bool read_user(const json_t *user, struct job_file *ret)
{
    const json_t *groups = json_object_get(user, "groups");
    if (!user || json_is_null(user))
        return true;
    ret->has_user = true;
    ret->user.uid = (uid_t)number(user, "uid", UINT32_MAX);
    ret->user.gid = (gid_t)number(user, "gid", UINT32_MAX);
    ret->user.group_count = json_array_size(groups);
    if (ret->user.uid == UINT32_MAX || ret->user.gid == UINT32_MAX || ret->user.group_count > LAUNCH_GROUPS_MAX)
        return false;
    for (size_t i = 0; i < ret->user.group_count; i++)
        ret->user.groups[i] = (gid_t)json_integer_value(json_array_get(groups, i));
    return true;
}

static bool read_hidden(const json_t *hidden, struct job_file *ret)
{
    ret->confined = json_is_array(hidden);
    if (json_array_size(hidden) > CONFINE_PATHS_MAX)
        return false;
    for (size_t i = 0; i < json_array_size(hidden); i++)
        ret->hidden[i] = json_string_value(json_array_get(hidden, i));
    return true;
}

static void read_limits(const json_t *root, struct job_file *ret)
{
    const json_t *limits = json_object_get(root, "limits");
    ret->memory_max = number(limits, "memory", 0);
    ret->processes_max = number(limits, "processes", 0);
    ret->cpus_milli = (uint32_t)MIN(number(limits, "cpus_milli", 0), (uint64_t)UINT32_MAX);
    ret->spool_max = number(limits, "spool", RUNNER_SPOOL_MAX);
    ret->message_max = (size_t)number(limits, "message", RECORD_MESSAGE_MAX);
}

static void read_container(const json_t *container, struct job_file *ret)
{
    ret->image = text(container, "image");
    ret->container_socket = text(container, "socket");
    ret->container_user = text(container, "user");
    ret->container_folder = text(container, "folder");
    ret->container_worker = text(container, "worker");
    ret->registry_auth = text(container, "registry_auth");
    ret->container_program = json_is_true(json_object_get(container, "program"));
}

static bool container_whole(const struct job_file *file)
{
    return !file->image || (file->container_socket && file->container_user && file->container_folder);
}

int job_file_parse(json_t *root, struct job_file *ret)
{
    CLEANUP(job_file_release) struct job_file file = {.root = root};
    file.execution_id = text(root, "execution_id");
    file.producer = text(root, "producer");
    file.url = text(root, "url");
    file.incarnation = text(root, "incarnation");
    file.batch_id = text(root, "batch_id");
    file.token = text(root, "token");
    file.runtime_version = text(root, "runtime_version");
    file.cwd = text(root, "cwd");
    file.stdin_path = text(root, "stdin");
    file.cgroup = text(root, "cgroup");
    file.boot = text(root, "boot");
    file.refusal = text(root, "refusal");
    file.refusal_status = text(root, "refusal_status");
    file.epoch = number(root, "epoch", 0);
    file.attempt = number(root, "attempt", 1);
    file.timeout_ms = number(root, "timeout_ms", 0);
    file.grace_ms = number(root, "grace_ms", JOB_GRACE_MS);
    file.lease_ms = number(root, "lease_ms", 0);
    file.alive_until_ms = number(root, "alive_until_ms", 0);
    file.retry_on_lost = json_is_true(json_object_get(root, "retry_on_lost"));
    file.stays = json_is_true(json_object_get(root, "stays"));
    file.wants_result = json_is_true(json_object_get(root, "wants_result"));
    file.spec_env_count = (size_t)number(root, "spec_env_count", 0);
    file.argv = texts(json_object_get(root, "argv"));
    file.env = texts(json_object_get(root, "env"));
    read_limits(root, &file);
    read_container(json_object_get(root, "container"), &file);
    bool whole = file.execution_id && id_execution_valid(str_of(file.execution_id)) && file.producer && file.url &&
                 file.incarnation && file.argv && file.env && container_whole(&file) &&
                 (file.argv[0] || file.image || file.refusal) && file.message_max >= 4;
    if (!whole || !read_user(json_object_get(root, "user"), &file) ||
        !read_hidden(json_object_get(root, "hidden"), &file))
        return ERR_CORRUPT;
    *ret = file;
    file = (struct job_file){0};
    return 0;
}

int job_file_load(int dir_fd, struct job_file *ret)
{
    CLEANUP(buf_release) struct buf content = {0};
    char path[64];
    snprintf(path, sizeof(path), "/proc/self/fd/%d/" JOB_FILE, dir_fd);
    int err = file_read_all(path, JOB_FILE_MAX, &content);
    if (err < 0)
        return err == -ENOENT ? ERR_NOT_FOUND : err;
    return job_file_parse(json_loadb(content.data ? content.data : "", content.len, JSON_DISABLE_EOF_CHECK, NULL), ret);
}

static int append(const char *data, size_t len, void *arg)
{
    buf_append(arg, data, len);
    return 0;
}

int job_file_save(int dir_fd, const json_t *root)
{
    CLEANUP(buf_release) struct buf content = {0};
    CLEANUP(close_fd) int fd = openat(dir_fd, JOB_FILE, O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
    struct stat info;
    if (fd < 0 || fstat(fd, &info) < 0)
        return -errno;
    json_dump_callback(root, append, &content, JSON_COMPACT);
    buf_append_byte(&content, '\n');
    int err = file_write_full(fd, content.data, content.len);
    // Only then: some file systems write what is in a file that was emptied to the disk at once.
    return err == 0 && (size_t)info.st_size > content.len && ftruncate(fd, (off_t)content.len) < 0 ? -errno : err;
}
