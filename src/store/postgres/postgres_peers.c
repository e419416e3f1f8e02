#include "store/postgres/postgres_peers.h"

#include "model/news.h"
#include "store/engine/hints.h"
#include "store/postgres/arrays.h"
#include "store/postgres/postgres_private.h"
#include "util/id.h"

#define LOOK_MS        1000
#define KEPT_MS        (24 * 3600 * 1000LL)
#define SWEEP_LOOKS    60
#define NEWS_AT_ONCE   4096
#define NEWS_REST_MS   50    // between two looks because of hints
#define FAILOVER_MS    60000 // by so much the clocks of two primaries may differ
#define UNSURE_MAX     64    // the writer takes half a minute for each
#define CHANNEL_PREFIX "runnel_"

struct peers {
    struct postgres_store *store;
    struct hints *hints;
    struct bus *bus; // NULL: none
    pthread_t thread;
    bool started;
    pthread_mutex_t mutex;
    pthread_cond_t wake;
    bool ends, due;              // due: there are news
    uint64_t unsure[UNSURE_MAX]; // own transactions of which it is not known whether they are there
    size_t unsure_count;
    // --- The thread's
    struct sql *sql;   // NULL: not connected
    int64_t looked_ms; // when the last look was, by the database's clock
    int64_t timeline;  // of the server's history, then
    struct news_place place;
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
    for (size_t i = 0; i < count; i++)
        array_add_i64(&list, subjects[i]);
    array_end(&list);
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
    if (!peers->bus)
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
    store_publish(&peers->store->engine.base, &(struct store_change){.elsewhere = true, .missed = true}, 1);
}

static void hear(void *arg, struct str message)
{
    struct peers *peers = arg;
    struct hints_heard heard;
    if (!hints_read(message, &heard))
        return;
    bool other = heard.sender != peers->store->sender;
    if (other && heard.count > 0)
        store_publish(&peers->store->engine.base, heard.changes, heard.count);
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
        store_announce(&peers->store->engine.base, &news);
}

// What was announced by a look that fails is announced again.
static int read_news(struct peers *peers, int64_t oldest)
{
    struct news_place *place = &peers->place;
    int64_t transaction = 0, id = 0;
    size_t count = 0;
    news_look(place, oldest);
    CLEANUP(sql_reset) struct sql_statement *rows = sql_statement(peers->sql, POSTGRES_NEWS_SINCE);
    sql_bind_i64(rows, 1, place->transaction);
    sql_bind_u64(rows, 2, peers->store->sender);
    sql_bind_i64(rows, 3, NEWS_AT_ONCE);
    sql_bind_i64(rows, 4, place->id);
    int rc = 0;
    while (count < NEWS_AT_ONCE && (rc = sql_row(rows)) == 1) {
        count++;
        id = sql_i64(rows, 0);
        transaction = sql_i64(rows, 6);
        if (news_found(place, id))
            announce(peers, rows);
    }
    if (rc < 0)
        return rc;
    bool whole = count < NEWS_AT_ONCE;
    news_read(place, whole, transaction, id);
    if (!whole)
        look_at_news(peers);
    return 0;
}

// --- Own transactions whose outcome nobody has heard

void peers_unsure(struct peers *peers, uint64_t transaction)
{
    pthread_mutex_lock(&peers->mutex);
    if (peers->unsure_count < UNSURE_MAX)
        peers->unsure[peers->unsure_count++] = transaction;
    pthread_mutex_unlock(&peers->mutex);
}

static void forget_unsure(struct peers *peers, uint64_t transaction)
{
    pthread_mutex_lock(&peers->mutex);
    for (size_t i = 0; i < peers->unsure_count; i++)
        if (peers->unsure[i] == transaction)
            peers->unsure[i--] = peers->unsure[--peers->unsure_count];
    pthread_mutex_unlock(&peers->mutex);
}

// Its watchers have heard nothing of it either, so they look.
static int hear_own(struct peers *peers, uint64_t transaction)
{
    CLEANUP(sql_reset) struct sql_statement *rows = sql_statement(peers->sql, POSTGRES_NEWS_OWN);
    sql_bind_u64(rows, 1, transaction);
    sql_bind_u64(rows, 2, peers->store->sender);
    int rc;
    while ((rc = sql_row(rows)) == 1)
        announce(peers, rows);
    if (rc < 0)
        return rc;
    missed(peers);
    forget_unsure(peers, transaction);
    return 0;
}

// Which one it is the database had not told yet, so it may be any that has begun until now.
static void number_unknown(struct peers *peers, int64_t next)
{
    for (size_t i = 0; i < peers->unsure_count; i++)
        if (peers->unsure[i] == 0)
            peers->unsure[i] = (uint64_t)next;
}

// One that is older than all that are under way is over. One that another primary has never heard of is not, for long:
// then others get its number, and what this server has told by those is announced to it, which changes nothing.
static int look_at_own(struct peers *peers, int64_t oldest, int64_t next)
{
    uint64_t unsure[UNSURE_MAX];
    pthread_mutex_lock(&peers->mutex);
    number_unknown(peers, next);
    size_t count = peers->unsure_count;
    memcpy(unsure, peers->unsure, count * sizeof(*unsure));
    pthread_mutex_unlock(&peers->mutex);
    int err = 0;
    for (size_t i = 0; i < count && err == 0; i++)
        if (unsure[i] < (uint64_t)oldest)
            err = hear_own(peers, unsure[i]);
    return err;
}

// --- A look

struct now {
    int64_t ms, oldest, timeline, next;
};

static int read_now(struct sql *sql, struct now *ret)
{
    CLEANUP(sql_reset) struct sql_statement *now = sql_statement(sql, POSTGRES_NEWS_NOW);
    int rc = sql_row(now);
    if (rc <= 0)
        return rc < 0 ? rc : ERR_INTERNAL;
    *ret = (struct now){
        .ms = sql_i64(now, 0), .oldest = sql_i64(now, 1), .timeline = sql_i64(now, 2), .next = sql_i64(now, 3)};
    return 0;
}

// Another server is the primary now. It gives out again numbers of transactions that it had not heard of, so what is
// new may have a lower one than what was the oldest on the former.
static int go_back(struct peers *peers, int64_t oldest)
{
    CLEANUP(sql_reset) struct sql_statement *first = sql_statement(peers->sql, POSTGRES_NEWS_FIRST_SINCE);
    sql_bind_i64(first, 1, peers->looked_ms - FAILOVER_MS);
    sql_bind_i64(first, 2, oldest);
    int64_t number = 0;
    int err = sql_number(first, &number);
    if (err == 0)
        news_go_back(&peers->place, MIN(number, oldest));
    return err;
}

static int look(struct peers *peers)
{
    struct now now = {0};
    int err = sql_begin(peers->sql, SQL_READ); // all of it by one snapshot
    if (err == 0)
        err = read_now(peers->sql, &now);
    if (err == 0 && now.timeline != peers->timeline)
        err = go_back(peers, now.oldest);
    if (err == 0 && now.ms - peers->looked_ms > KEPT_MS - SWEEP_LOOKS * LOOK_MS)
        store_announce(&peers->store->engine.base, &(struct store_news){.kind = NEWS_MISSED});
    if (err == 0)
        err = read_news(peers, now.oldest);
    if (err == 0)
        err = look_at_own(peers, now.oldest, now.next);
    if (err == 0) {
        peers->looked_ms = now.ms;
        peers->timeline = now.timeline;
    }
    sql_rollback(peers->sql);
    return err;
}

static void sweep(struct peers *peers)
{
    int err = sql_begin(peers->sql, SQL_WRITE);
    struct sql_statement *expire = err == 0 ? sql_statement(peers->sql, POSTGRES_NEWS_EXPIRE) : NULL;
    if (err == 0) {
        sql_bind_i64(expire, 1, peers->looked_ms - KEPT_MS);
        err = sql_run(expire, NULL);
    }
    if (err == 0)
        err = sql_commit(peers->sql);
    if (err < 0)
        sql_rollback(peers->sql); // the next one does it
}

static struct timespec after_ms(uint64_t ms)
{
    uint64_t ns = clock_mono_ns() + ms * 1000000;
    return (struct timespec){.tv_sec = (time_t)(ns / 1000000000), .tv_nsec = (long)(ns % 1000000000)};
}

// Returns false when it is to end.
static bool wait_for_news(struct peers *peers)
{
    const struct timespec rested = after_ms(NEWS_REST_MS), until = after_ms(LOOK_MS);
    pthread_mutex_lock(&peers->mutex);
    while (!peers->ends && pthread_cond_timedwait(&peers->wake, &peers->mutex, &rested) == 0) {
    }
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

static int start_bus(struct peers *peers, const struct postgres_options *wanted, struct buf *ret_reason)
{
    const char *words = wanted->bus ? wanted->bus : "notify";
    const struct bus_kind *kind = NULL;
    int err = bus_choose(words, &kind, ret_reason);
    if (err < 0 || !kind)
        return err;
    char channel[sizeof(CHANNEL_PREFIX) + sizeof(peers->store->engine.base.incarnation)];
    snprintf(channel, sizeof(channel), CHANNEL_PREFIX "%s", peers->store->engine.base.incarnation);
    const struct bus_options options = {
        .kind = kind,
        .address = kind == &bus_postgres ? peers->store->conninfo : words,
        .credentials = wanted->bus_credentials,
        .ca_file = wanted->bus_ca,
        .channel = channel,
        .logger = peers->store->engine.base.logger,
        .take = take,
        .hear = hear,
        .joined = joined,
        .arg = peers,
    };
    return bus_start(&options, &peers->bus);
}

// What is told from now on is heard: nothing was read of the store yet that may be remembered.
static int begin_here(struct peers *peers)
{
    struct sql *sql = peers->store->sql;
    struct now now = {0};
    int err = sql_begin(sql, SQL_READ);
    if (err == 0)
        err = read_now(sql, &now);
    sql_rollback(sql);
    peers->looked_ms = now.ms;
    news_begin(&peers->place, now.oldest);
    peers->timeline = now.timeline;
    return err;
}

int peers_start(struct postgres_store *store, const struct postgres_options *options, struct peers **ret,
                struct buf *ret_reason)
{
    struct peers *peers = xcalloc(1, sizeof(*peers));
    peers->store = store;
    peers->hints = hints_new(store->sender);
    pthread_mutex_init(&peers->mutex, NULL);
    postgres_cond_init(&peers->wake);
    int err = begin_here(peers);
    if (err == 0)
        err = start_bus(peers, options, ret_reason);
    peers->started = err == 0 && pthread_create(&peers->thread, NULL, peers_main, peers) == 0;
    if (peers->started) {
        *ret = peers;
        return 0;
    }
    peers_free(&peers);
    return err < 0 ? err : ERR_NOMEM;
}

const char *peers_bus_away(const struct peers *peers)
{
    return peers->bus ? bus_away(peers->bus) : NULL;
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
    news_release(&it->place);
    free(it);
}
