// `runnel restore`: puts a backup in the place of the store while no server runs.
#include "server/server.h"
#include "store/sqlite/sqlite_store.h"
#include "util/file.h"

#include <sys/stat.h>

int server_restore(const struct config *config, const char *file, bool discard, char **ret_kept, struct buf *ret_error)
{
    umask(0077);
    CLEANUP(free_ptr) char *path = xasprintf("%s/runnel.db", config->data);
    const struct sqlite_restore restore = {.path = path, .file = file, .discard = discard};
    *ret_kept = NULL;
    int err = dir_make_all(config->data, 0700);
    if (err < 0) {
        buf_printf(ret_error, "the data folder %s cannot be made: %s", config->data, strerror(-err));
        return err;
    }
    return sqlite_store_restore(&restore, ret_kept, ret_error);
}
