#include "store/postgres/postgres_peers.h"

#include "bus/bus.h"
#include "store/engine/hints.h"
#include "store/postgres/postgres_private.h"
#include "util/id.h"

#define LOOK_MS        1000
#define OVERLAP_MS     60000 // a transaction that told something is over by then
#define KEPT_MS        (24 * 3600 * 1000LL)
#define SWEEP_LOOKS    60
#define NEWS_AT_ONCE   4096
#define CHANNEL_PREFIX "runnel_"

struct peers {
    struct postgres_store *store;
    struct hints *hints;
    struct bus *bus;
    pthread_t thread;
    bool started;
    pthread_mutex_t mutex;
    pthread_cond_t wake;
    bool ends, due; // due: there are news
    // --- The thread's
    struct sql *sql; // NULL: not connected
    int64_t from_ms; // news made since then are read, by the database's clock; 0: it is not known yet
    int64_t *known;  // the ids that the last look has found
    size_t known_count;
    unsigned looks;
};

uint64_t peers_sender(void)
{
    uint64_t sender;
    random_bytes(&sender, sizeof(sender));
    return sender >> 1; // a BIGINT there
}

// --- Telling

int peers_tell(struct transaction *tx, const struct store_news *news, const int64_t *subjects, size_t count,
               int64_t *ret_number)
{
    CLEANUP(buf_release) struct buf list = {0};
    for (size_t i = 0; i < count; i++) {
        buf_append_byte(&list, i == 0 ? '{' : ',');
        buf_append_i64(&list, subjects[i]);
    }
    buf_append_byte(&list, '}');
    struct postgres_store *store = CONTAINER_OF(tx->session.engine, struct postgres_store, engine);
    struct sql_statement *insert = sql_statement(tx->session.sql, POSTGRES_NEWS_INSERT);
    sql_bind_u64(insert, 1, store->sender);
    sql_bind_i64(insert, 2, (int64_t)news->kind);
    sql_bind_i64(insert, 3, news->account);
    sql_bind_i64(insert, 4, news->value);
    sql_bind_text(insert, 5, news->words.data ? news->words : STR(""));
    sql_bind_text(insert, 6, buf_str(&list));
    int64_t number = 0;
    int err = sql_insert(insert, &number);
    if (ret_number)
        *ret_number = number;
    return err;
}

void peers_committed(struct peers *peers, const struct transaction *tx)
{
    if (tx->change_count == 0 && !tx->told)
        return;
    hints_add(peers->hints, tx->changes, tx->change_count);
    if (tx->told)
        hints_add_news(peers->hints);
    bus_wake(peers->bus);
}

static bool take(void *arg, struct buf *out)
{
    struct peers *peers = arg;
    return hints_take(peers->hints, out);
}

// --- Hearing

static void look_at_news(struct peers *peers)
{
    pthread_mutex_lock(&peers->mutex);
    peers->due = true;
    pthread_cond_signal(&peers->wake);
    pthread_mutex_unlock(&peers->mutex);
}

static void missed(struct peers *peers)
{
    postgres_publish(peers->store, &(struct store_change){.elsewhere = true, .missed = true}, 1);
}

static void hear(void *arg, struct str message)
{
    struct peers *peers = arg;
    struct hints_heard heard;
    if (!hints_read(message, &heard))
        return;
    bool other = heard.sender != peers->store->sender;
    if (other && heard.count > 0)
        postgres_publish(peers->store, heard.changes, heard.count);
    if (other && heard.missed)
        missed(peers);
    if (other && heard.news)
        look_at_news(peers);
    free(heard.changes);
}

static void joined(void *arg)
{
    struct peers *peers = arg;
    missed(peers);
    look_at_news(peers);
}

// --- News

static bool is_known(const struct peers *peers, int64_t id)
{
    size_t low = 0, high = peers->known_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (peers->known[middle] == id)
            return true;
        if (peers->known[middle] < id)
            low = middle + 1;
        else
            high = middle;
    }
    return false;
}

static void announce(struct peers *peers, const struct sql_statement *row)
{
    const struct store_news news = {
        .number = sql_i64(row, 0),
        .kind = (enum store_news_kind)sql_i64(row, 1),
        .account = sql_i64(row, 2),
        .subject = sql_i64(row, 3),
        .value = sql_i64(row, 4),
        .words = sql_text(row, 5),
    };
    if (news.kind < NEWS_KINDS) // else it is a newer server's, who tells those that know it
        postgres_announce(peers->store, &news);
}

static int by_number(const void *a, const void *b)
{
    int64_t one = *(const int64_t *)a, other = *(const int64_t *)b;
    return (one > other) - (one < other);
}

// They are numbered before they are visible, so a look reads those of the last minute again, and passes over what the
// look before has found.
static int read_news(struct peers *peers)
{
    int64_t *found = xmalloc(NEWS_AT_ONCE * sizeof(*found));
    size_t count = 0;
    CLEANUP(sql_reset) struct sql_statement *rows = sql_statement(peers->sql, POSTGRES_NEWS_SINCE);
    sql_bind_i64(rows, 1, peers->from_ms - OVERLAP_MS);
    sql_bind_u64(rows, 2, peers->store->sender);
    sql_bind_i64(rows, 3, NEWS_AT_ONCE);
    int rc;
    while ((rc = sql_row(rows)) == 1 && count < NEWS_AT_ONCE) {
        found[count] = sql_i64(rows, 0);
        if (!is_known(peers, found[count++]))
            announce(peers, rows);
    }
    if (rc < 0) { // what was announced is announced again
        free(found);
        return rc;
    }
    if (count == NEWS_AT_ONCE)
        postgres_announce(peers->store, &(struct store_news){.kind = NEWS_MISSED});
    qsort(found, count, sizeof(*found), by_number);
    free(peers->known);
    peers->known = found;
    peers->known_count = count;
    return 0;
}

static int look(struct peers *peers)
{
    int64_t now_ms = 0;
    int err = sql_begin(peers->sql, SQL_READ);
    if (err == 0)
        err = sql_number(sql_statement(peers->sql, POSTGRES_NEWS_NOW), &now_ms);
    bool first = peers->from_ms == 0;
    if (err == 0 && !first && now_ms - peers->from_ms > KEPT_MS - OVERLAP_MS)
        postgres_announce(peers->store, &(struct store_news){.kind = NEWS_MISSED});
    if (err == 0 && first)
        peers->from_ms = now_ms;
    if (err == 0)
        err = read_news(peers);
    if (err == 0)
        peers->from_ms = now_ms;
    sql_rollback(peers->sql);
    return err;
}

static void sweep(struct peers *peers)
{
    int err = sql_begin(peers->sql, SQL_WRITE);
    struct sql_statement *expire = err == 0 ? sql_statement(peers->sql, POSTGRES_NEWS_EXPIRE) : NULL;
    if (err == 0) {
        sql_bind_i64(expire, 1, peers->from_ms - KEPT_MS);
        err = sql_run(expire, NULL);
    }
    if (err == 0)
        err = sql_commit(peers->sql);
    if (err < 0)
        sql_rollback(peers->sql); // the next one does it
}

// Returns false when it is to end.
static bool wait_for_news(struct peers *peers)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += LOOK_MS / 1000;
    pthread_mutex_lock(&peers->mutex);
    while (!peers->ends && !peers->due && pthread_cond_timedwait(&peers->wake, &peers->mutex, &until) == 0) {
    }
    peers->due = false;
    bool goes_on = !peers->ends;
    pthread_mutex_unlock(&peers->mutex);
    return goes_on;
}

static void *peers_main(void *arg)
{
    struct peers *peers = arg;
    do {
        CLEANUP(buf_release) struct buf reason = {0};
        if (!peers->sql && sql_postgres_open(peers->store->conninfo, postgres_texts, &peers->sql, &reason) < 0)
            continue;
        look(peers);
        if (peers->looks++ % SWEEP_LOOKS == 0)
            sweep(peers);
    } while (wait_for_news(peers));
    return NULL;
}

// --- Life

static int start_bus(struct peers *peers)
{
    char channel[sizeof(CHANNEL_PREFIX) + sizeof(peers->store->engine.base.incarnation)];
    snprintf(channel, sizeof(channel), CHANNEL_PREFIX "%s", peers->store->engine.base.incarnation);
    const struct bus_options options = {
        .kind = &bus_postgres,
        .address = peers->store->conninfo,
        .channel = channel,
        .logger = peers->store->engine.base.logger,
        .take = take,
        .hear = hear,
        .joined = joined,
        .arg = peers,
    };
    return bus_start(&options, &peers->bus);
}

int peers_start(struct postgres_store *store, struct peers **ret)
{
    struct peers *peers = xcalloc(1, sizeof(*peers));
    peers->store = store;
    peers->hints = hints_new(store->sender);
    pthread_mutex_init(&peers->mutex, NULL);
    postgres_cond_init(&peers->wake);
    int err = start_bus(peers);
    peers->started = err == 0 && pthread_create(&peers->thread, NULL, peers_main, peers) == 0;
    if (peers->started) {
        *ret = peers;
        return 0;
    }
    peers_free(&peers);
    return err < 0 ? err : ERR_NOMEM;
}

void peers_free(struct peers **peers)
{
    struct peers *it = *peers;
    if (!it)
        return;
    *peers = NULL;
    pthread_mutex_lock(&it->mutex);
    it->ends = true;
    pthread_cond_signal(&it->wake);
    pthread_mutex_unlock(&it->mutex);
    if (it->started)
        pthread_join(it->thread, NULL);
    bus_free(&it->bus);
    hints_free(&it->hints);
    if (it->sql)
        sql_free(&it->sql);
    pthread_cond_destroy(&it->wake);
    pthread_mutex_destroy(&it->mutex);
    free(it->known);
    free(it);
}
