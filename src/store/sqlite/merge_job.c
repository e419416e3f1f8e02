#include "store/sqlite/merge_job.h"

#define MERGE_LEVEL 6

struct merge_job *merge_job_new(const struct hot *hot, int64_t row, int64_t after, int64_t last)
{
    const struct hot_entry *entry = hot_peek(hot, row);
    if (!entry)
        return NULL;
    const struct hot_piece *pieces = entry->pieces + entry->pieces_from, *end = pieces + entry->piece_count;
    while (pieces < end && pieces->id <= after)
        pieces++;
    int64_t covered = after;
    for (; pieces < end && pieces->id <= last && pieces->stored == 0; pieces++)
        covered = pieces->id;
    size_t count = 0, raw = 0;
    for (; pieces + count < end && pieces[count].id <= last && pieces[count].stored > 0; count++) {
        if (count == MERGE_PIECES_MAX || raw >= CHUNK_MERGE_RAW)
            break;
        raw += pieces[count].raw;
        covered = pieces[count].id;
    }
    if (covered == after)
        return NULL;
    struct merge_job *job = xcalloc(1, sizeof(*job));
    job->row = row;
    job->last_id = covered;
    job->piece_count = count;
    job->pieces = xcalloc(count + 1, sizeof(*job->pieces));
    memcpy(job->pieces, pieces, count * sizeof(*pieces));
    job->chunks = xcalloc(count + 1, sizeof(struct chunk *));
    job->firsts = xcalloc(count + 1, sizeof(*job->firsts));
    return job;
}

void merge_job_free(struct merge_job **job)
{
    if (!*job)
        return;
    for (size_t i = 0; i < (*job)->chunk_count; i++)
        chunk_unref(&(*job)->chunks[i]);
    free((*job)->chunks);
    free((*job)->firsts);
    free((*job)->pieces);
    free(TAKE_PTR(*job));
}

static int read_chunk(struct db *db, enum statement id, int64_t row, struct chunk **ret)
{
    CLEANUP(db_reset) sqlite3_stmt *body = db_statement(db, id);
    db_bind_i64(body, 1, row);
    int rc = db_row(body);
    if (rc <= 0)
        return rc < 0 ? rc : ERR_CORRUPT;
    struct str bytes = db_column_blob(body, 0);
    return chunk_decode_stored(bytes.data, bytes.len, ret);
}

static void read_pieces(struct merge_job *job, struct db *db)
{
    for (size_t i = 0; i < job->piece_count; i++) {
        const struct hot_piece *piece = &job->pieces[i];
        int err = read_chunk(db, STATEMENT_HOT_BODY, piece->id, &job->chunks[job->chunk_count]);
        if (err == 0)
            job->firsts[job->chunk_count++] = piece->first;
        else if (err == ERR_CORRUPT || err == ERR_TOO_LARGE)
            job->incomplete = true;
        else
            job->transient = true; // the disk or memory, not the rows: they must not be given up for it
    }
}

static bool is_sealed(struct db *db, int64_t row)
{
    CLEANUP(db_reset) sqlite3_stmt *closed = db_statement(db, STATEMENT_EXECUTION_CLOSED);
    db_bind_i64(closed, 1, row);
    return db_row(closed) == 1 && db_column_i64(closed, 0) != 0;
}

struct tail {
    uint64_t first;
    struct chunk *chunks[MERGE_REPLACED_MAX]; // descending
};

// Small chunks that end where the run begins become part of it. While the log grows only those that are not much larger than
// what is added, so that each record is rewritten a bounded number of times; all of them when it is sealed.
static void read_tail(struct merge_job *job, struct db *db, struct tail *tail)
{
    bool sealed = is_sealed(db, job->row);
    size_t raw = 0;
    for (size_t i = 0; i < job->piece_count; i++)
        raw += job->pieces[i].raw;
    tail->first = job->pieces[0].first;
    while (job->replaced_count < MERGE_REPLACED_MAX) {
        CLEANUP(db_reset) sqlite3_stmt *find = db_statement(db, STATEMENT_CHUNK_ENDING);
        db_bind_i64(find, 1, job->row);
        db_bind_u64(find, 2, tail->first);
        if (db_row(find) != 1)
            return;
        int64_t id = db_column_i64(find, 0);
        uint64_t first = db_column_u64(find, 1), count = db_column_u64(find, 2);
        size_t tail_raw = (size_t)db_column_i64(find, 3);
        bool small = tail_raw < CHUNK_DIRECT && raw + tail_raw <= CHUNK_MERGE_RAW && (sealed || tail_raw <= 4 * raw);
        if (first + count != tail->first || !small)
            return;
        if (read_chunk(db, STATEMENT_CHUNK_BODY, id, &tail->chunks[job->replaced_count]) < 0)
            return;
        job->replaced[job->replaced_count++] = id;
        tail->first = first;
        raw += tail_raw;
    }
}

void merge_job_run(struct merge_job *job, struct db *db)
{
    if (job->piece_count == 0)
        return;
    job->transient = false;
    read_pieces(job, db);
    if (job->transient) {
        for (size_t i = 0; i < job->chunk_count; i++)
            chunk_unref(&job->chunks[i]);
        job->chunk_count = 0;
        job->incomplete = false;
        return;
    }
    if (job->incomplete)
        return;
    struct tail tail;
    read_tail(job, db, &tail);
    size_t total = job->replaced_count + job->chunk_count;
    struct chunk **inputs = xcalloc(total, sizeof(struct chunk *)), *merged = NULL;
    for (size_t i = 0; i < job->replaced_count; i++)
        inputs[i] = tail.chunks[job->replaced_count - 1 - i];
    memcpy(inputs + job->replaced_count, job->chunks, job->chunk_count * sizeof(struct chunk *));
    bool whole = total > 1 && chunk_merge(inputs, total, MERGE_LEVEL, &merged) == 0;
    for (size_t i = 0; i < job->replaced_count; i++)
        chunk_unref(&inputs[i]);
    free(inputs);
    if (!whole) { // a single one moves as it is
        job->replaced_count = 0;
        return;
    }
    for (size_t i = 0; i < job->chunk_count; i++)
        chunk_unref(&job->chunks[i]);
    job->chunks[0] = merged;
    job->firsts[0] = tail.first;
    job->chunk_count = 1;
}
