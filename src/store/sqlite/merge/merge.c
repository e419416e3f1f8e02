#include "store/sqlite/merge/merge.h"

#include "store/sqlite/merge/merge_job.h"
#include "util/clock.h"

#define RESULTS_WANTED  96  // with so many results a transaction is made for them alone
#define JOBS_MAX        192 // jobs at the merger, or merged and not committed yet
#define SLICE_NS        6000000
#define DELETE_PACKS    64
#define SEALED_DIVISOR  12
#define OVERLOAD_FACTOR 2
#define MARKER_NAME     "merge_marker"

struct merge {
    struct sqlite_store *store;
    struct merge_source source; // used by the merger
    pthread_t thread;
    bool thread_started;

    pthread_mutex_t mutex;
    pthread_cond_t wake;
    struct list_node jobs, results; // each in the order of planning; `results` holds the finished ones
    size_t result_count;
    bool running;  // the merger works on a job
    bool planned;  // this round gets no more jobs
    bool given_up; // the store cannot be read; nothing is merged until the next start
    bool stopping;

    // Used by the writer.
    bool active;
    struct merge_marker marker;    // as of the present transaction
    struct merge_marker committed; // as of the last commit
    bool finished;                 // the present transaction ends the round
    int64_t *rows;                 // the executions of the round
    size_t row_count, row_at;
    uint64_t planned_end;     // for rows[row_at]: what begins before it is planned
    size_t under_way;         // jobs that are planned and not committed
    struct list_node applied; // in the present transaction
    uint64_t since_ms;        // when the hot table was seen filled after the last round; 0: it is empty
    bool sealed;              // a log was sealed since the last round
    bool told_newer;          // that there are records of a newer version
};

// --- The marker

int merge_marker_load(struct db *db, struct merge_marker *ret)
{
    *ret = (struct merge_marker){0};
    CLEANUP(db_reset) sqlite3_stmt *get = db_statement(db, STATEMENT_META_GET);
    db_bind_text(get, 1, STR(MARKER_NAME));
    int rc = db_row(get);
    if (rc <= 0)
        return rc;
    struct str rest = db_column_text(get, 0);
    int64_t *const fields[] = {&ret->last_id, &ret->execution, &ret->end};
    for (size_t i = 0; i < ARRAY_LEN(fields); i++) {
        if (!str_to_i64(str_split(&rest, ' '), fields[i]))
            return ERR_CORRUPT;
    }
    return 0;
}

static int marker_save(struct merge *merge)
{
    char text[72];
    int len = snprintf(text, sizeof(text), "%lld %lld %lld", (long long)merge->marker.last_id,
                       (long long)merge->marker.execution, (long long)merge->marker.end);
    sqlite3_stmt *set = db_statement(&merge->store->db, STATEMENT_META_SET);
    db_bind_text(set, 1, STR(MARKER_NAME));
    db_bind_text(set, 2, str_n(text, (size_t)len));
    return db_run(set);
}

// --- The merger's thread

static struct merge_job *next_job(struct merge *merge)
{
    pthread_mutex_lock(&merge->mutex);
    while (list_empty(&merge->jobs) && !merge->stopping) {
        if (merge->planned && merge_source_filled(&merge->source)) {
            pthread_mutex_unlock(&merge->mutex); // this takes a moment, and others may wait for the mutex
            merge_source_forget(&merge->source);
            pthread_mutex_lock(&merge->mutex);
            continue;
        }
        pthread_cond_wait(&merge->wake, &merge->mutex);
    }
    struct merge_job *job = NULL;
    if (!merge->stopping) {
        job = CONTAINER_OF(merge->jobs.next, struct merge_job, node);
        list_remove(&job->node);
        merge->running = true;
    }
    pthread_mutex_unlock(&merge->mutex);
    return job;
}

// A transaction costs an fsync, so it waits for several results, or for the last one.
static bool results_ready(const struct merge *merge)
{
    return merge->result_count >= RESULTS_WANTED ||
           (merge->result_count > 0 && list_empty(&merge->jobs) && !merge->running);
}

// Returns false if the merger must stop. Errors of the disk may go away. If they do not, lines are still taken and
// read, and the operator has been told. That is better than a store that waits for its merger.
static bool pause_before_retry(struct merge *merge, unsigned tries)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec++;
    pthread_mutex_lock(&merge->mutex);
    merge->given_up = tries >= merge->store->tuning.merge_tries;
    int timed_out = 0;
    while (!merge->stopping && !merge->given_up && timed_out == 0)
        timed_out = pthread_cond_timedwait(&merge->wake, &merge->mutex, &until);
    bool go_on = !merge->stopping && !merge->given_up;
    pthread_mutex_unlock(&merge->mutex);
    return go_on;
}

static void tell_trouble(const struct merge *merge, unsigned tries)
{
    if (tries == 1)
        log_error(merge->store->engine.base.logger,
                  "what is to be merged cannot be read; it is tried again every second");
    if (tries == merge->store->tuning.merge_tries)
        log_error(merge->store->engine.base.logger,
                  "it still cannot be read; nothing is merged until the next start. Check the disk, and the file with "
                  "PRAGMA integrity_check; a backup, or sqlite3's .recover, makes a whole one.",
                  LOG_S("path", merge->store->path));
}

// Returns false if the merger must stop or has given up. Then nothing of the job is applied.
static bool run_job(struct merge *merge, struct merge_job *job)
{
    merge_job_run(job, &merge->source);
    for (unsigned tries = 1; job->transient; tries++) {
        tell_trouble(merge, tries);
        if (!pause_before_retry(merge, tries))
            return false;
        merge_job_run(job, &merge->source);
    }
    return true;
}

static void *merger_main(void *arg)
{
    struct merge *merge = arg;
    struct merge_job *job;
    while ((job = next_job(merge))) {
        if (!run_job(merge, job)) {
            merge_job_free(&job);
            break;
        }
        pthread_mutex_lock(&merge->mutex);
        list_push_back(&merge->results, &job->node);
        merge->result_count++;
        merge->running = false;
        bool ready = results_ready(merge);
        pthread_mutex_unlock(&merge->mutex);
        if (!ready)
            continue;
        queues_wake_writer(&merge->store->engine.queues);
    }
    return NULL;
}

int merge_new(struct sqlite_store *store, struct merge **ret)
{
    struct merge *merge = xcalloc(1, sizeof(*merge));
    merge->store = store;
    pthread_mutex_init(&merge->mutex, NULL);
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&merge->wake, &monotonic);
    pthread_condattr_destroy(&monotonic);
    list_init(&merge->jobs);
    list_init(&merge->results);
    list_init(&merge->applied);
    int err = merge_marker_load(&store->db, &merge->marker);
    if (err == 0)
        err = merge_source_open(&merge->source, store->path, vfs_name(store->vfs));
    if (err == 0 && pthread_create(&merge->thread, NULL, merger_main, merge) != 0)
        err = ERR_NOMEM;
    if (err < 0) {
        merge_free(&merge);
        return err;
    }
    merge->thread_started = true;
    merge->committed = merge->marker;
    if (merge->marker.last_id > 0) {
        merge->active = true;
        merge->row_count = hot_executions(&store->hot, merge->marker.last_id, &merge->rows);
    }
    *ret = merge;
    return 0;
}

static void free_jobs(struct list_node *jobs)
{
    LIST_FOR_EACH_SAFE(it, next, jobs) {
        struct merge_job *job = CONTAINER_OF(it, struct merge_job, node);
        list_remove(&job->node);
        merge_job_free(&job);
    }
}

void merge_free(struct merge **merge)
{
    if (!*merge)
        return;
    pthread_mutex_lock(&(*merge)->mutex);
    (*merge)->stopping = true;
    pthread_cond_signal(&(*merge)->wake);
    pthread_mutex_unlock(&(*merge)->mutex);
    if ((*merge)->thread_started)
        pthread_join((*merge)->thread, NULL);
    free_jobs(&(*merge)->jobs);
    free_jobs(&(*merge)->results);
    free_jobs(&(*merge)->applied);
    merge_source_close(&(*merge)->source);
    pthread_cond_destroy(&(*merge)->wake);
    pthread_mutex_destroy(&(*merge)->mutex);
    free((*merge)->rows);
    free(TAKE_PTR(*merge));
}

// --- Applying, within the writer's transaction

struct fold {
    struct db *db;
    int64_t row;
    uint64_t end;
    int err;
};

static void fold_producer(struct map_node *node, void *arg)
{
    struct fold *fold = arg;
    const struct hot_producer *producer = &CONTAINER_OF(node, struct hot_known, node)->producer;
    if (fold->err < 0 || producer->state.last_sequence >= fold->end)
        return;
    sqlite3_stmt *keep = db_statement(fold->db, STATEMENT_PRODUCER_FOLD);
    db_bind_i64(keep, 1, fold->row);
    db_bind_text(keep, 2, str_of(producer->name));
    db_bind_u64(keep, 3, producer->state.sequence.next);
    db_bind_u64(keep, 4, producer->state.sequence.last_hash);
    db_bind_u64(keep, 5, producer->state.last_counter);
    db_bind_u64(keep, 6, producer->state.last_sequence);
    if (!producer->state.sequence.digest_unknown)
        db_bind_u64(keep, 7, producer->state.sequence.digest);
    fold->err = db_run(keep);
}

// Moves what the packs tell about the execution to its own rows. What comes after the round is told again by its packs.
static int fold_state(struct sqlite_store *store, int64_t row, uint64_t end)
{
    const struct hot_entry *entry = hot_peek(&store->hot, row);
    if (!entry)
        return 0;
    struct fold fold = {&store->db, row, end, catalogue_execution_fold(store->db.sql, row, &entry->state)};
    // The visit changes nothing. map_each takes a map that is not const, for visits that do.
    map_each((struct map *)(uintptr_t)&entry->producers, fold_producer, &fold);
    return fold.err;
}

// A piece that cannot be read is kept, and not thrown away with the rest of its pack, so that somebody may still rescue
// it.
static int keep_damaged(struct sqlite_store *store, const struct merge_job *job)
{
    for (size_t i = 0; i < job->damaged_count; i++) {
        log_error(store->engine.base.logger,
                  "records of an execution cannot be read; their pack is kept in the table `damaged`",
                  LOG_I("execution_row", job->row), LOG_I("before_sequence", (int64_t)job->end),
                  LOG_I("pack", job->damaged[i]));
        sqlite3_stmt *keep = db_statement(&store->db, STATEMENT_HOT_KEEP_DAMAGED);
        db_bind_i64(keep, 1, job->damaged[i]);
        int err = db_run(keep);
        if (err < 0)
            return err;
    }
    return 0;
}

// Once for each start: there may be many of them.
static void tell_newer(struct merge *merge, const struct merge_job *job)
{
    if (job->kept_count == 0 || merge->told_newer)
        return;
    merge->told_newer = true;
    log_warn(merge->store->engine.base.logger,
             "there are records that a newer version of this program has written, and this one cannot read; they are "
             "kept as they are. Start the newer one to read them",
             LOG_S("path", merge->store->path), LOG_I("execution_row", job->row),
             LOG_I("first_sequence", (int64_t)job->kept[0].piece.first));
}

static int apply_job(struct merge *merge, const struct merge_job *job)
{
    struct sqlite_store *store = merge->store;
    bool sealed, purged;
    int err = catalogue_execution_closed(store->db.sql, job->row, &sealed, &purged);
    if (err < 0)
        return err;
    if (!purged) {
        err = merge_job_apply(job, &store->db);
        if (err == 0)
            err = fold_state(store, job->row, job->end);
        if (err < 0)
            return err;
    }
    err = keep_damaged(store, job);
    if (err < 0)
        return err;
    tell_newer(merge, job);
    merge->marker.execution = job->row;
    merge->marker.end = (int64_t)job->end;
    return 0;
}

static struct merge_job *take_result(struct merge *merge)
{
    pthread_mutex_lock(&merge->mutex);
    struct merge_job *job = NULL;
    if (!list_empty(&merge->results)) {
        job = CONTAINER_OF(merge->results.next, struct merge_job, node);
        list_remove(&job->node);
        merge->result_count--;
    }
    pthread_mutex_unlock(&merge->mutex);
    return job;
}

static int apply_results(struct merge *merge)
{
    uint64_t start_ns = clock_mono_ns();
    bool moved = false;
    struct merge_job *job;
    while (clock_mono_ns() - start_ns < SLICE_NS && (job = take_result(merge))) {
        list_push_back(&merge->applied, &job->node);
        int err = apply_job(merge, job);
        // What was merged is not what is there. Never replace what was not read: the whole transaction is given up.
        if (err < 0)
            return err == ERR_CONFLICT ? ERR_INTERNAL : err;
        moved = true;
    }
    return moved ? marker_save(merge) : 0;
}

// Everything is merged. Deleting the packs by ranges of their key frees whole pages.
static int delete_slice(struct merge *merge)
{
    struct db *db = &merge->store->db;
    sqlite3_stmt *find = db_statement(db, STATEMENT_HOT_LEAST);
    int rc = db_row(find);
    if (rc <= 0)
        return rc < 0 ? rc : ERR_INTERNAL;
    bool empty = db_column_null(find, 0);
    int64_t least = db_column_i64(find, 0);
    db_reset(&find);
    int64_t to = empty ? merge->marker.last_id : MIN(least + DELETE_PACKS - 1, merge->marker.last_id);
    sqlite3_stmt *remove = db_statement(db, STATEMENT_HOT_DELETE_TO);
    db_bind_i64(remove, 1, to);
    int err = db_run(remove);
    if (err < 0)
        return err;
    if (to < merge->marker.last_id) {
        merge->marker.execution = INT64_MAX;
        return marker_save(merge);
    }
    merge->finished = true;
    sqlite3_stmt *forget = db_statement(db, STATEMENT_META_DELETE);
    db_bind_text(forget, 1, STR(MARKER_NAME));
    return db_run(forget);
}

static bool all_merged(const struct merge *merge)
{
    return merge->active && merge->row_at == merge->row_count && merge->under_way == 0;
}

int merge_apply(struct merge *merge)
{
    if (!merge->active)
        return 0;
    return all_merged(merge) ? delete_slice(merge) : apply_results(merge);
}

void merge_committed(struct merge *merge)
{
    merge->committed = merge->marker;
    LIST_FOR_EACH_SAFE(it, next, &merge->applied) {
        struct merge_job *job = CONTAINER_OF(it, struct merge_job, node);
        hot_remove_to(&merge->store->hot, job->row, job->end);
        list_remove(&job->node);
        merge_job_free(&job);
        merge->under_way--;
    }
    if (!merge->finished)
        return;
    merge->finished = merge->active = false;
    merge->marker = merge->committed = (struct merge_marker){0};
    free(TAKE_PTR(merge->rows));
    merge->row_count = merge->row_at = 0;
}

void merge_rolled_back(struct merge *merge)
{
    merge->marker = merge->committed;
    merge->finished = false;
    // They go to the front again, in their order.
    pthread_mutex_lock(&merge->mutex);
    LIST_FOR_EACH_SAFE(it, next, &merge->applied)
        merge->result_count++;
    list_splice(&merge->applied, &merge->results);
    list_splice(&merge->results, &merge->applied);
    pthread_mutex_unlock(&merge->mutex);
}

// --- Planning

static bool is_due(struct merge *merge, uint64_t now_ms)
{
    const struct sqlite_tuning *tuning = &merge->store->tuning;
    size_t pieces;
    uint64_t bytes;
    hot_size(&merge->store->hot, &pieces, &bytes);
    if (pieces == 0) {
        merge->since_ms = 0;
        return false;
    }
    if (merge->since_ms == 0)
        merge->since_ms = now_ms;
    return pieces >= tuning->hot_pieces || bytes >= tuning->hot_bytes || merge_due_in_ms(merge, now_ms) == 0;
}

uint64_t merge_due_in_ms(struct merge *merge, uint64_t now_ms)
{
    if (merge->active || merge->since_ms == 0)
        return UINT64_MAX;
    uint64_t after = merge->store->tuning.merge_after_ms / (merge->sealed ? SEALED_DIVISOR : 1);
    uint64_t passed = now_ms - merge->since_ms;
    return passed >= after ? 0 : after - passed;
}

static void begin_round(struct merge *merge)
{
    merge->marker = merge->committed = (struct merge_marker){.last_id = merge->store->appended.hot_id};
    merge->row_count = hot_executions(&merge->store->hot, merge->marker.last_id, &merge->rows);
    merge->row_at = 0;
    merge->planned_end = 0;
    merge->active = true;
    merge->sealed = false;
    merge->since_ms = 0;
    pthread_mutex_lock(&merge->mutex);
    merge->planned = false; // before its first job, behind which nothing may be forgotten
    pthread_mutex_unlock(&merge->mutex);
}

void merge_plan(struct merge *merge, uint64_t now_ms)
{
    if (!merge->active && is_due(merge, now_ms))
        begin_round(merge);
    while (merge->active && merge->row_at < merge->row_count && merge->under_way < JOBS_MAX) {
        struct merge_job *job =
            merge_job_new(&merge->store->hot, merge->rows[merge->row_at], merge->planned_end, merge->marker.last_id);
        if (!job) {
            merge->row_at++;
            merge->planned_end = 0;
            continue;
        }
        merge->planned_end = job->end;
        merge->under_way++;
        pthread_mutex_lock(&merge->mutex);
        list_push_back(&merge->jobs, &job->node);
        pthread_cond_signal(&merge->wake);
        pthread_mutex_unlock(&merge->mutex);
    }
    pthread_mutex_lock(&merge->mutex);
    bool was_planned = merge->planned;
    merge->planned = !merge->active || merge->row_at == merge->row_count;
    if (merge->planned && !was_planned) // it may be waiting for more
        pthread_cond_signal(&merge->wake);
    pthread_mutex_unlock(&merge->mutex);
}

void merge_sealed(struct merge *merge)
{
    merge->sealed = true;
}

bool merge_ready(struct merge *merge)
{
    if (all_merged(merge))
        return true;
    pthread_mutex_lock(&merge->mutex);
    bool ready = results_ready(merge);
    pthread_mutex_unlock(&merge->mutex);
    return ready;
}

uint64_t merge_under_way_from(const struct merge *merge, int64_t row)
{
    const struct hot_entry *entry = merge->active ? hot_peek(&merge->store->hot, row) : NULL;
    if (!entry || entry->piece_count == 0)
        return UINT64_MAX;
    // What is merged and committed has left the index, so the first piece is that of its first job, if it has one.
    const struct hot_piece *piece = &entry->pieces[entry->pieces_from];
    int64_t planning = merge->row_at < merge->row_count ? merge->rows[merge->row_at] : INT64_MAX;
    bool planned = row < planning || (row == planning && piece->first < merge->planned_end);
    return planned && piece->id <= merge->marker.last_id ? piece->first : UINT64_MAX;
}

bool merge_overloaded(struct merge *merge)
{
    const struct sqlite_tuning *tuning = &merge->store->tuning;
    size_t pieces;
    uint64_t bytes;
    hot_size(&merge->store->hot, &pieces, &bytes);
    pthread_mutex_lock(&merge->mutex);
    bool given_up = merge->given_up;
    pthread_mutex_unlock(&merge->mutex);
    return merge->active && !given_up &&
           (pieces >= (size_t)tuning->hot_pieces * OVERLOAD_FACTOR ||
            bytes >= (uint64_t)tuning->hot_bytes * OVERLOAD_FACTOR);
}
