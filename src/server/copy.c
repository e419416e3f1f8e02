// `runnel store copy`: picks the adapters of both ends, and tells what else belongs to a store.
#include "store/copy/copy.h"

#include "blob/objects.h"
#include "server/artifacts.h"
#include "server/server.h"
#include "server/storage.h"
#include "store/copy/side.h"
#include "store/postgres/postgres_copy.h"
#include "store/sqlite/copy/side.h"
#include "util/clock.h"
#include "util/error.h"
#include "util/file.h"

#include <inttypes.h>
#include <sys/stat.h>

static int check_ends(const char *from, const char *to, struct buf *ret_error)
{
    CLEANUP(free_ptr) char *one = storage_is_postgres(from) ? NULL : realpath(from, NULL);
    CLEANUP(free_ptr) char *other = storage_is_postgres(to) ? NULL : realpath(to, NULL);
    if (strcmp(from, to) != 0 && (!one || !other || strcmp(one, other) != 0))
        return 0;
    buf_printf(ret_error, "%s is the store to copy and the one to copy it to: name another one",
               other ? other : "this");
    return ERR_INVALID;
}

static int open_from(const char *address, struct copy_side **ret, struct buf *ret_error)
{
    CLEANUP(free_ptr) char *path = xasprintf("%s/runnel.db", address);
    return storage_is_postgres(address) ? postgres_copy_from(address, ret, ret_error)
                                        : sqlite_copy_from(path, ret, ret_error);
}

static int open_to(const char *address, struct copy_side **ret, struct buf *ret_error)
{
    CLEANUP(free_ptr) char *path = xasprintf("%s/runnel.db", address);
    if (storage_is_postgres(address))
        return postgres_copy_to(address, ret, ret_error);
    int err = dir_make_all(address, 0700);
    if (err < 0) {
        buf_printf(ret_error, "the folder %s cannot be made: %s", address, strerror(-err));
        return err;
    }
    return sqlite_copy_to(path, ret, ret_error);
}

// --- Progress

struct progress_line {
    server_progress_fn *tell;
    void *arg;
};

static void tell_progress(void *arg, const struct copy_progress *progress)
{
    const struct progress_line *line = arg;
    CLEANUP(buf_release) struct buf text = {0};
    buf_append_text(&text, progress->checking ? "comparing " : "copying ");
    if (progress->table)
        buf_printf(&text, "the table %s, %" PRIu64 " rows so far", progress->table, progress->rows);
    else
        buf_printf(&text, "logs: %" PRIu64 " of %" PRIu64 " lines (%" PRIu64 " %%)", progress->records, progress->of,
                   progress->of > 0 ? progress->records * 100 / progress->of : 100);
    line->tell(line->arg, buf_cstr(&text));
}

// --- What is said at the end

static void write_json(const struct store_copied *copied, int64_t ms, struct buf *out)
{
    buf_printf(out,
               "{\"executions\":%" PRIu64 ",\"records\":%" PRIu64 ",\"message_bytes\":%" PRIu64 ",\"rows\":%" PRIu64
               ",\"seconds\":%" PRId64 ".%03d,\"verified\":true,\"left\":",
               copied->executions, copied->records, copied->message_bytes, copied->rows, ms / 1000, (int)(ms % 1000));
    buf_append_json_string(out, buf_str(&copied->left));
    buf_append_text(out, "}\n");
}

static void write_text(const struct store_copied *copied, int64_t ms, const struct copy_side *to, struct buf *out)
{
    buf_printf(out,
               "%" PRIu64 " log%s with %" PRIu64 " lines (%.1f MB) and %" PRIu64 " rows were copied in %" PRId64
               ".%" PRId64 " s; all of it was read back, and is the same\n",
               copied->executions, copied->executions == 1 ? "" : "s", copied->records,
               (double)copied->message_bytes / 1e6, copied->rows, ms / 1000, ms % 1000 / 100);
    if (copied->left.len > 0)
        buf_printf(out, "not copied: %.*s\n", STR_ARGS(buf_str(&copied->left)));
    buf_printf(
        out,
        "%s is ready for a server. Keep the data folder, or take from it what is in no store: the files of inputs and "
        "artifacts (blobs/, unless they are in S3), secrets.key and admin.key. Start no server on the former store any "
        "more: both would go on under the same identity\n",
        to->name);
}

// --- The command that goes on with it, without passwords

static void append_end(struct buf *out, const char *address, const struct copy_side *side)
{
    CLEANUP(free_ptr) char *folder = storage_is_postgres(address) ? NULL : realpath(address, NULL);
    const char *shown = folder ? folder : side->name;
    buf_printf(out, strpbrk(shown, " '\"\\$`&;") ? " \"%s\"" : " %s", shown);
}

static int copy_between(const char *from, const char *to, struct store_copying *copying, struct store_copied *ret,
                        struct buf *ret_error)
{
    CLEANUP(buf_release) struct buf command = {0};
    buf_append_text(&command, "runnel store copy");
    append_end(&command, from, copying->from);
    append_end(&command, to, copying->to);
    copying->command = buf_cstr(&command);
    return copy_store(copying, ret, ret_error);
}

// --- What lies in S3

static int read_object(void *arg, const char *object, uint64_t at, size_t len, struct buf *ret, char *ret_reason)
{
    _Static_assert(COPY_REASON_MAX >= BLOB_REASON_MAX, "it has room for the reason");
    struct object_store *objects = arg;
    return objects->vtable->get(objects, object, at, len, ret, ret_reason);
}

static int open_objects(const struct config *config, struct object_store **ret, struct copy_objects *ret_reader,
                        struct buf *ret_error)
{
    *ret = NULL;
    if (!config->cold[0])
        return 0;
    static const struct logger silent = {.fd = -1, .min_level = LOG_ERROR}; // an error says all
    int err = artifacts_open_objects(config, &silent, NULL, ret, ret_error);
    *ret_reader = (struct copy_objects){err == 0 ? read_object : NULL, *ret};
    return err;
}

int server_store_copy(const struct config *config, const char *from, const char *to, bool json,
                      server_progress_fn *progress, void *arg, struct buf *out, struct buf *ret_error)
{
    struct progress_line line = {progress, arg};
    struct object_store *objects = NULL;
    struct store_copying copying = {.progress = progress ? tell_progress : NULL, .arg = &line};
    CLEANUP(store_copied_release) struct store_copied copied = {0};
    uint64_t began_ns = clock_mono_ns();
    umask(0077);
    int err = check_ends(from, to, ret_error);
    if (err == 0)
        err = open_objects(config, &objects, &copying.objects, ret_error);
    if (err == 0)
        err = open_from(from, &copying.from, ret_error);
    if (err == 0)
        err = open_to(to, &copying.to, ret_error);
    if (err == 0)
        err = copy_between(from, to, &copying, &copied, ret_error);
    int64_t ms = (int64_t)((clock_mono_ns() - began_ns) / 1000000);
    if (err == 0 && json)
        write_json(&copied, ms, out);
    else if (err == 0)
        write_text(&copied, ms, copying.to, out);
    copy_side_free(&copying.to);
    copy_side_free(&copying.from);
    object_store_free(&objects);
    return err;
}
