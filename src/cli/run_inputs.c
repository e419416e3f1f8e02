#include "cli/run_inputs.h"

#include "client/content_page.h"
#include "model/artifact.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#define DEPTH_MAX    64
#define STALLS_MAX   3 // attempts in a row in which nothing was sent
#define ANOTHER_NAME "rename it, or put it into an archive"

struct folder { // that is being looked into
    const struct folder *above;
    dev_t device;
    ino_t inode;
    unsigned depth;
};

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
        return cli_usage_error(cli, "\"%s\" is not UTF-8; " ANOTHER_NAME, path);
    if (problem)
        return cli_usage_error(cli, "%s: the name of an input %s; " ANOTHER_NAME, path, problem);
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

// Links are followed.
static bool leads_back(const struct folder *above, const struct stat *info)
{
    for (; above; above = above->above) {
        if (above->device == info->st_dev && above->inode == info->st_ino)
            return true;
    }
    return false;
}

static int add_folder(struct cli *cli, json_t *inputs, const char *path, const char *name, const struct folder *folder);

static int add_named(struct cli *cli, json_t *inputs, const char *path, const char *name, const struct folder *above)
{
    struct stat info;
    if (stat(path, &info) < 0)
        return cli_usage_error(cli, "%s: %s", path, strerror(errno));
    if (S_ISDIR(info.st_mode) && leads_back(above, &info))
        return cli_usage_error(cli, "%s is a link back to a folder that it lies in, so it cannot be sent", path);
    if (S_ISDIR(info.st_mode))
        return add_folder(cli, inputs, path, name,
                          &(struct folder){above, info.st_dev, info.st_ino, above ? above->depth + 1 : 1});
    if (!S_ISREG(info.st_mode))
        return cli_usage_error(cli, "%s is neither a file nor a folder, so it cannot be sent", path);
    return inputs_add_as(cli, inputs, path, name);
}

// `name` "": what it holds lies at the top.
static int add_folder(struct cli *cli, json_t *inputs, const char *path, const char *name, const struct folder *folder)
{
    struct dirent **found = NULL;
    bool too_deep = folder->depth > DEPTH_MAX;
    int code = 0, count = too_deep ? -1 : scandir(path, &found, is_entry, alphasort);
    if (count < 0)
        return cli_usage_error(cli, "%s: %s", path,
                               too_deep ? "it lies too deep; put it into an archive" : strerror(errno));
    for (int i = 0; i < count; i++) {
        CLEANUP(free_ptr) char *file = xasprintf("%s/%s", path, found[i]->d_name);
        CLEANUP(free_ptr) char *as = xasprintf("%s%s%s", name, name[0] ? "/" : "", found[i]->d_name);
        code = code ? code : add_named(cli, inputs, file, as, folder);
        free(found[i]);
    }
    free(found);
    return code;
}

// "." at the end is what lies in the folder. ".." is called as the folder is.
static char *folder_name(const char *path, char *name)
{
    CLEANUP(free_ptr) char *owned = name;
    if (strcmp(name, ".") == 0)
        return xstrdup("");
    CLEANUP(free_ptr) char *resolved = strcmp(name, "..") == 0 ? realpath(path, NULL) : NULL;
    return resolved ? xstrdup(strrchr(resolved, '/') + 1) : TAKE_PTR(owned);
}

int inputs_add(struct cli *cli, json_t *inputs, const char *path)
{
    CLEANUP(free_ptr) char *whole = xstrdup(path);
    for (size_t len = strlen(whole); len > 1 && whole[len - 1] == '/';)
        whole[--len] = 0;
    CLEANUP(free_ptr) char *name = folder_name(whole, inputs_name(whole));
    return add_named(cli, inputs, whole, name, NULL);
}

// --- To the server

struct paged { // a file whose content is in the page
    const char *path;
    struct stat info;
};

struct sending {
    struct cli *cli;
    struct client *client;
    json_t *by_path; // objects with sha256, size and mode
    json_t *hashes;  // what the server has, or gets with the page
    struct content_page *page;
    struct paged paged[CONTENT_PAGE_COUNT];
    size_t paged_count;
};

static void sending_free(struct sending **sending_ptr)
{
    struct sending *sending = *sending_ptr;
    content_page_release(sending->page);
    free(sending->page);
    json_decref(sending->by_path);
    json_decref(sending->hashes);
    free(sending);
}

static struct sending *sending_new(struct cli *cli, struct client *client)
{
    struct sending *sending = xcalloc(1, sizeof(*sending));
    sending->cli = cli;
    sending->client = client;
    sending->by_path = json_object();
    sending->hashes = json_object();
    sending->page = xcalloc(1, sizeof(*sending->page));
    return sending;
}

static int changed(struct cli *cli, const char *path)
{
    return cli_fail(cli, ERR_CONFLICT,
                    "%s has changed while it was read, so nothing is queued; run it again when it is "
                    "finished",
                    path);
}

static bool comes_back(int err)
{
    return err == ERR_UNREACHABLE || err == ERR_CLOSED || err == ERR_UNAVAILABLE;
}

static int not_sent(struct cli *cli, int err, const char *path, struct buf *text)
{
    return cli_fail(cli, err, "%s is not sent, so nothing is queued: %s", path,
                    text->len > 0 ? buf_cstr(text) : error_text(err));
}

static int open_file(struct cli *cli, const char *path, struct stat *ret_info, int *ret_fd)
{
    CLEANUP(close_fd) int fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, ret_info) < 0)
        return cli_usage_error(cli, "%s: %s", path, strerror(errno));
    if (!S_ISREG(ret_info->st_mode))
        return cli_usage_error(cli, "%s is no regular file, so it cannot be sent", path);
    *ret_fd = TAKE_FD(fd);
    return 0;
}

// --- By themselves

// What was interrupted goes on where it ended, as long as it gets on.
static int send_content(struct sending *sending, const char *path, int fd, const struct content *content)
{
    CLEANUP(buf_release) struct buf text = {0};
    atomic_ullong moved = 0;
    uint64_t before = 0;
    int err;
    for (unsigned stalls = 0;;) {
        buf_reset(&text);
        err = content_send(sending->client, fd, content, &moved, &text);
        stalls = atomic_load(&moved) > before ? 0 : stalls + 1;
        before = atomic_load(&moved);
        if (!comes_back(err) || stalls == STALLS_MAX)
            break;
    }
    if (err == ERR_CONFLICT)
        return changed(sending->cli, path);
    return err < 0 ? not_sent(sending->cli, err, path, &text) : 0;
}

static int read_failed(struct cli *cli, int err, const char *path)
{
    return err == ERR_CONFLICT ? changed(cli, path) : cli_fail(cli, ERR_INVALID, "%s: %s", path, error_text(err));
}

static int send_large(struct sending *sending, const char *path, int fd, const struct stat *info,
                      struct content *ret_content)
{
    int err = content_of_file(fd, NULL, ret_content);
    if (err < 0)
        return read_failed(sending->cli, err, path);
    int code = json_object_get(sending->hashes, ret_content->hash) ? 0 : send_content(sending, path, fd, ret_content);
    if (code == 0 && !content_unchanged(fd, info))
        code = changed(sending->cli, path);
    return code;
}

// --- Together

// Whoever refuses the page as too large may take its files, or it is told which one is too large.
static int send_one_by_one(struct sending *sending)
{
    int code = 0;
    for (size_t i = 0; i < sending->paged_count && code == 0; i++) {
        CLEANUP(close_fd) int fd = -1;
        const char *path = sending->paged[i].path;
        struct content content;
        struct stat info;
        code = open_file(sending->cli, path, &info, &fd);
        int err = code ? 0 : content_of_file(fd, NULL, &content);
        if (err < 0)
            code = read_failed(sending->cli, err, path);
        else if (code == 0)
            code = send_content(sending, path, fd, &content);
    }
    return code;
}

static int page_refused(struct sending *sending, int err, struct buf *text)
{
    size_t others = sending->paged_count - 1;
    CLEANUP(free_ptr)
    char *which =
        others > 0 ? xasprintf("%s (with %zu more)", sending->paged[0].path, others) : xstrdup(sending->paged[0].path);
    return not_sent(sending->cli, err, which, text);
}

// Sends what was gathered. A file that is not as it was read is not what somebody means to send.
static int send_page(struct sending *sending)
{
    CLEANUP(buf_release) struct buf text = {0};
    int err = ERR_UNREACHABLE, code = 0;
    for (unsigned tries = 0; tries < STALLS_MAX && comes_back(err); tries++) {
        buf_reset(&text);
        err = content_page_send(sending->page, sending->client, &text);
    }
    if (err == ERR_TOO_LARGE)
        code = send_one_by_one(sending);
    else if (err < 0)
        code = page_refused(sending, err, &text);
    for (size_t i = 0; i < sending->paged_count && code == 0; i++) {
        if (!content_same_file(sending->paged[i].path, &sending->paged[i].info))
            code = changed(sending->cli, sending->paged[i].path);
    }
    content_page_reset(sending->page);
    sending->paged_count = 0;
    return code;
}

static int read_small(struct sending *sending, const char *path, int fd, const struct stat *info,
                      struct content *ret_content)
{
    struct content_page *page = sending->page;
    bool full = sending->paged_count == CONTENT_PAGE_COUNT || !content_page_has_room(page, (uint64_t)info->st_size);
    int code = full ? send_page(sending) : 0;
    if (code)
        return code;
    int err = content_page_read(page, fd, info);
    if (err < 0)
        return read_failed(sending->cli, err, path);
    *ret_content = page->contents[page->count - 1];
    if (json_object_get(sending->hashes, ret_content->hash))
        content_page_drop_last(page);
    sending->paged[sending->paged_count++] = (struct paged){path, *info};
    return 0;
}

// --- Each once

static int send_file(struct sending *sending, const char *path)
{
    struct stat info;
    struct content content = {0};
    CLEANUP(close_fd) int fd = -1;
    int code = open_file(sending->cli, path, &info, &fd);
    if (code)
        return code;
    code = (uint64_t)info.st_size > CONTENT_PAGE_EACH ? send_large(sending, path, fd, &info, &content)
                                                      : read_small(sending, path, fd, &info, &content);
    if (code)
        return code;
    json_object_set_new(sending->hashes, content.hash, json_true());
    json_object_set_new(sending->by_path, path,
                        json_pack("{s:s, s:I, s:i}", "sha256", content.hash, "size", (json_int_t)content.size, "mode",
                                  (int)(info.st_mode & ARTIFACT_MODE_MAX)));
    return 0;
}

static int send_list(struct sending *sending, const json_t *inputs)
{
    int code = 0;
    for (size_t i = 0; i < json_array_size(inputs) && code == 0; i++) {
        const char *path = json_string_value(json_object_get(json_array_get(inputs, i), "path"));
        if (path && !json_object_get(sending->by_path, path))
            code = send_file(sending, path);
    }
    return code;
}

static void tell_list(const struct sending *sending, const json_t *inputs)
{
    for (size_t i = 0; i < json_array_size(inputs); i++) {
        json_t *input = json_array_get(inputs, i);
        const char *path = json_string_value(json_object_get(input, "path"));
        if (path)
            json_object_update(input, json_object_get(sending->by_path, path));
        json_object_del(input, "path");
    }
}

static const json_t *inputs_of(const json_t *jobs, size_t i)
{
    return json_object_get(json_array_get(jobs, i), "inputs");
}

int inputs_send(struct cli *cli, struct client *client, json_t *order, const json_t *jobs)
{
    CLEANUP(sending_free) struct sending *sending = sending_new(cli, client);
    int code = send_list(sending, json_object_get(order, "inputs"));
    for (size_t i = 0; i < json_array_size(jobs) && code == 0; i++)
        code = send_list(sending, inputs_of(jobs, i));
    if (code == 0)
        code = send_page(sending);
    if (code)
        return code;
    tell_list(sending, json_object_get(order, "inputs"));
    for (size_t i = 0; i < json_array_size(jobs); i++)
        tell_list(sending, inputs_of(jobs, i));
    return 0;
}
