// Where content lies, and what errors of the system mean.
#include "blob/dir/dir_private.h"

#include <errno.h>
#include <string.h>

int blob_dir_error(struct blob_dir *dir, const char *what, const char *path, int error)
{
    if (error == ENOENT)
        return ERR_NOT_FOUND;
    if (error == ENOSPC || error == EDQUOT || error == EFBIG)
        return ERR_STORE_FULL;
    log_error(dir->logger, what, LOG_S("path", path), LOG_S("reason", strerror(error)));
    return error == EMFILE || error == ENFILE ? ERR_NO_FILES : ERR_IO;
}

// A key comes from the catalogue. One that is not ours must not lead elsewhere.
static bool key_valid(struct str key)
{
    for (size_t i = 0; i < key.len; i++) {
        char c = key.data[i];
        if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || c == '.' || c == '/'))
            return false;
        if (c == '.' && (i == 0 || key.data[i - 1] == '.' || key.data[i - 1] == '/'))
            return false;
    }
    return key.len > 0 && key.len <= BLOB_KEY_MAX && key.data[0] != '/';
}

char *blob_dir_content_path(const struct blob_dir *dir, struct str key)
{
    return key_valid(key) ? xasprintf("%s/content/%.*s", dir->folder, STR_ARGS(key)) : NULL;
}
