// The adapter: opening and closing, threads.
#include "store/postgres/postgres_store.h"

#include "store/copy/mark.h"
#include "store/copy/meta.h"
#include "store/engine/write/summaries.h"
#include "store/postgres/postgres_private.h"
#include "store/schema/schema.h"
#include "util/id.h"

#define WRITERS_KEPT_MS ((int64_t)24 * 3600 * 1000) // since their last transaction

static void postgres_submit(struct store *base, struct store_op *op)
{
    engine_submit(&postgres_store_of(base)->engine, op);
}

static void postgres_stats(struct store *base, struct store_stats *ret)
{
    engine_stats(&postgres_store_of(base)->engine, ret);
}

static const char *postgres_bus_away(struct store *base)
{
    const struct peers *peers = postgres_store_of(base)->peers;
    return peers ? peers_bus_away(peers) : NULL;
}

static void stop_merger(struct postgres_store *store)
{
    pthread_mutex_lock(&store->merger_mutex);
    store->merger_ends = true;
    pthread_cond_signal(&store->merger_wake);
    pthread_mutex_unlock(&store->merger_mutex);
    if (store->merger_started)
        pthread_join(store->merger, NULL);
    store->merger_started = false;
}

static void stop_threads(struct postgres_store *store)
{
    stop_merger(store);
    engine_stop(&store->engine);
    peers_free(&store->peers);
}

static void postgres_stop(struct store *base)
{
    stop_threads(postgres_store_of(base));
}

static void postgres_free(struct store *base)
{
    struct postgres_store *store = postgres_store_of(base);
    stop_threads(store);
    transaction_release(&store->tx);
    appends_release(&store->appends);
    journal_release(&store->journal);
    if (store->sql)
        sql_free(&store->sql);
    free(store->conninfo);
    pthread_cond_destroy(&store->merger_wake);
    pthread_mutex_destroy(&store->merger_mutex);
    buf_release(&store->sealed);
    engine_release(&store->engine);
    free(store);
}

static const struct store_vtable postgres_vtable = {
    .name = "postgres",
    .submit = postgres_submit,
    .stats = postgres_stats,
    .bus_away = postgres_bus_away,
    .stop = postgres_stop,
    .free = postgres_free,
};

static struct postgres_store *store_new(const struct postgres_options *options)
{
    struct postgres_store *store = xcalloc(1, sizeof(*store));
    engine_init(&store->engine, &postgres_log);
    store->engine.base.vtable = &postgres_vtable;
    store->engine.base.logger = options->logger;
    store->engine.now_ms = options->now_ms;
    store->engine.now_arg = options->now_arg;
    store->conninfo = xstrdup(options->conninfo);
    transaction_init(&store->tx, &store->engine);
    appends_init(&store->appends);
    store->appends.event_rows = options->event_rows;
    pthread_mutex_init(&store->merger_mutex, NULL);
    postgres_cond_init(&store->merger_wake);
    store->sender = store->appends.sender = peers_sender();
    journal_init(&store->journal, options->home_ms);
    store->merge_always = options->merge_always;
    return store;
}

// --- What the store knows of itself

// Gives the value that there is, or makes it: of several nodes at once, the first one's counts.
static int meta_value(struct sql *sql, struct str name, struct str wanted, struct buf *ret)
{
    struct sql_statement *make = sql_statement(sql, POSTGRES_META_MAKE);
    sql_bind_text(make, 1, name);
    sql_bind_text(make, 2, wanted);
    int err = sql_run(make, NULL);
    CLEANUP(sql_reset) struct sql_statement *get = err == 0 ? sql_statement(sql, POSTGRES_META_GET) : NULL;
    if (err < 0)
        return err;
    sql_bind_text(get, 1, name);
    int rc = sql_row(get);
    if (rc == 1)
        buf_append_str(ret, sql_text(get, 0));
    return rc < 0 ? rc : rc == 1 ? 0 : ERR_INTERNAL;
}

// Of several servers that start on a marked copy, the others wait here for the first one.
static int renew_copy(struct postgres_store *store)
{
    uint64_t marked = 0;
    char incarnation[sizeof(store->engine.base.incarnation)];
    struct sql_statement *unmark = sql_statement(store->sql, POSTGRES_META_DELETE);
    sql_bind_text(unmark, 1, STR(STORE_BACKUP_MARK));
    int err = sql_run(unmark, &marked);
    if (err < 0 || marked == 0)
        return err;
    id_sortable(session_now_ms(&store->tx.session), incarnation);
    err = copy_meta_set(store->sql, "incarnation", str_of(incarnation));
    if (err == 0)
        err = copy_meta_set(store->sql, "restored", STR("1"));
    if (err == 0)
        err = journal_settle_all(store->sql);
    return err < 0 ? err : catalogue_executions_restored(store->sql);
}

static int load_incarnation(struct postgres_store *store)
{
    CLEANUP(buf_release) struct buf value = {0};
    char *ret = store->engine.base.incarnation;
    id_sortable(session_now_ms(&store->tx.session), ret);
    int err = meta_value(store->sql, STR("incarnation"), str_of(ret), &value);
    if (err == 0)
        snprintf(ret, sizeof(store->engine.base.incarnation), "%s", buf_cstr(&value));
    return err;
}

static int load_secret(struct postgres_store *store)
{
    CLEANUP(buf_release) struct buf value = {0};
    uint8_t *ret = store->engine.base.secret;
    char hex[2 * STORE_SECRET_LEN + 1];
    random_bytes(ret, STORE_SECRET_LEN);
    hex_encode(ret, STORE_SECRET_LEN, hex);
    int err = meta_value(store->sql, STR("secret"), str_of(hex), &value);
    return err < 0 ? err : hex_decode(buf_str(&value), ret, STORE_SECRET_LEN) ? 0 : ERR_CORRUPT;
}

// Executions that are made from now on, under an identifier that the original may have, are told from its.
static int load_restored(struct postgres_store *store)
{
    CLEANUP(sql_reset) struct sql_statement *get = sql_statement(store->sql, POSTGRES_META_GET);
    sql_bind_text(get, 1, STR("restored"));
    int rc = sql_row(get);
    store->tx.restored = rc == 1;
    return MIN(rc, 0);
}

// Of processes that have gone.
static int forget_writers(struct postgres_store *store)
{
    struct sql_statement *forget = sql_statement(store->sql, POSTGRES_WRITERS_FORGET);
    sql_bind_i64(forget, 1, WRITERS_KEPT_MS);
    return sql_run(forget, NULL);
}

static int load(struct postgres_store *store)
{
    store->purging = true; // the first slice finds out
    int err = sql_begin(store->sql, SQL_WRITE);
    if (err == 0)
        err = renew_copy(store);
    if (err == 0)
        err = load_incarnation(store);
    if (err == 0)
        err = load_secret(store);
    if (err == 0)
        err = load_restored(store);
    if (err == 0)
        err = forget_writers(store);
    if (err == 0)
        err = sql_commit(store->sql);
    if (err < 0)
        sql_rollback(store->sql);
    return err;
}

// What the database said, and what is mostly wrong if it is about rights.
static void tell_refusal(struct postgres_store *store, const char *what, struct buf *ret_error)
{
    CLEANUP(free_ptr) char *why = sql_reason(store->sql);
    bool of_rights = strstr(why, "permission denied") || strstr(why, "must be owner");
    buf_printf(ret_error, "%s: %s%s", what, why,
               of_rights
                   ? "; the server's role must own the database, or a schema that comes first in its search_path, "
                     "and all tables there"
                   : "");
}

// A copy that is not finished is not even migrated.
static int refuse_copy(struct postgres_store *store, struct buf *ret_error)
{
    int version = 0;
    int err = schema_version(store->sql, &version);
    if (err == 0)
        err = copy_mark_check(store->sql, "the database", version, ret_error);
    if (err < 0 && ret_error->len == 0)
        tell_refusal(store, "cannot read the database", ret_error);
    return err;
}

static int open_database(struct postgres_store *store, struct buf *ret_error)
{
    CLEANUP(buf_release) struct buf reason = {0};
    int err = sql_postgres_open(store->conninfo, postgres_texts, &store->sql, &reason);
    if (err < 0) {
        buf_printf(ret_error, "%s the database: %s", err == ERR_UNAVAILABLE ? "cannot reach" : "cannot use",
                   buf_cstr(&reason));
        return err;
    }
    store->tx.session.sql = store->sql;
    err = refuse_copy(store, ret_error);
    if (err < 0)
        return err;
    err = schema_migrate(store->sql, schema_newest(), &reason);
    if (err < 0) {
        buf_printf(ret_error, "cannot migrate the database to the schema %d: %s", schema_newest(), buf_cstr(&reason));
        return err;
    }
    int version = schema_newest();
    err = schema_version(store->sql, &version);
    if (err == 0 && version > schema_newest())
        log_info(store->engine.base.logger, "a newer version has made the schema, which this one can work on",
                 LOG_I("schema", version), LOG_I("known", schema_newest()));
    err = err == 0 ? load(store) : err;
    if (err < 0)
        tell_refusal(store, "cannot read the database", ret_error);
    return err;
}

static int start_threads(struct postgres_store *store, const struct postgres_options *options, struct buf *ret_error)
{
    store->engine.mirrors = options->mirrors;
    int err = summaries_init(&store->engine, options->budget);
    if (err < 0)
        return err;
    err = peers_start(store, options, &store->peers, ret_error);
    if (err < 0)
        return err;
    if (pthread_create(&store->merger, NULL, postgres_merger_main, store) != 0)
        return ERR_NOMEM;
    store->merger_started = true;
    return engine_start(&store->engine, postgres_writer_main, postgres_reader_main, options->readers, store);
}

int postgres_store_open(const struct postgres_options *options, struct buf *ret_error, struct store **ret)
{
    struct postgres_store *store = store_new(options);
    int err = open_database(store, ret_error);
    if (err == 0) {
        err = start_threads(store, options, ret_error);
        if (err < 0 && ret_error->len == 0)
            buf_append_text(ret_error, "cannot start the store's threads");
    }
    if (err < 0) {
        postgres_free(&store->engine.base);
        return err;
    }
    *ret = &store->engine.base;
    return 0;
}
