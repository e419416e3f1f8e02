#include "cli/run_inputs.h"

#include "client/content.h"
#include "model/artifact.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#define DEPTH_MAX  64
#define STALLS_MAX 3 // attempts in a row in which nothing was sent

// --- Which

char *inputs_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    while (strncmp(path, "./", 2) == 0)
        path += 2 + strspn(path + 2, "/");
    return xstrdup(artifact_name_problem(str_of(path)) && slash ? slash + 1 : path);
}

static bool is_there(const json_t *inputs, const char *name)
{
    for (size_t i = 0; i < json_array_size(inputs); i++) {
        if (strcmp(json_string_value(json_object_get(json_array_get(inputs, i), "name")), name) == 0)
            return true;
    }
    return false;
}

int inputs_add_as(struct cli *cli, json_t *inputs, const char *path, const char *name)
{
    const char *problem = artifact_name_problem(str_of(name));
    if (!utf8_valid(path, strlen(path)))
        return cli_usage_error(cli, "\"%s\" is not UTF-8", path);
    if (problem)
        return cli_usage_error(cli, "%s: the name of an input %s", path, problem);
    if (is_there(inputs, name))
        return cli_usage_error(cli, "%s: another input would be called \"%s\", too", path, name);
    if (json_array_size(inputs) == INPUTS_MAX)
        return cli_usage_error(cli, "a job may have %d inputs; put them into an archive", INPUTS_MAX);
    json_array_append_new(inputs, json_pack("{s:s, s:s}", "name", name, "path", path));
    return 0;
}

static int is_entry(const struct dirent *entry)
{
    return strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0;
}

static int add_folder(struct cli *cli, json_t *inputs, const char *path, const char *name, unsigned depth);

static int add_named(struct cli *cli, json_t *inputs, const char *path, const char *name, unsigned depth)
{
    struct stat info;
    if (stat(path, &info) < 0)
        return cli_usage_error(cli, "%s: %s", path, strerror(errno));
    if (S_ISDIR(info.st_mode))
        return add_folder(cli, inputs, path, name, depth + 1);
    if (!S_ISREG(info.st_mode))
        return cli_usage_error(cli, "%s is neither a file nor a folder, so it cannot be sent", path);
    return inputs_add_as(cli, inputs, path, name);
}

static int add_folder(struct cli *cli, json_t *inputs, const char *path, const char *name, unsigned depth)
{
    struct dirent **found = NULL;
    int code = 0, count = depth > DEPTH_MAX ? -1 : scandir(path, &found, is_entry, alphasort);
    if (count < 0)
        return cli_usage_error(cli, "%s: %s", path,
                               depth > DEPTH_MAX ? "it lies too deep; does a link lead back?" : strerror(errno));
    for (int i = 0; i < count; i++) {
        CLEANUP(free_ptr) char *file = xasprintf("%s/%s", path, found[i]->d_name);
        CLEANUP(free_ptr) char *as = xasprintf("%s/%s", name, found[i]->d_name);
        code = code ? code : add_named(cli, inputs, file, as, depth);
        free(found[i]);
    }
    free(found);
    return code;
}

int inputs_add(struct cli *cli, json_t *inputs, const char *path)
{
    CLEANUP(free_ptr) char *whole = xstrdup(path);
    for (size_t len = strlen(whole); len > 1 && whole[len - 1] == '/';)
        whole[--len] = 0;
    CLEANUP(free_ptr) char *name = inputs_name(whole);
    return add_named(cli, inputs, whole, name, 0);
}

// --- To the server

void inputs_sent_init(struct inputs_sent *sent, struct cli *cli, struct client *client)
{
    *sent = (struct inputs_sent){cli, client, json_object(), json_object()};
}

void inputs_sent_release(struct inputs_sent *sent)
{
    json_decref(sent->by_path);
    json_decref(sent->hashes);
}

static int changed(struct cli *cli, const char *path)
{
    return cli_fail(cli, ERR_CONFLICT,
                    "%s has changed while it was read, so nothing is queued; run it again when it is "
                    "finished",
                    path);
}

// What was interrupted goes on where it ended, as long as it gets on.
static int send_content(struct inputs_sent *sent, const char *path, int fd, const struct content *content)
{
    CLEANUP(buf_release) struct buf text = {0};
    atomic_ullong moved = 0;
    uint64_t before = 0;
    int err;
    for (unsigned stalls = 0;;) {
        buf_reset(&text);
        err = content_send(sent->client, fd, content, &moved, &text);
        stalls = atomic_load(&moved) > before ? 0 : stalls + 1;
        before = atomic_load(&moved);
        bool again = err == ERR_UNREACHABLE || err == ERR_CLOSED || err == ERR_UNAVAILABLE;
        if (!again || stalls == STALLS_MAX)
            break;
    }
    if (err == ERR_CONFLICT)
        return changed(sent->cli, path);
    return err < 0 ? cli_fail(sent->cli, err, "%s is not sent, so nothing is queued: %s", path,
                              text.len > 0 ? buf_cstr(&text) : error_text(err))
                   : 0;
}

static int send_file(struct inputs_sent *sent, const char *path, int fd, const struct stat *info, json_t **ret)
{
    struct content content;
    int err = content_of_file(fd, NULL, &content);
    if (err == ERR_CONFLICT)
        return changed(sent->cli, path);
    if (err < 0)
        return cli_fail(sent->cli, ERR_INVALID, "%s: %s", path, error_text(err));
    int code = json_object_get(sent->hashes, content.hash) ? 0 : send_content(sent, path, fd, &content);
    if (code == 0 && !content_unchanged(fd, info))
        code = changed(sent->cli, path);
    if (code)
        return code;
    json_object_set_new(sent->hashes, content.hash, json_true());
    *ret = json_pack("{s:s, s:I, s:i}", "sha256", content.hash, "size", (json_int_t)content.size, "mode",
                     (int)(info->st_mode & ARTIFACT_MODE_MAX));
    json_object_set_new(sent->by_path, path, *ret);
    return 0;
}

static int send_path(struct inputs_sent *sent, const char *path, json_t **ret)
{
    struct stat info;
    *ret = json_object_get(sent->by_path, path);
    if (*ret)
        return 0;
    CLEANUP(close_fd) int fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &info) < 0)
        return cli_usage_error(sent->cli, "%s: %s", path, strerror(errno));
    if (!S_ISREG(info.st_mode))
        return cli_usage_error(sent->cli, "%s is no regular file, so it cannot be sent", path);
    return send_file(sent, path, fd, &info, ret);
}

int inputs_send(struct inputs_sent *sent, json_t *inputs)
{
    for (size_t i = 0; i < json_array_size(inputs); i++) {
        json_t *input = json_array_get(inputs, i), *known = NULL;
        const char *path = json_string_value(json_object_get(input, "path"));
        int code = path ? send_path(sent, path, &known) : 0;
        if (code)
            return code;
        if (known)
            json_object_update(input, known);
        json_object_del(input, "path");
    }
    return 0;
}
