#include "runner/outputs.h"

#include "client/content.h"
#include "model/artifact.h"
#include "model/chunk.h"
#include "runner/outputs_names.h"
#include "util/beneath.h"
#include "util/clock.h"
#include "util/json_writer.h"
#include "util/map.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#define TEXT_MAX 1000 // bytes of a reason

struct done { // an artifact that the server has
    struct map_node node;
    char name[];
};

struct outputs_upload_inner {
    struct outputs_options options;
    struct client_options server;
    char *token, *execution_id;
    int fd;      // the folder
    bool marked; // its names were not masked
    struct map done;
    // Of the present try:
    struct client *client;
    struct buf refusal; // why nothing more is tried; or empty
    unsigned entries, files;
    bool too_many;
    struct buf text; // what went wrong last
};

bool outputs_left(int run_dir_fd)
{
    return unlinkat(run_dir_fd, OUTPUTS_FOLDER, AT_REMOVEDIR) < 0 && errno != ENOENT;
}

// --- What is told

void outputs_report_release(struct outputs_report *report)
{
    for (size_t i = 0; i < ARRAY_LEN(report->told); i++) {
        free(report->told[i].name);
        free(report->told[i].reason);
    }
    *report = (struct outputs_report){0};
}

// A name may hold anything but NUL: what is no text is shown, so that it stays on its line.
static void append_name(struct buf *out, struct str name)
{
    for (size_t i = 0; i < name.len; i++) {
        uint8_t byte = (uint8_t)name.data[i];
        if (byte < ' ' || byte == 0x7f)
            buf_printf(out, "\\x%02x", byte);
        else
            buf_append_byte(out, (char)byte);
    }
}

void outputs_missing_append(const struct outputs_missing *missing, bool begins, struct buf *out)
{
    buf_append_text(out, begins ? "The output" : "the output");
    if (missing->name) {
        buf_append_byte(out, ' ');
        append_name(out, str_of(missing->name));
    }
    buf_printf(out, missing->name ? " was not uploaded: %s" : "s were not uploaded: %s", missing->reason);
}

// `name` NULL: all of them.
static void add_missing(struct outputs_upload *upload, const char *name, struct str reason)
{
    struct outputs_report *report = &upload->report;
    if (report->missing < OUTPUTS_TOLD_MAX) {
        size_t len = utf8_prefix(reason.data, reason.len, TEXT_MAX);
        report->told[report->missing] =
            (struct outputs_missing){name ? xstrdup(name) : NULL, xstrndup(reason.data, len)};
    }
    report->missing++;
}

static void add_event(struct chunk_builder *builder, struct str message)
{
    CLEANUP(buf_release) struct buf extra = {0};
    CLEANUP(buf_release) struct buf text = {0};
    buf_append_utf8(&text, message);
    record_extra_append_string(&extra, "event_type", STR("artifact_missing"));
    struct record record = {.time_ms = clock_real_ms(),
                            .stream = STREAM_EVENT,
                            .level = LEVEL_WARNING,
                            .message = buf_str(&text),
                            .extra = buf_str(&extra)};
    if (chunk_builder_add(builder, &record) < 0)
        abort(); // a chunk has room for so few
}

struct chunk *outputs_events(const struct outputs_report *report)
{
    CLEANUP(chunk_builder_free) struct chunk_builder *builder = chunk_builder_new();
    size_t told = MIN(report->missing, (unsigned)OUTPUTS_TOLD_MAX);
    if (report->missing == 0)
        return NULL;
    for (size_t i = 0; i < told; i++) {
        CLEANUP(buf_release) struct buf message = {0};
        outputs_missing_append(&report->told[i], true, &message);
        add_event(builder, buf_str(&message));
    }
    if (report->missing > told) {
        CLEANUP(free_ptr) char *message = xasprintf("%zu more outputs were not uploaded", report->missing - told);
        add_event(builder, str_of(message));
    }
    return chunk_builder_finish(builder, 0);
}

int outputs_tell(struct spool *spool, const struct outputs_report *report)
{
    CLEANUP(chunk_unref) struct chunk *events = outputs_events(report);
    if (!events)
        return 0;
    spool_lift_limit(spool);
    return spool_append(spool, events);
}

// --- One file

// What holds for all that follows, too.
static bool holds_for_all(int err)
{
    return err == ERR_UNAUTHORIZED || err == ERR_TOKEN_EXPIRED || err == ERR_FORBIDDEN || err == ERR_SUSPENDED ||
           err == ERR_NOT_FOUND || err == ERR_EXPIRED || err == ERR_SEALED || err == ERR_FENCED ||
           err == ERR_WRONG_SERVER;
}

static int name_it(struct outputs_upload_inner *inner, const char *name, const struct content *content, mode_t mode)
{
    CLEANUP(client_response_release) struct client_response response = {0};
    CLEANUP(buf_release) struct buf path = {0};
    CLEANUP(buf_release) struct buf body = {0};
    struct json_writer json = json_writer_to(&body);
    buf_printf(&path, "/api/v1/executions/%s/artifacts/", inner->execution_id);
    content_append_name(&path, name);
    json_open_object(&json, NULL);
    json_add_text(&json, "sha256", content->hash);
    json_add_u64(&json, "size", content->size);
    json_add_u64(&json, "mode", mode & ARTIFACT_MODE_MAX);
    json_close(&json);
    int err = client_request(inner->client, "PUT", buf_cstr(&path), buf_str(&body), NULL, &response);
    if (err < 0)
        buf_append_text(&inner->text, client_cause(&response, err));
    return err < 0 ? err : client_response_error(&response, &inner->text);
}

static int send_it(struct outputs_upload *upload, int fd, const char *name, const struct stat *info)
{
    struct outputs_upload_inner *inner = upload->inner;
    struct content content;
    buf_reset(&inner->text);
    int err = content_of_file(fd, inner->server.abort, &content);
    if (err == 0)
        err = content_send(inner->client, fd, &content, &upload->moved, &inner->text);
    if (err == ERR_CONFLICT) {
        buf_reset(&inner->text);
        buf_append_text(&inner->text, "it changed while it was read");
    }
    if (err == 0)
        err = name_it(inner, name, &content, info->st_mode);
    if (err == 0)
        upload->report.bytes += content.size;
    else if (inner->text.len == 0)
        buf_append_text(&inner->text, error_text(err));
    return err;
}

static void add_done(struct outputs_upload *upload, const char *name)
{
    size_t len = strlen(name);
    struct done *done = xcalloc(1, sizeof(*done) + len + 1);
    memcpy(done->name, name, len + 1);
    map_insert(&upload->inner->done, &done->node, str_n(done->name, len));
    upload->report.uploaded++;
}

static int open_file(const struct outputs_upload_inner *inner, const char *name, struct stat *ret_info,
                     const char **ret_reason)
{
    CLEANUP(close_fd) int fd = beneath_open(inner->fd, name, O_RDONLY | O_NONBLOCK | O_NOCTTY, 0);
    *ret_reason = NULL;
    if (fd < 0)
        *ret_reason = error_text(fd);
    else if (fstat(fd, ret_info) < 0 || !S_ISREG(ret_info->st_mode))
        *ret_reason = "it is no regular file";
    else if (ret_info->st_nlink > 1 && inner->options.owner != UINT32_MAX && ret_info->st_uid != inner->options.owner)
        *ret_reason = "it is a link to a file of another user";
    return *ret_reason ? -1 : TAKE_FD(fd);
}

// Returns 0, whatever became of the file; or an error after which all is to be tried again later.
static int take_file(struct outputs_upload *upload, const char *name)
{
    struct outputs_upload_inner *inner = upload->inner;
    struct stat info;
    const char *reason, *over = atomic_load(&upload->over);
    if (map_find(&inner->done, str_of(name)))
        return 0;
    if (over || inner->refusal.len > 0) {
        add_missing(upload, name, over ? str_of(over) : buf_str(&inner->refusal));
        return 0;
    }
    CLEANUP(close_fd) int fd = open_file(inner, name, &info, &reason);
    if (fd < 0) {
        add_missing(upload, name, str_of(reason));
        return 0;
    }
    int err = send_it(upload, fd, name, &info);
    if (err == 0) {
        add_done(upload, name);
        return 0;
    }
    over = atomic_load(&upload->over);
    if (content_may_retry(err) && !over)
        return err;
    if (!over && holds_for_all(err))
        buf_append_str(&inner->refusal, buf_str(&inner->text));
    add_missing(upload, name, over ? str_of(over) : buf_str(&inner->text));
    return 0;
}

// --- All of them

static int walk(struct outputs_upload *upload, const char *folder, unsigned depth);

static int take_named(struct outputs_upload *upload, int folder_fd, const char *path, const char *name, unsigned depth)
{
    struct outputs_upload_inner *inner = upload->inner;
    struct stat info;
    const char *problem = artifact_name_problem(str_of(path));
    if (fstatat(folder_fd, name, &info, AT_SYMLINK_NOFOLLOW) < 0)
        return 0; // it has gone
    if (S_ISDIR(info.st_mode))
        return walk(upload, path, depth + 1);
    if (problem) {
        CLEANUP(free_ptr) char *reason = xasprintf("its name %s", problem);
        add_missing(upload, path, str_of(reason));
    } else if (!S_ISREG(info.st_mode)) {
        add_missing(upload, path, S_ISLNK(info.st_mode) ? STR("links are not followed") : STR("it is no regular file"));
    } else if (inner->files++ >= ARTIFACTS_MAX) {
        CLEANUP(free_ptr) char *reason = xasprintf("an execution may have %d", ARTIFACTS_MAX);
        add_missing(upload, path, str_of(reason));
    } else {
        return take_file(upload, path);
    }
    return 0;
}

static int by_name(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

static int is_entry(const struct dirent *entry)
{
    return strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0;
}

static int walk_names(struct outputs_upload *upload, int folder_fd, const char *folder, struct dirent **names,
                      size_t count, unsigned depth)
{
    int err = 0;
    for (size_t i = 0; i < count && err == 0; i++) {
        CLEANUP(free_ptr)
        char *path = folder[0] ? xasprintf("%s/%s", folder, names[i]->d_name) : xstrdup(names[i]->d_name);
        if (upload->inner->entries++ == OUTPUTS_ENTRIES_MAX) {
            upload->inner->too_many = true;
            add_missing(upload, path, STR("there is too much to look at; this and what follows was left out"));
        }
        if (upload->inner->too_many)
            break;
        err = take_named(upload, folder_fd, path, names[i]->d_name, depth);
    }
    return err;
}

// In the order of their names, so that each try takes the same ones.
static int walk(struct outputs_upload *upload, const char *folder, unsigned depth)
{
    struct dirent **names = NULL;
    CLEANUP(close_fd)
    int fd = beneath_open(upload->inner->fd, folder[0] ? folder : ".", O_RDONLY | O_DIRECTORY, 0);
    int count = fd < 0 || depth > OUTPUTS_DEPTH_MAX ? -1 : scandirat(fd, ".", &names, is_entry, by_name);
    if (count < 0) {
        add_missing(upload, folder[0] ? folder : ".",
                    depth > OUTPUTS_DEPTH_MAX ? STR("it lies too deep") : str_of(error_text(fd < 0 ? fd : -errno)));
        return 0;
    }
    int err = walk_names(upload, fd, folder, names, (size_t)count, depth);
    for (int i = 0; i < count; i++)
        free(names[i]);
    free(names);
    return err;
}

int outputs_upload_try(struct outputs_upload *upload, struct buf *ret_text)
{
    struct outputs_upload_inner *inner = upload->inner;
    struct outputs_report kept = {.uploaded = upload->report.uploaded, .bytes = upload->report.bytes};
    outputs_report_release(&upload->report);
    upload->report = kept;
    inner->entries = inner->files = 0;
    inner->too_many = false;
    buf_reset(&inner->refusal);
    int err = client_new(&inner->server, &inner->client);
    if (err < 0) // no server can be spoken to with such options
        buf_append_text(&inner->refusal, error_text(err));
    if (inner->marked)
        add_missing(upload, NULL, STR("their names could hold a secret, and could not all be masked"));
    else
        err = walk(upload, "", 0);
    client_free(&inner->client);
    if (err < 0)
        buf_append_str(ret_text, buf_str(&inner->text));
    return err;
}

int outputs_upload_init(struct outputs_upload *upload, const struct outputs_options *options)
{
    CLEANUP(close_fd) int fd = beneath_open(options->run_dir_fd, OUTPUTS_FOLDER, O_RDONLY | O_DIRECTORY, 0);
    *upload = (struct outputs_upload){0};
    if (fd < 0)
        return fd;
    struct outputs_upload_inner *inner = xcalloc(1, sizeof(*inner));
    upload->inner = inner;
    inner->options = *options;
    inner->execution_id = xstrdup(options->execution_id);
    inner->token = options->token ? xstrdup(options->token) : NULL;
    inner->server = *options->server;
    inner->server.abort = options->server->abort ? options->server->abort : &upload->abort;
    if (inner->token)
        inner->server.token = inner->token;
    inner->fd = TAKE_FD(fd);
    inner->marked = outputs_names_marked(options->run_dir_fd);
    map_init(&inner->done);
    return 0;
}

static void free_done(struct map_node *node, void *arg)
{
    struct map *map = arg;
    map_remove(map, node);
    free(CONTAINER_OF(node, struct done, node));
}

void outputs_upload_release(struct outputs_upload *upload)
{
    struct outputs_upload_inner *inner = TAKE_PTR(upload->inner);
    outputs_report_release(&upload->report);
    if (!inner)
        return;
    map_each(&inner->done, free_done, &inner->done);
    map_release(&inner->done);
    buf_release(&inner->refusal);
    buf_release(&inner->text);
    close_fd(&inner->fd);
    free(inner->token);
    free(inner->execution_id);
    free(inner);
}
