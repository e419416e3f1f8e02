#include "server/storage.h"

#include "bus/bus.h"
#include "store/postgres/postgres_store.h"
#include "store/sqlite/sqlite_store.h"

#include <unistd.h>

int storage_check(const struct config *config, struct buf *ret_error)
{
    CLEANUP(buf_release) struct buf why = {0};
    const struct bus_kind *kind = NULL;
    const char *problem = NULL;
    if (bus_choose(config->bus, &kind, &why) < 0)
        problem = buf_cstr(&why);
    else if (kind == &bus_redis && !config->store[0])
        problem =
            "a server whose store is a file of its own has nobody to tell; it needs a store in PostgreSQL (store)";
    else if (kind != &bus_redis && config->bus_credentials[0])
        problem = "bus_credentials is for a Redis, and bus names none";
    else if (config->bus_ca[0] && !str_starts(str_of(config->bus), STR("rediss://")))
        problem = "bus_ca is for a Redis with TLS, rediss://HOST:PORT, and bus names none";
    if (problem)
        buf_printf(ret_error, "bus: %s", problem);
    return problem ? ERR_INVALID : 0;
}

char *storage_backups(const struct config *config)
{
    CLEANUP(free_ptr) char *working = getcwd(NULL, 0);
    char *path = config->backup_dir[0] ? xstrdup(config->backup_dir) : xasprintf("%s/backups", config->data);
    if (path[0] != '/') {
        char *relative = path;
        path = working ? xasprintf("%s/%s", working, relative) : NULL;
        free(relative);
    }
    for (size_t len = path ? strlen(path) : 0; len > 1 && path[len - 1] == '/'; len--)
        path[len - 1] = 0;
    return path;
}

int storage_open(const struct config *config, const struct logger *logger, struct budget *budget, struct buf *ret_error,
                 struct store **ret)
{
    CLEANUP(free_ptr) char *path = xasprintf("%s/runnel.db", config->data);
    bool mirrors = config->loki_url[0];
    const struct sqlite_options sqlite = {
        .path = path,
        .readers = (unsigned)config->readers,
        .mirrors = mirrors,
        .logger = logger,
        .budget = budget,
    };
    const struct postgres_options postgres = {
        .conninfo = config->store,
        .bus = config->bus,
        .bus_credentials = config->bus_credentials,
        .bus_ca = config->bus_ca,
        .readers = (unsigned)config->readers,
        .event_rows = config->event_rows,
        .mirrors = mirrors,
        .logger = logger,
        .budget = budget,
    };
    return config->store[0] ? postgres_store_open(&postgres, ret_error, ret)
                            : sqlite_store_open(&sqlite, ret_error, ret);
}
