// `runnel restore`: puts a backup in the place of the store while no server runs.
#include "server/server.h"
#include "store/sqlite/sqlite_store.h"
#include "util/file.h"

#include <sys/stat.h>

static void tell(const struct config *config, const char *file, const struct sqlite_restored *restored, struct buf *out)
{
    buf_printf(out, "%s/runnel.db is now a copy of %s\n", config->data, file);
    if (restored->kept)
        buf_printf(out, "the former store is kept as %s\n", restored->kept);
    buf_append_text(out, "a server that is started on it tells producers and followers what is not in it\n");
    if (restored->cold_packs > 0)
        buf_printf(
            out,
            "some of its logs lie in S3 (%lld objects), and not in the backup: they are read from there, with the "
            "settings cold and s3_… as they were. If the former store has moved or removed any since, the "
            "server moves no others until you have told it that this store is the only one: "
            "docs/s3.md#after-a-restore\n",
            (long long)restored->cold_packs);
}

int server_restore(const struct config *config, const char *file, bool discard, struct buf *out, struct buf *ret_error)
{
    umask(0077);
    CLEANUP(free_ptr) char *path = xasprintf("%s/runnel.db", config->data);
    const struct sqlite_restore restore = {.path = path, .file = file, .discard = discard};
    struct sqlite_restored restored;
    int err = dir_make_all(config->data, 0700);
    if (err < 0) {
        buf_printf(ret_error, "the data folder %s cannot be made: %s", config->data, strerror(-err));
        return err;
    }
    err = sqlite_store_restore(&restore, &restored, ret_error);
    if (err == 0)
        tell(config, file, &restored, out);
    free(TAKE_PTR(restored.kept));
    return err;
}
