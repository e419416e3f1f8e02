#include "cli/download.h"

#include "client/content.h"
#include "model/artifact.h"
#include "util/beneath.h"
#include "util/file.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#define PART_PREFIX ".runnel-"
#define STALLS_MAX  3 // attempts in a row in which nothing came

int download_open(struct cli *cli, const char *folder, struct download *ret)
{
    int err = dir_make_all(folder, 0777);
    if (err < 0)
        return cli_usage_error(cli, "--download %s: %s", folder, error_text(err));
    ret->cli = cli;
    ret->folder = folder;
    ret->folder_fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return ret->folder_fd < 0 ? cli_usage_error(cli, "--download %s: %s", folder, strerror(errno)) : 0;
}

void download_close(struct download *download)
{
    close_fd(&download->folder_fd);
}

// One file on its way.
struct target {
    const char *name, *last; // last: its name within `parent`
    int parent;
    struct content content;
    char part[sizeof(PART_PREFIX) + CONTENT_HASH_LEN];
};

static void target_release(struct target *target)
{
    close_fd(&target->parent);
}

static int fail(const struct download *download, const struct target *target, int err, const char *reason)
{
    CLEANUP(buf_release) struct buf text = {0};
    buf_printf(&text, "%s/%s: %s", download->folder, target->name, reason ? reason : error_text(err));
    return cli_fail(download->cli, err, "%s", buf_cstr(&text));
}

// The server may be anybody's: a name that leads elsewhere is refused, whatever it says.
static int read_target(const struct download *download, const json_t *artifact, struct target *ret)
{
    const char *name = json_string_value(json_object_get(artifact, "name")),
               *hash = json_string_value(json_object_get(artifact, "sha256"));
    const json_t *size = json_object_get(artifact, "size");
    *ret = (struct target){.name = name, .parent = -1, .content.size = (uint64_t)json_integer_value(size)};
    if (!name || artifact_name_problem(str_n(name, json_string_length(json_object_get(artifact, "name")))) || !hash ||
        !content_hash_valid(str_of(hash)) || !json_is_integer(size) || json_integer_value(size) < 0)
        return cli_fail(download->cli, ERR_MALFORMED, "the server names an artifact that makes no sense");
    snprintf(ret->content.hash, sizeof(ret->content.hash), "%s", hash);
    snprintf(ret->part, sizeof(ret->part), PART_PREFIX "%s", hash);
    ret->parent = beneath_open_parent(download->folder_fd, name, 0777, &ret->last);
    if (ret->parent == -ELOOP || ret->parent == -ENOTDIR)
        return fail(download, ret, ERR_CONFLICT, "something that is no folder is in the way");
    return ret->parent < 0 ? fail(download, ret, ret->parent, NULL) : 0;
}

// Sets *ret_there if the same content lies there. Returns 0 if there is nothing, or it may be replaced.
static int look(const struct download *download, const struct target *target, bool *ret_there)
{
    struct stat info;
    struct content found;
    if (fstatat(target->parent, target->last, &info, AT_SYMLINK_NOFOLLOW) < 0)
        return errno == ENOENT ? 0 : fail(download, target, -errno, NULL);
    CLEANUP(close_fd)
    int fd = S_ISREG(info.st_mode) ? beneath_open(target->parent, target->last, O_RDONLY | O_NONBLOCK, 0) : -1;
    *ret_there = fd >= 0 && (uint64_t)info.st_size == target->content.size && content_of_file(fd, NULL, &found) == 0 &&
                 strcmp(found.hash, target->content.hash) == 0;
    if (*ret_there || (download->force && !S_ISDIR(info.st_mode)))
        return 0;
    return fail(download, target, ERR_CONFLICT,
                S_ISDIR(info.st_mode) ? "a folder is in the way"
                                      : "something else is there already; --force replaces it");
}

static int fetch(const struct download *download, const struct target *target, int fd)
{
    CLEANUP(buf_release) struct buf path = {0};
    CLEANUP(buf_release) struct buf text = {0};
    struct stat before = {0}, after;
    int err;
    buf_printf(&path, "/api/v1/executions/%s/artifacts/", download->execution_id);
    content_append_name(&path, target->name);
    for (unsigned stalls = 0; stalls < STALLS_MAX; before = after) {
        buf_reset(&text);
        err = content_fetch(download->client, buf_cstr(&path), fd, &target->content, &text);
        if (err == 0)
            return 0;
        bool again = content_may_retry(err) || err == ERR_CORRUPT;
        if (!again || fstat(fd, &after) < 0)
            break;
        stalls = after.st_size > before.st_size ? 0 : stalls + 1;
    }
    return fail(download, target, err, text.len > 0 ? buf_cstr(&text) : NULL);
}

static int put_in_place(const struct download *download, const struct target *target)
{
    unsigned flags = download->force ? 0 : RENAME_NOREPLACE;
    int failed = renameat2(target->parent, target->part, target->parent, target->last, flags);
    if (failed && (errno == EINVAL || errno == ENOSYS)) // a file system without it; it was looked at before
        failed = renameat(target->parent, target->part, target->parent, target->last);
    if (failed && errno == EEXIST)
        return fail(download, target, ERR_CONFLICT, "something else is there by now; --force replaces it");
    return failed ? fail(download, target, -errno, NULL) : 0;
}

int download_artifact(const struct download *download, const json_t *artifact, enum download_end *ret)
{
    CLEANUP(target_release) struct target target = {.parent = -1};
    struct stat info;
    bool there = false;
    int code = read_target(download, artifact, &target);
    if (code == 0)
        code = look(download, &target, &there);
    *ret = there ? DOWNLOAD_THERE : DOWNLOAD_DONE;
    if (code || there)
        return code;
    CLEANUP(close_fd) int fd = beneath_open(target.parent, target.part, O_RDWR | O_CREAT | O_NONBLOCK, 0666);
    if (fd < 0)
        return fail(download, &target, fd, NULL);
    if (fstat(fd, &info) < 0 || !S_ISREG(info.st_mode))
        return fail(download, &target, ERR_CONFLICT, "what is where it is to be kept meanwhile is no file");
    code = fetch(download, &target, fd);
    return code ? code : put_in_place(download, &target);
}
