// Makes large chunks of small ones, on a thread and a connection of its own. Any node may merge any log: `unmerged`
// says which ones to look at, and who looks at one has its row. What a writer appends lies behind what is merged, so
// the two do not meet; whoever takes chunks away (a merge, a cut, a purge) holds the log's chunks until its transaction
// ends.
#include "store/postgres/arrays.h"
#include "store/postgres/days.h"
#include "store/postgres/postgres_private.h"

#define SMALL_RAW      (CHUNK_MERGE_RAW / 2) // chunks with less payload are merged
#define LOOK_MAX       1024                  // chunks that are looked at, at once
#define GROWTH         4                     // a log that grows is rewritten only into something so much larger
#define MERGE_PAUSE_MS 1000                  // between two looks when there was nothing to do
#define MERGE_AGAIN_MS 60000                 // between two looks at a log that grows
#define MERGE_SEAL_MS  5000                  // a sealed log that is due within this is not hurried
#define SEALED_MAX     65536                 // logs that wait to be
#define DAYS_PAUSE_MS  60000                 // between two looks at the days
#define TEST_PAUSE_MS  50                    // the same in tests that do not wait
#define LEFT_PAUSE_MS  2000                  // between two looks for journals that were left
#define LEVEL_FINAL    6
#define LEVEL_TAIL     3 // for chunks that are merged again later

struct stored { // a chunk
    uint64_t first, end;
    size_t raw;
    bool merged;
};

struct merging {
    struct postgres_store *store;
    struct sql *sql;
    struct log_limiter failures; // with single logs
    struct buf sealed_rows;      // an array of logs that were sealed and are to be hurried
    uint64_t sealed_from_ms;     // when to do so
    int64_t row;
    bool sealed;
    uint64_t from, next_from; // where the look at this log begins, and the next one will
    struct stored chunks[LOOK_MAX];
    size_t count;
    bool more; // there is another slice of this log to look at
    uint64_t days_from_ms;
    uint64_t left_from_ms;                 // when to look for journals that were left
    bool left_failed, days_failed, failed; // and that was said
};

// --- What there is

static int list_unmerged(struct merging *it)
{
    CLEANUP(sql_reset)
    struct sql_statement *find = sql_statement_of(it->sql, POSTGRES_CHUNKS_UNMERGED, log_part(it->row));
    sql_bind_i64(find, 1, it->row);
    sql_bind_u64(find, 2, it->from);
    sql_bind_i64(find, 3, SMALL_RAW);
    sql_bind_i64(find, 4, LOOK_MAX);
    int rc = 0;
    for (it->count = 0; it->count < LOOK_MAX && (rc = sql_row(find)) == 1; it->count++) {
        uint64_t first = sql_u64(find, 0);
        it->chunks[it->count] =
            (struct stored){first, first + sql_u64(find, 1), (size_t)sql_i64(find, 2), sql_i64(find, 3) != 0};
    }
    return MIN(rc, 0);
}

// Returns how many chunks from `from` on become one: without a hole between them, and not more than a chunk may hold.
// One that came large stays alone, so that a front can be cut where it ends.
static size_t run_length(const struct merging *it, size_t from, size_t *ret_raw, size_t *ret_largest)
{
    size_t n = 0;
    *ret_raw = *ret_largest = 0;
    for (const struct stored *at = &it->chunks[from]; from + n < it->count; at++, n++) {
        bool joins = n == 0 || (at[-1].end == at->first && at->end - it->chunks[from].first <= CHUNK_COUNT_MAX);
        bool is_full = n > 0 && (*ret_raw >= CHUNK_MERGE_RAW || *ret_raw + at->raw > CHUNK_MERGE_RAW + SMALL_RAW);
        bool is_large = n > 0 && (at->raw >= SMALL_RAW || it->chunks[from].raw >= SMALL_RAW);
        if (!joins || is_full || is_large)
            break;
        *ret_raw += at->raw;
        *ret_largest = MAX(*ret_largest, at->raw);
    }
    return n;
}

// --- One run

static int load(struct merging *it, const struct stored *run, size_t count, struct chunk **ret)
{
    CLEANUP(sql_reset)
    struct sql_statement *bodies = sql_statement_of(it->sql, POSTGRES_CHUNK_BODIES, log_part(it->row));
    sql_bind_i64(bodies, 1, it->row);
    sql_bind_u64(bodies, 2, run[0].first);
    sql_bind_u64(bodies, 3, run[count - 1].first);
    int rc, err = 0;
    size_t n = 0;
    while ((rc = sql_row(bodies)) == 1 && n < count && err == 0) {
        struct str body = sql_bytes(bodies, 1);
        err = sql_u64(bodies, 0) == run[n].first ? chunk_decode_stored(body.data, body.len, &ret[n]) : ERR_CONFLICT;
        n += err == 0;
    }
    return rc < 0 ? rc : err < 0 ? err : n == count ? 0 : ERR_CONFLICT;
}

static int replace(struct merging *it, const struct stored *run, size_t count, const struct chunk *merged)
{
    CLEANUP(buf_release) struct buf row = {0};
    uint64_t gone = 0;
    struct sql_statement *remove = sql_statement_of(it->sql, POSTGRES_CHUNKS_REPLACED, log_part(it->row));
    sql_bind_i64(remove, 1, it->row);
    sql_bind_u64(remove, 2, run[0].first);
    sql_bind_u64(remove, 3, run[count - 1].end);
    int err = sql_run(remove, &gone);
    if (err == 0 && gone != count)
        err = ERR_CONFLICT; // it is not what was merged
    chunk_row_add(&row, it->row, run[0].first, merged, true);
    return err < 0 ? err : sql_postgres_copy(it->sql, CHUNK_ROWS_COPY, buf_str(&row));
}

// Returns 1 if the run is one chunk now. One that cannot be read stays as it is: reading it is an error, never a
// silence.
static int merge_run(struct merging *it, const struct stored *run, size_t count, int level)
{
    struct chunk **chunks = xcalloc(count, sizeof(struct chunk *)), *merged = NULL;
    int err = load(it, run, count, chunks);
    bool whole = err == 0 && (count > 1 ? chunk_merge(chunks, count, level, &merged) == 0
                                        : (merged = chunk_repack(chunks[0], level)) != NULL);
    for (size_t i = 0; i < count; i++)
        chunk_unref(&chunks[i]);
    free(chunks);
    if (!whole)
        return err == ERR_CORRUPT || err == ERR_TOO_NEW || err == ERR_TOO_LARGE ? 0 : err;
    struct chunk *refined = chunk_refine(merged);
    chunk_unref(&merged);
    err = replace(it, run, count, refined);
    chunk_unref(&refined);
    return err < 0 ? err : 1;
}

// The last run may go on in what comes behind it, so the next look begins with it. Where it is all that was found, and
// stays as it is, the look would find no more the next time, either.
static void go_on_from(struct merging *it, size_t last_run, bool rewritten)
{
    it->more = it->count == LOOK_MAX;
    if (it->more && last_run == 0 && !rewritten)
        it->next_from = it->chunks[it->count - 1].end;
    else
        it->next_from = it->count > 0 ? it->chunks[last_run].first : it->from;
}

static int merge_log(struct merging *it)
{
    int rc = list_unmerged(it);
    size_t last_run = 0;
    for (size_t at = 0, raw, largest, n; at < it->count && rc >= 0; at += n) {
        n = run_length(it, at, &raw, &largest);
        bool is_final = it->sealed || raw >= SMALL_RAW;
        bool is_worth = n > 1 ? is_final || raw >= GROWTH * largest : is_final && !it->chunks[at].merged;
        rc = is_worth ? merge_run(it, &it->chunks[at], n, is_final ? LEVEL_FINAL : LEVEL_TAIL) : 0;
        last_run = at;
    }
    if (rc >= 0)
        go_on_from(it, last_run, rc == 1);
    return MIN(rc, 0);
}

// --- One log

static int end_transaction(struct merging *it, int err)
{
    if (err == 0)
        err = sql_commit(it->sql);
    if (err < 0)
        sql_rollback(it->sql);
    return err;
}

// The one that is due longest. ret_looked_sealed: what was looked through of it was so when it was sealed already.
static int next_log(struct merging *it, bool *ret_looked_sealed)
{
    CLEANUP(sql_reset) struct sql_statement *next = sql_statement(it->sql, POSTGRES_UNMERGED_NEXT);
    sql_bind_i64(next, 1, it->store->merge_always ? INT64_MAX : session_now_ms(&it->store->tx.session));
    int rc = sql_row(next);
    it->row = rc == 1 ? sql_i64(next, 0) : 0;
    it->from = rc == 1 ? sql_u64(next, 1) : 0;
    *ret_looked_sealed = rc == 1 && sql_i64(next, 2) != 0;
    return rc;
}

static int hold_chunks(struct merging *it)
{
    struct sql_statement *hold = sql_statement(it->sql, POSTGRES_CHUNKS_HOLD);
    sql_bind_i64(hold, 1, it->row);
    return sql_run(hold, NULL);
}

static int leave_list(struct merging *it)
{
    struct sql_statement *leave = sql_statement(it->sql, POSTGRES_UNMERGED_DELETE);
    sql_bind_i64(leave, 1, it->row);
    return sql_run(leave, NULL);
}

static int look_again(struct merging *it)
{
    struct sql_statement *later = sql_statement(it->sql, POSTGRES_UNMERGED_LATER);
    sql_bind_i64(later, 1, it->row);
    sql_bind_i64(later, 2, session_now_ms(&it->store->tx.session) + (it->more ? 0 : MERGE_AGAIN_MS));
    sql_bind_u64(later, 3, it->next_from);
    sql_bind_i64(later, 4, it->sealed);
    return sql_run(later, NULL);
}

// What a log's chunks become when it grows no more is found from its beginning on.
static int look_through(struct merging *it, bool looked_sealed)
{
    bool purged = false;
    int err = catalogue_execution_closed(it->sql, it->row, &it->sealed, &purged);
    if (err < 0 || purged)
        return err < 0 ? err : leave_list(it);
    if (it->sealed && !looked_sealed)
        it->from = 0;
    err = merge_log(it);
    if (err < 0)
        return err;
    return it->sealed && !it->more ? leave_list(it) : look_again(it);
}

static void tell_failure(struct merging *it, int err)
{
    CLEANUP(free_ptr) char *reason = sql_reason(it->sql);
    uint64_t left_out;
    if (log_limiter_pass(&it->failures, clock_mono_ms(), &left_out))
        log_error(it->store->engine.base.logger, "a log's chunks cannot be merged; it stays readable as it is",
                  LOG_I("row", it->row), LOG_S("error", error_word(err)), LOG_S("reason", reason),
                  LOG_I("left_out", left_out));
}

// A log with which something is wrong is the one that waits longest, again and again: the others must not wait for it.
static int put_off(struct merging *it, int err)
{
    tell_failure(it, err);
    err = sql_begin(it->sql, SQL_WRITE);
    if (err == 0) {
        struct sql_statement *later = sql_statement(it->sql, POSTGRES_UNMERGED_PUT_OFF);
        sql_bind_i64(later, 1, it->row);
        sql_bind_i64(later, 2, session_now_ms(&it->store->tx.session) + MERGE_AGAIN_MS);
        err = sql_run(later, NULL);
    }
    err = end_transaction(it, err);
    return err < 0 ? err : 1;
}

// Returns 1 if there was a log to look at.
static int merge_one(struct merging *it)
{
    bool looked_sealed = false;
    int err = sql_begin(it->sql, SQL_WRITE);
    int rc = err < 0 ? err : next_log(it, &looked_sealed);
    if (rc == 1)
        err = hold_chunks(it);
    if (rc == 1 && err == 0)
        err = look_through(it, looked_sealed);
    err = rc < 0 ? rc : err;
    if (err == 0)
        err = sql_commit(it->sql);
    if (err == 0)
        return rc;
    sql_rollback(it->sql);
    bool is_its_own = rc == 1 && (!sql_is_fatal(err) || err == ERR_INTERNAL || err == ERR_CORRUPT);
    return is_its_own ? put_off(it, err) : err;
}

// --- Logs that were sealed

void postgres_merger_sealed(struct postgres_store *store, const struct transaction *tx)
{
    pthread_mutex_lock(&store->merger_mutex);
    for (size_t i = 0; i < tx->change_count; i++)
        if (tx->changes[i].sealed && !tx->changes[i].purged && store->sealed.len < SEALED_MAX * sizeof(int64_t))
            buf_append(&store->sealed, &tx->changes[i].row, sizeof(int64_t));
    pthread_mutex_unlock(&store->merger_mutex);
}

static void take_sealed(struct merging *it)
{
    pthread_mutex_lock(&it->store->merger_mutex);
    struct str rows = buf_str(&it->store->sealed);
    for (size_t at = 0; at < rows.len; at += sizeof(int64_t)) {
        int64_t row;
        memcpy(&row, rows.data + at, sizeof(row));
        array_add_i64(&it->sealed_rows, row);
    }
    buf_reset(&it->store->sealed);
    pthread_mutex_unlock(&it->store->merger_mutex);
    if (it->sealed_rows.len > 0)
        array_end(&it->sealed_rows);
}

// One that was found open was put off for a minute. The list is the server's own memory: if it is killed, they are
// looked at when that is over. A log may be held by another server's merger; the writer must not wait for that.
static int hurry_sealed(struct merging *it)
{
    uint64_t now_ms = clock_mono_ms();
    if (now_ms < it->sealed_from_ms)
        return 0;
    it->sealed_from_ms = now_ms + MERGE_PAUSE_MS;
    if (it->sealed_rows.len == 0)
        take_sealed(it);
    if (it->sealed_rows.len == 0)
        return 0;
    int err = sql_begin(it->sql, SQL_WRITE);
    if (err == 0) {
        int64_t now = session_now_ms(&it->store->tx.session);
        struct sql_statement *hurry = sql_statement(it->sql, POSTGRES_UNMERGED_SEALED);
        sql_bind_text(hurry, 1, buf_str(&it->sealed_rows));
        sql_bind_i64(hurry, 2, now);
        sql_bind_i64(hurry, 3, now + MERGE_SEAL_MS);
        err = sql_run(hurry, NULL);
    }
    err = end_transaction(it, err);
    if (err == 0)
        buf_reset(&it->sealed_rows);
    return err;
}

// --- Days

static void tend_days(struct merging *it)
{
    const struct postgres_store *store = it->store;
    uint64_t now_ms = clock_mono_ms();
    if (now_ms < it->days_from_ms)
        return;
    it->days_from_ms = now_ms + (store->merge_always ? TEST_PAUSE_MS : DAYS_PAUSE_MS);
    int err =
        days_tend(it->sql, store->engine.now_ms ? session_now_ms(&store->tx.session) : 0, store->engine.base.logger);
    bool failed = err < 0 && !sql_again(it->sql) && err != ERR_UNAVAILABLE;
    if (failed && !it->days_failed) {
        CLEANUP(free_ptr) char *reason = sql_reason(it->sql);
        log_error(store->engine.base.logger, "the tables of days cannot be made or dropped",
                  LOG_S("error", error_word(err)), LOG_S("reason", reason),
                  LOG_S("what_to_do", "let the server's role own the tables and create others beside them"));
    }
    it->days_failed = failed;
}

// --- Journals

// Of servers that were killed, or stand still. What is in the way is tried again with the next look.
static void settle_left(struct merging *it)
{
    const struct postgres_store *store = it->store;
    uint64_t now_ms = clock_mono_ms();
    if (now_ms < it->left_from_ms)
        return;
    it->left_from_ms = now_ms + (store->merge_always ? TEST_PAUSE_MS : LEFT_PAUSE_MS);
    int err = journal_settle_left(it->sql);
    bool failed = err < 0 && !sql_again(it->sql) && err != ERR_UNAVAILABLE;
    if (failed && !it->left_failed) {
        CLEANUP(free_ptr) char *reason = sql_reason(it->sql);
        log_error(store->engine.base.logger, "the journal of a server that is gone cannot be brought home",
                  LOG_S("error", error_word(err)), LOG_S("reason", reason));
    }
    it->left_failed = failed;
}

// --- The thread

static bool wait_a_while(struct postgres_store *store, unsigned ms)
{
    uint64_t until_ns = clock_mono_ns() + (uint64_t)ms * 1000000;
    struct timespec until = {.tv_sec = (time_t)(until_ns / 1000000000), .tv_nsec = (long)(until_ns % 1000000000)};
    pthread_mutex_lock(&store->merger_mutex);
    while (!store->merger_ends && ms > 0 && clock_mono_ns() < until_ns)
        pthread_cond_timedwait(&store->merger_wake, &store->merger_mutex, &until);
    bool ends = store->merger_ends;
    pthread_mutex_unlock(&store->merger_mutex);
    return !ends;
}

// What is in the way, or away, is tried again. Anything else is, too, and said once.
static int merge(struct merging *it)
{
    int rc = hurry_sealed(it);
    rc = rc < 0 ? rc : merge_one(it);
    bool failed = rc < 0 && !sql_again(it->sql) && rc != ERR_UNAVAILABLE;
    if (failed && !it->failed) {
        CLEANUP(free_ptr) char *reason = sql_reason(it->sql);
        log_error(it->store->engine.base.logger, "chunks cannot be merged; logs stay readable as they are",
                  LOG_S("error", error_word(rc)), LOG_S("reason", reason));
    }
    it->failed = failed;
    return rc;
}

void *postgres_merger_main(void *arg)
{
    struct postgres_store *store = arg;
    struct merging *it = xcalloc(1, sizeof(*it));
    it->store = store;
    unsigned pause = 0;
    while (wait_a_while(store, pause)) {
        CLEANUP(buf_release) struct buf reason = {0};
        int rc = it->sql ? 0 : sql_postgres_open(store->conninfo, postgres_texts, &it->sql, &reason);
        if (rc == 0) {
            tend_days(it);
            settle_left(it);
            rc = merge(it);
        }
        pause = rc < 0 ? POSTGRES_RETRY_MS : rc == 1 ? 0 : store->merge_always ? 1 : MERGE_PAUSE_MS;
    }
    if (it->sql)
        sql_free(&it->sql);
    buf_release(&it->sealed_rows);
    free(it);
    return NULL;
}
