// `runnel store`: shows and migrates the schema of a store while no server runs.
#include "server/server.h"
#include "store/schema/schema.h"
#include "store/sqlite/sqlite_store.h"
#include "util/error.h"

#include <sys/stat.h>
#include <unistd.h>

static char *path_of(const struct config *config)
{
    return xasprintf("%s/runnel.db", config->data);
}

int server_store_migrate(const struct config *config, int to, struct buf *out, struct buf *ret_error)
{
    CLEANUP(free_ptr) char *path = path_of(config);
    const struct logger logger = {.fd = STDERR_FILENO, .min_level = LOG_WARNING, .form = LOG_TEXT};
    const struct sqlite_options options = {.path = path, .logger = &logger};
    int from = 0;
    umask(0077);
    to = to > 0 ? to : schema_newest();
    int err = sqlite_store_migrate(&options, to, &from, ret_error);
    if (err < 0)
        return err;
    if (from == to)
        buf_printf(out, "%s has the schema %d, as wanted; nothing was changed\n", path, from);
    else
        buf_printf(out, "%s had the schema %d and has the schema %d now\n", path, from, to);
    if (to < schema_newest())
        buf_printf(out, "a server of this version migrates it to %d when it starts: start the former version instead\n",
                   schema_newest());
    return 0;
}

static void describe(const struct schema_migration *migration, struct buf *out)
{
    buf_printf(out, "  %d %s: ", migration->number, migration->name);
    if (!migration->back)
        buf_append_text(out, "no way back");
    else
        buf_append_text(out, migration->counted_by ? "one step back, as long as nothing of it is lost by that"
                                                   : "one step back, by which nothing is lost");
    if (migration->loses)
        buf_printf(out, " (%s)", migration->loses);
    buf_append_byte(out, '\n');
}

int server_store_show(const struct config *config, struct buf *out, struct buf *ret_error)
{
    CLEANUP(free_ptr) char *path = path_of(config);
    int version = 0;
    int err = sqlite_store_schema(path, &version, ret_error);
    if (err < 0)
        return err;
    buf_printf(out, "%s has the schema %d; this program knows schemas up to %d:\n", path, version, schema_newest());
    for (const struct schema_migration *at = schema_migrations[SQL_SQLITE]; at->number > 0; at++)
        describe(at, out);
    return 0;
}
