#include "server/fail.h"

#include "util/buf.h"
#include "util/error.h"
#include "util/file.h"

#include <unistd.h>

int server_fail(int err, const char *fmt, const char *detail)
{
    CLEANUP(buf_release) struct buf text = {0};
    buf_append_text(&text, "runnel: ");
    buf_append_text(&text, fmt);
    if (detail && *detail) {
        buf_append_text(&text, ": ");
        buf_append_text(&text, detail);
    }
    buf_append_byte(&text, '\n');
    file_write_full(STDERR_FILENO, text.data, text.len);
    return err;
}

int server_fail_path(const char *what, const char *path, int err)
{
    CLEANUP(free_ptr) char *detail = xasprintf("%s: %s", path, error_text(err));
    return server_fail(err < ERR_END_ && err > ERR_FIRST_ ? err : ERR_IO, what, detail);
}
