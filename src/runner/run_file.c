#include "runner/run_file.h"

#include "util/file.h"
#include "util/id.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#define RUN_FILE         "run.json"
#define RUN_FILE_MAX     (4u * 1024 * 1024)
#define RUN_FILE_JOB_MAX (RUN_FILE_MAX + 16u * 1024 * 1024)
#define RUN_VERSION      1

void run_file_release(struct run_file *run)
{
    free(run->execution_id);
    free(run->url);
    free(run->producer);
    free(run->script_filename);
    free(run->command_json);
    free(run->metadata_json);
    free(run->details_json);
    free(run->cgroup);
    *run = (struct run_file){0};
}

static void append_string(struct buf *out, const char *name, const char *value)
{
    buf_printf(out, ",\"%s\":", name);
    if (value)
        buf_append_json_string(out, str_of(value));
    else
        buf_append_text(out, "null");
}

static void append_json(struct buf *out, const char *name, const char *json)
{
    buf_printf(out, ",\"%s\":%s", name, json ? json : "null");
}

void run_file_append_json(struct buf *out, const struct run_file *run)
{
    buf_printf(out, "{\"version\":%d", RUN_VERSION);
    append_string(out, "execution_id", run->execution_id);
    append_string(out, "url", run->url);
    append_string(out, "producer", run->producer);
    append_string(out, "script_filename", run->script_filename);
    append_json(out, "command", run->command_json);
    append_json(out, "metadata", run->metadata_json);
    buf_printf(out, ",\"epoch\":%llu", (unsigned long long)run->epoch);
    append_string(out, "incarnation", run->incarnation);
    append_string(out, "boot", run->boot);
    buf_printf(out, ",\"registered\":%s,\"existed\":%s,\"ended\":%s", run->registered ? "true" : "false",
               run->existed ? "true" : "false", run->ended ? "true" : "false");
    if (run->started_ms)
        buf_printf(out, ",\"started_ms\":%lld", (long long)run->started_ms);
    if (run->ended_ms)
        buf_printf(out, ",\"ended_ms\":%lld", (long long)run->ended_ms);
    if (run->ended)
        buf_printf(out, ",\"records\":%llu", (unsigned long long)run->records);
    if (run->has_exit_code)
        buf_printf(out, ",\"exit_code\":%d", run->exit_code);
    if (run->status[0])
        append_string(out, "status", run->status);
    if (run->details_json)
        append_json(out, "details", run->details_json);
    if (run->cgroup)
        append_string(out, "cgroup", run->cgroup);
    buf_append_text(out, "}\n");
}

static int save_unsynced(const char *path, const struct buf *content)
{
    CLEANUP(free_ptr) char *temporary = xasprintf("%s.%016llx.tmp", path, (unsigned long long)random_u64());
    CLEANUP(close_fd) int fd = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0)
        return -errno;
    int err = file_write_full(fd, content->data, content->len);
    if (err == 0 && rename(temporary, path) < 0)
        err = -errno;
    if (err < 0)
        unlink(temporary);
    return err;
}

int run_file_save(const struct run_file *run, const char *dir, bool sync)
{
    CLEANUP(free_ptr) char *path = xasprintf("%s/" RUN_FILE, dir);
    CLEANUP(buf_release) struct buf content = {0};
    run_file_append_json(&content, run);
    return sync ? file_write_atomic(path, content.data, content.len, 0600) : save_unsynced(path, &content);
}

int run_file_append(const struct run_file *run, int dir_fd)
{
    CLEANUP(buf_release) struct buf content = {0};
    CLEANUP(close_fd) int fd = openat(dir_fd, RUN_FILE_JOB, O_WRONLY | O_APPEND | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    run_file_append_json(&content, run);
    return file_write_full(fd, content.data, content.len);
}

static int open_saved(const char *dir)
{
    CLEANUP(free_ptr) char *path = xasprintf("%s/" RUN_FILE, dir);
    CLEANUP(free_ptr) char *job = xasprintf("%s/" RUN_FILE_JOB, dir);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    return fd < 0 && errno == ENOENT ? open(job, O_RDONLY | O_CLOEXEC) : fd;
}

int run_file_sync(const char *dir)
{
    CLEANUP(close_fd) int fd = open_saved(dir);
    if (fd < 0 || fsync(fd) < 0)
        return -errno;
    int err = dir_sync(dir);
    // STATE/spool/ID may be new at each level, and a folder is durable only when the folder above it is synced. Folders
    // further up may belong to somebody else, who need not let us open them.
    static const char *const above[] = {"..", "../..", "../../.."};
    for (size_t i = 0; i < ARRAY_LEN(above) && err == 0; i++) {
        CLEANUP(free_ptr) char *folder = xasprintf("%s/%s", dir, above[i]);
        err = dir_sync(folder);
        if (err == -EACCES)
            err = 0;
    }
    return err;
}

void run_file_boot(char ret_boot[40])
{
    CLEANUP(buf_release) struct buf content = {0};
    ret_boot[0] = 0;
    if (file_read_all("/proc/sys/kernel/random/boot_id", 256, &content) == 0)
        snprintf(ret_boot, 40, "%.*s", STR_ARGS(str_trim(buf_str(&content))));
}

static char *dup_member(const json_t *root, const char *name)
{
    const char *text = json_string_value(json_object_get(root, name));
    return text ? xstrdup(text) : NULL;
}

static char *dump_member(const json_t *root, const char *name)
{
    const json_t *value = json_object_get(root, name);
    char *dumped = value && !json_is_null(value) ? json_dumps(value, JSON_COMPACT) : NULL;
    char *owned = dumped ? xstrdup(dumped) : NULL;
    free(dumped);
    return owned;
}

static void copy_member(const json_t *root, const char *name, char *out, size_t size)
{
    const char *text = json_string_value(json_object_get(root, name));
    snprintf(out, size, "%s", text ? text : "");
}

static void parse(const json_t *root, struct run_file *ret)
{
    const json_t *exit_code = json_object_get(root, "exit_code");
    ret->execution_id = dup_member(root, "execution_id");
    ret->url = dup_member(root, "url");
    ret->producer = dup_member(root, "producer");
    ret->script_filename = dup_member(root, "script_filename");
    ret->command_json = dump_member(root, "command");
    ret->metadata_json = dump_member(root, "metadata");
    ret->details_json = dump_member(root, "details");
    ret->cgroup = dup_member(root, "cgroup");
    ret->epoch = (uint64_t)json_integer_value(json_object_get(root, "epoch"));
    ret->registered = json_is_true(json_object_get(root, "registered"));
    ret->existed = json_is_true(json_object_get(root, "existed"));
    ret->ended = json_is_true(json_object_get(root, "ended"));
    ret->started_ms = json_integer_value(json_object_get(root, "started_ms"));
    ret->ended_ms = json_integer_value(json_object_get(root, "ended_ms"));
    ret->records = (uint64_t)json_integer_value(json_object_get(root, "records"));
    ret->has_exit_code = json_is_integer(exit_code);
    ret->exit_code = (int)json_integer_value(exit_code);
    copy_member(root, "boot", ret->boot, sizeof(ret->boot));
    copy_member(root, "incarnation", ret->incarnation, sizeof(ret->incarnation));
    copy_member(root, "status", ret->status, sizeof(ret->status));
}

static bool is_whole(const struct run_file *run)
{
    return run->execution_id && id_execution_valid(str_of(run->execution_id)) && run->url && run->producer;
}

static int take_begun(const json_t *root, struct run_file *ret)
{
    parse(root, ret);
    ret->registered = ret->existed = true;
    ret->ended = false;
    return is_whole(ret) ? 0 : ERR_CORRUPT;
}

int run_file_of_job(const json_t *root, struct run_file *ret)
{
    CLEANUP(run_file_release) struct run_file run = {0};
    int err = take_begun(root, &run);
    if (err < 0)
        return err;
    *ret = run;
    run = (struct run_file){0};
    return 0;
}

static int parse_begun(struct str line, struct run_file *ret)
{
    json_t *root = json_loadb(line.len > 0 ? line.data : "", line.len, 0, NULL);
    int err = take_begun(root, ret);
    json_decref(root);
    return err;
}

static int parse_run(struct str text, struct run_file *ret)
{
    json_t *root = json_loadb(text.len > 0 ? text.data : "", text.len, 0, NULL);
    bool too_new = json_integer_value(json_object_get(root, "version")) > RUN_VERSION;
    parse(root, ret);
    json_decref(root);
    if (too_new) // saved by this program it would lose what it has besides
        return ERR_TOO_NEW;
    return is_whole(ret) ? 0 : ERR_CORRUPT;
}

static int load_of_job(const char *dir, struct run_file *ret)
{
    CLEANUP(free_ptr) char *path = xasprintf("%s/" RUN_FILE_JOB, dir);
    CLEANUP(buf_release) struct buf content = {0};
    int err = file_read_all(path, RUN_FILE_JOB_MAX, &content);
    if (err < 0)
        return err == -ENOENT || err == -ENOTDIR ? ERR_NOT_FOUND : err;
    struct str rest = buf_str(&content), job = str_split(&rest, '\n');
    // A runner that was killed while it wrote its line has left it without an end.
    bool ended = rest.len > 0 && rest.data[rest.len - 1] == '\n';
    return ended ? parse_run(rest, ret) : parse_begun(job, ret);
}

int run_file_load(const char *dir, struct run_file *ret)
{
    CLEANUP(free_ptr) char *path = xasprintf("%s/" RUN_FILE, dir);
    CLEANUP(buf_release) struct buf content = {0};
    CLEANUP(run_file_release) struct run_file run = {0};
    int err = file_read_all(path, RUN_FILE_MAX, &content);
    if (err == -ENOENT || err == -ENOTDIR)
        err = load_of_job(dir, &run);
    else if (err == 0)
        err = parse_run(buf_str(&content), &run);
    if (err < 0)
        return err;
    *ret = run;
    run = (struct run_file){0};
    return 0;
}
