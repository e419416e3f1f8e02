#include "server/storage.h"

#include "bus/bus.h"
#include "store/postgres/postgres_store.h"
#include "store/shards/shards.h"
#include "store/sqlite/sqlite_store.h"
#include "util/error.h"
#include "util/file.h"

bool storage_is_postgres(const char *address)
{
    struct str text = str_of(address);
    return str_starts(text, STR("postgres://")) || str_starts(text, STR("postgresql://")) || strchr(address, '=');
}

#define CLOSED "closed:"
#define EMPTY  "empty:" // one was there before, and is lost

static bool has_word(const char *shard, const char *word)
{
    return str_starts(str_of(shard), str_of(word));
}

static const char *address_of(const char *shard)
{
    return has_word(shard, CLOSED) ? shard + strlen(CLOSED) : has_word(shard, EMPTY) ? shard + strlen(EMPTY) : shard;
}

#include <unistd.h>

int storage_check(const struct config *config, struct buf *ret_error)
{
    if (config->store[0] && !storage_is_postgres(config->store)) {
        buf_printf(
            ret_error,
            "store: it names a database, postgres://USER@HOST/DATABASE, or as words (host=HOST dbname=DATABASE), "
            "and not \"%s\"; where the file lies is the setting data",
            config->store);
        return ERR_INVALID;
    }
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

static int check_shards(const struct config *config, struct buf *ret_error)
{
    bool shared = false, own = !config->store[0];
    if (config->shards.count >= STORE_SHARDS_MAX) {
        buf_printf(ret_error, "shards: at most %d stores besides the first one", STORE_SHARDS_MAX - 1);
        return ERR_INVALID;
    }
    for (size_t i = 0; i < config->shards.count; i++) {
        bool postgres = storage_is_postgres(address_of(config->shards.items[i]));
        shared = shared || postgres;
        own = own || !postgres;
    }
    if (!shared || !own)
        return 0;
    buf_printf(ret_error, "shards: either all stores are in PostgreSQL (also store), or all are files of this server");
    return ERR_INVALID;
}

// One of them: a database, or a folder.
static int open_one(const struct config *config, const char *address, bool is_postgres, const struct logger *logger,
                    struct budget *budget, struct buf *ret_error, struct store **ret)
{
    CLEANUP(free_ptr) char *path = xasprintf("%s/runnel.db", address);
    bool mirrors = config->loki_url[0];
    const struct sqlite_options sqlite = {
        .path = path,
        .readers = (unsigned)config->readers,
        .mirrors = mirrors,
        .logger = logger,
        .budget = budget,
    };
    const struct postgres_options postgres = {
        .conninfo = address,
        .bus = config->bus,
        .bus_credentials = config->bus_credentials,
        .bus_ca = config->bus_ca,
        .readers = (unsigned)config->readers,
        .event_rows = config->event_rows,
        .mirrors = mirrors,
        .logger = logger,
        .budget = budget,
    };
    return is_postgres ? postgres_store_open(&postgres, ret_error, ret) : sqlite_store_open(&sqlite, ret_error, ret);
}

// How it is called, without a password.
static char *name_of(const char *address, size_t number)
{
    const char *at = strrchr(address, '@');
    if (!storage_is_postgres(address))
        return xasprintf("store %zu (%s)", number, address);
    return at && strstr(address, "://")
               ? xasprintf("store %zu (PostgreSQL at %.*s)", number, (int)strcspn(at + 1, "?"), at + 1)
               : xasprintf("store %zu (PostgreSQL)", number);
}

// What is wanted to open one of them, now or when it is there again.
struct opening {
    const struct config *config;
    const struct logger *logger;
    struct budget *budget;
    size_t at;
};

static int open_shard(void *arg, struct buf *ret_error, struct store **ret)
{
    const struct opening *opening = arg;
    const char *address = address_of(opening->config->shards.items[opening->at]);
    CLEANUP(buf_release) struct buf why = {0};
    int err = storage_is_postgres(address) ? 0 : dir_make_all(address, 0700);
    if (err < 0)
        buf_printf(&why, "the folder cannot be made: %s", strerror(-err));
    else
        err = open_one(opening->config, address, storage_is_postgres(address), opening->logger, opening->budget, &why,
                       ret);
    if (err < 0) {
        CLEANUP(free_ptr) char *name = name_of(address, opening->at + 1);
        buf_printf(ret_error, "shards: %s: %s", name, buf_cstr(&why));
    }
    return err;
}

// A database that cannot be reached is waited for by the store; files are there, or something is wrong.
static int begin_shard(const struct opening *opening, struct shards_member *ret, struct buf *ret_error)
{
    const char *shard = opening->config->shards.items[opening->at];
    CLEANUP(buf_release) struct buf why = {0};
    struct opening *again = xcalloc(1, sizeof(*again));
    *again = *opening;
    *ret = (struct shards_member){
        .open = open_shard, .open_arg = again, .closed = has_word(shard, CLOSED), .empty = has_word(shard, EMPTY)};
    int err = open_shard(again, &why, &ret->store);
    if (err == ERR_UNAVAILABLE && storage_is_postgres(address_of(shard))) {
        ret->why = buf_take(&why);
        return 0;
    }
    buf_append_str(ret_error, buf_str(&why));
    return err;
}

static int open_several(const struct opening *opening, const char *home, struct buf *ret_error, struct store **ret)
{
    const struct config *config = opening->config;
    struct shards_member members[STORE_SHARDS_MAX] = {{.store = *ret}};
    char *names[STORE_SHARDS_MAX] = {name_of(home, 0)};
    size_t count = 1;
    int err = 0;
    *ret = NULL;
    for (size_t i = 0; i < config->shards.count && err == 0; i++, count++) {
        struct opening one = *opening;
        one.at = i;
        err = begin_shard(&one, &members[count], ret_error);
        names[count] = name_of(address_of(config->shards.items[i]), i + 1);
    }
    for (size_t i = 0; i < count; i++)
        members[i].name = names[i];
    const struct shards_options options = {.members = members, .count = count, .logger = opening->logger};
    if (err == 0)
        err = shards_open(&options, ret_error, ret);
    else
        for (size_t i = 0; i < count; i++) {
            store_free(&members[i].store);
            free(members[i].open_arg);
            free(members[i].why);
        }
    for (size_t i = 0; i < count; i++)
        free(names[i]);
    return err;
}

int storage_open(const struct config *config, const struct logger *logger, struct budget *budget, struct buf *ret_error,
                 struct store **ret)
{
    const char *home = config->store[0] ? config->store : config->data;
    int err = check_shards(config, ret_error);
    if (err == 0)
        err = open_one(config, home, config->store[0], logger, budget, ret_error, ret);
    if (err < 0)
        return err;
    if (config->shards.count > 0)
        return open_several(&(struct opening){config, logger, budget, 0}, home, ret_error, ret);
    CLEANUP(free_ptr) char *name = name_of(home, 0);
    err = shards_check_alone(*ret, name, ret_error);
    if (err < 0)
        store_free(ret);
    return err;
}
