#include "store/sqlite/merge/merge_job.h"

#include "store/sqlite/log/chunks.h"

#define LEVEL_FINAL 6
#define LEVEL_TAIL  3 // for chunks that a later round will compress again
#define GROWTH      4 // see candidates_worth

// The unpacked body of a pack.
struct unpacked {
    struct map_node node;
    int64_t id; // key of the map
    struct buf body;
};

int merge_source_open(struct merge_source *source, const char *path, const char *vfs)
{
    map_init(&source->packs);
    return db_open(&source->db, path, vfs, DB_READER);
}

static void unpacked_forget(struct map_node *node, void *arg)
{
    struct merge_source *source = arg;
    struct unpacked *pack = CONTAINER_OF(node, struct unpacked, node);
    map_remove(&source->packs, node);
    buf_release(&pack->body);
    free(pack);
}

bool merge_source_filled(const struct merge_source *source)
{
    return source->packs.count > 0;
}

void merge_source_forget(struct merge_source *source)
{
    map_each(&source->packs, unpacked_forget, source);
    merge_fold_release(&source->fold);
}

void merge_source_close(struct merge_source *source)
{
    merge_fold_release(&source->fold);
    merge_source_forget(source);
    map_release(&source->packs);
    db_close(&source->db);
}

static int unpacked_get(struct merge_source *source, int64_t id, const struct buf **ret)
{
    struct map_node *node = map_find(&source->packs, str_n((const char *)&id, sizeof(id)));
    if (node) {
        *ret = &CONTAINER_OF(node, struct unpacked, node)->body;
        return 0;
    }
    CLEANUP(db_reset) sqlite3_stmt *find = db_statement(&source->db, STATEMENT_HOT_BODY);
    db_bind_i64(find, 1, id);
    int rc = db_row(find);
    // If SQLite itself cannot read it, its file is damaged, and no statement of the writer must touch it.
    if (rc <= 0)
        return rc < 0 ? ERR_UNAVAILABLE : ERR_CORRUPT;
    struct buf body = {0};
    int err = pack_body_unpack(db_column_blob(find, 0), &body);
    if (err < 0) {
        buf_release(&body);
        return err;
    }
    struct unpacked *pack = xcalloc(1, sizeof(*pack));
    pack->id = id;
    pack->body = body;
    map_insert(&source->packs, &pack->node, str_n((const char *)&pack->id, sizeof(pack->id)));
    *ret = &pack->body;
    return 0;
}

struct merge_job *merge_job_new(const struct hot *hot, int64_t row, uint64_t from, int64_t last_id)
{
    const struct hot_entry *entry = hot_peek(hot, row);
    if (!entry)
        return NULL;
    const struct hot_piece *pieces = entry->pieces + entry->pieces_from, *last = pieces + entry->piece_count;
    while (pieces < last && pieces->first < from)
        pieces++;
    uint64_t end = from;
    bool direct = pieces < last && pieces->id <= last_id && pieces->stored == 0;
    uint64_t first = direct ? pieces->first : 0;
    if (direct)
        end = first + pieces->count;
    size_t count = 0, raw = 0, records = 0;
    for (; !direct && pieces + count < last && pieces[count].id <= last_id && pieces[count].stored > 0; count++) {
        records += pieces[count].count;
        if (count == MERGE_PIECES_MAX || raw >= CHUNK_MERGE_RAW || (count > 0 && records > CHUNK_COUNT_MAX))
            break;
        raw += pieces[count].raw;
        end = pieces[count].first + pieces[count].count;
    }
    if (end == from)
        return NULL;
    struct merge_job *job = xcalloc(1, sizeof(*job));
    job->row = row;
    job->end = end;
    job->piece_count = count;
    job->direct = direct;
    job->first = first;
    job->more = pieces + count + direct < last && pieces[count + direct].id <= last_id;
    job->pieces = xcalloc(count + 1, sizeof(*job->pieces));
    memcpy(job->pieces, pieces, count * sizeof(*pieces));
    job->chunks = xcalloc(count + 1, sizeof(struct chunk *));
    job->firsts = xcalloc(count + 1, sizeof(*job->firsts));
    job->damaged = xcalloc(count + 1, sizeof(*job->damaged));
    job->kept = xcalloc(count + 1, sizeof(*job->kept));
    return job;
}

// What was read of the run.
static void forget_read(struct merge_job *job)
{
    for (size_t i = 0; i < job->chunk_count; i++)
        chunk_unref(&job->chunks[i]);
    for (size_t i = 0; i < job->kept_count; i++)
        buf_release(&job->kept[i].bytes);
    job->chunk_count = job->kept_count = job->damaged_count = 0;
}

void merge_job_free(struct merge_job **job)
{
    if (!*job)
        return;
    forget_read(*job);
    buf_release(&(*job)->summary);
    free((*job)->chunks);
    free((*job)->firsts);
    free((*job)->damaged);
    free((*job)->kept);
    free((*job)->pieces);
    free(TAKE_PTR(*job));
}

static int read_piece(struct merge_source *source, const struct hot_piece *piece, struct chunk **ret)
{
    const struct buf *body;
    int err = unpacked_get(source, piece->id, &body);
    return err < 0 ? err : pack_chunk(body, piece, ret);
}

static int keep_piece(struct merge_job *job, struct merge_source *source, const struct hot_piece *piece)
{
    const struct buf *body;
    struct str bytes;
    int err = unpacked_get(source, piece->id, &body);
    if (err == 0)
        err = pack_chunk_bytes(body, piece, &bytes);
    if (err < 0)
        return err;
    struct merge_kept *kept = &job->kept[job->kept_count++];
    *kept = (struct merge_kept){.piece = *piece};
    buf_append_str(&kept->bytes, bytes);
    return 0;
}

static void read_pieces(struct merge_job *job, struct merge_source *source)
{
    for (size_t i = 0; i < job->piece_count; i++) {
        const struct hot_piece *piece = &job->pieces[i];
        int err = read_piece(source, piece, &job->chunks[job->chunk_count]);
        if (err == 0)
            job->firsts[job->chunk_count++] = piece->first;
        else if (err == ERR_TOO_NEW)
            job->transient = keep_piece(job, source, piece) < 0 || job->transient;
        else if (err != ERR_CORRUPT && err != ERR_TOO_LARGE)
            job->transient = true; // the disk or memory failed, and not the rows; so the rows must not be given up
        else if (job->damaged_count == 0 || job->damaged[job->damaged_count - 1] != piece->id)
            job->damaged[job->damaged_count++] = piece->id;
    }
}

static bool is_sealed(struct db *db, int64_t row)
{
    bool sealed, purged;
    return catalogue_execution_closed(db->sql, row, &sealed, &purged) == 0 && sealed;
}

// A small chunk before the run.
struct candidate {
    int64_t id;
    uint64_t first;
    size_t raw;
};

// Finds the chunks that lie before the run without a hole and may become one chunk with it; the nearest first.
static size_t find_candidates(struct db *db, const struct merge_job *job, size_t raw, struct candidate *ret)
{
    const struct hot_piece *last = &job->pieces[job->piece_count - 1];
    CLEANUP(db_reset) sqlite3_stmt *before = db_statement(db, STATEMENT_CHUNKS_BEFORE);
    uint64_t end = job->pieces[0].first;
    db_bind_i64(before, 1, job->row);
    db_bind_u64(before, 2, end);
    db_bind_i64(before, 3, MERGE_REPLACED_MAX);
    size_t count = 0;
    while (count < MERGE_REPLACED_MAX && db_row(before) == 1) {
        struct candidate *candidate = &ret[count];
        *candidate =
            (struct candidate){db_column_i64(before, 0), db_column_u64(before, 1), (size_t)db_column_i64(before, 3)};
        raw += candidate->raw;
        if (candidate->first + db_column_u64(before, 2) != end || candidate->raw >= CHUNK_DIRECT ||
            raw > CHUNK_MERGE_RAW || last->first + last->count - candidate->first > CHUNK_COUNT_MAX)
            break;
        end = candidate->first;
        count++;
    }
    return count;
}

// Returns how many of them become part of the chunk. If the log is sealed, all. While it grows, only if the new chunk
// is at least GROWTH times as large as the largest of them. So each record is rewritten log4(256 KiB / first size)
// times.
static size_t candidates_worth(const struct candidate *candidates, size_t count, size_t raw, bool sealed)
{
    size_t worth = 0, largest = 0;
    for (size_t i = 0; i < count; i++) {
        raw += candidates[i].raw;
        largest = MAX(largest, candidates[i].raw);
        if (sealed || raw >= GROWTH * largest)
            worth = i + 1;
    }
    return worth;
}

static int read_chunk(struct db *db, int64_t id, struct chunk **ret)
{
    CLEANUP(db_reset) sqlite3_stmt *body = db_statement(db, STATEMENT_CHUNK_BODY);
    db_bind_i64(body, 1, id);
    int rc = db_row(body);
    if (rc <= 0)
        return rc < 0 ? rc : ERR_CORRUPT;
    struct str bytes = db_column_blob(body, 0);
    return chunk_decode_stored(bytes.data, bytes.len, ret);
}

static size_t run_raw(const struct merge_job *job)
{
    size_t raw = 0;
    for (size_t i = 0; i < job->piece_count; i++)
        raw += job->pieces[i].raw;
    return raw;
}

struct tail {
    uint64_t first;
    struct chunk *chunks[MERGE_REPLACED_MAX]; // in descending order
    size_t raw;
};

static void read_tail(struct merge_job *job, struct db *db, bool sealed, struct tail *ret)
{
    struct candidate candidates[MERGE_REPLACED_MAX];
    *ret = (struct tail){.first = job->pieces[0].first, .raw = run_raw(job)};
    size_t count = find_candidates(db, job, ret->raw, candidates);
    count = candidates_worth(candidates, count, ret->raw, sealed);
    for (size_t i = 0; i < count; i++) {
        if (read_chunk(db, candidates[i].id, &ret->chunks[i]) < 0)
            return; // it stays where it is, and so do those before it
        job->replaced[job->replaced_count++] = candidates[i].id;
        ret->first = candidates[i].first;
        ret->raw += candidates[i].raw;
    }
}

// False if it has to be tried again, with nothing read, or if a part of it is damaged or kept: then the rest moves as
// it is.
static bool read_run(struct merge_job *job, struct merge_source *source)
{
    job->transient = false;
    read_pieces(job, source);
    if (job->transient)
        forget_read(job);
    return !job->transient && job->damaged_count == 0 && job->kept_count == 0;
}

// Adds what searches need to a chunk that came complete. It will only be written, so everything except its bytes is
// released.
static void refine(struct chunk **chunk)
{
    struct chunk *refined = chunk_refine(*chunk), *closed = NULL;
    struct str encoded = chunk_encoded(refined);
    chunk_unref(chunk);
    *chunk = chunk_decode_closed(encoded.data, encoded.len, &closed) == 0 ? closed : chunk_ref(refined);
    chunk_unref(&refined);
}

static int64_t find_direct(struct db *db, const struct merge_job *job)
{
    CLEANUP(db_reset) sqlite3_stmt *find = db_statement(db, STATEMENT_CHUNK_AT);
    db_bind_i64(find, 1, job->row);
    db_bind_u64(find, 2, job->first);
    return db_row(find) == 1 && db_column_u64(find, 1) == job->first ? db_column_i64(find, 0) : 0;
}

// What a runner sent as one chunk was packed in haste. A chunk that cannot be read stays as it is.
static void refine_direct(struct merge_job *job, struct merge_source *source)
{
    struct db *db = &source->db;
    int64_t id = find_direct(db, job);
    struct chunk *chunk = NULL;
    if (id == 0 || read_chunk(db, id, &chunk) < 0)
        return;
    merge_fold_begin(&source->fold, db, job->row, job->first);
    merge_fold_add(&source->fold, chunk, job->first);
    merge_fold_end(&source->fold, &job->summary, &job->summary_next);
    size_t before = chunk_encoded(chunk).len;
    struct chunk *packed = chunk_repack(chunk, LEVEL_FINAL);
    chunk_unref(&chunk);
    chunk = packed;
    refine(&chunk);
    if (chunk_encoded(chunk).len == before) {
        chunk_unref(&chunk);
        return;
    }
    job->replaced[job->replaced_count++] = id;
    job->chunks[job->chunk_count] = chunk;
    job->firsts[job->chunk_count++] = job->first;
}

// Counts what was read, which is decoded now.
static void fold_run(struct merge_job *job, struct merge_source *source)
{
    merge_fold_begin(&source->fold, &source->db, job->row, job->firsts[0]);
    for (size_t i = 0; i < job->chunk_count; i++)
        merge_fold_add(&source->fold, job->chunks[i], job->firsts[i]);
    merge_fold_end(&source->fold, &job->summary, &job->summary_next);
}

void merge_job_run(struct merge_job *job, struct merge_source *source)
{
    if (job->direct)
        refine_direct(job, source);
    if (job->piece_count == 0 || !read_run(job, source))
        return;
    struct tail tail;
    bool sealed = is_sealed(&source->db, job->row);
    read_tail(job, &source->db, sealed, &tail);
    if (job->more || merge_fold_worth(&source->fold, job->row, tail.raw))
        fold_run(job, source);
    size_t total = job->replaced_count + job->chunk_count;
    struct chunk **inputs = xcalloc(total, sizeof(struct chunk *)), *merged = NULL;
    for (size_t i = 0; i < job->replaced_count; i++)
        inputs[i] = tail.chunks[job->replaced_count - 1 - i];
    memcpy(inputs + job->replaced_count, job->chunks, job->chunk_count * sizeof(struct chunk *));
    int level = sealed || tail.raw >= CHUNK_DIRECT ? LEVEL_FINAL : LEVEL_TAIL;
    bool whole = total > 1 && chunk_merge(inputs, total, level, &merged) == 0;
    for (size_t i = 0; i < job->replaced_count; i++)
        chunk_unref(&inputs[i]);
    free(inputs);
    if (!whole) { // a single one moves as it is
        job->replaced_count = 0;
        return;
    }
    refine(&merged);
    for (size_t i = 0; i < job->chunk_count; i++)
        chunk_unref(&job->chunks[i]);
    job->chunks[0] = merged;
    job->firsts[0] = tail.first;
    job->chunk_count = 1;
}

int merge_job_apply(const struct merge_job *job, struct db *db)
{
    for (size_t i = 0; i < job->replaced_count; i++) {
        sqlite3_stmt *remove = db_statement(db, STATEMENT_CHUNK_DELETE);
        db_bind_i64(remove, 1, job->replaced[i]);
        int err = db_run(remove);
        if (err < 0)
            return err;
        if (sqlite3_changes(db->handle) != 1)
            return ERR_CONFLICT; // it is not what was merged
    }
    for (size_t i = 0; i < job->chunk_count; i++) {
        int err = chunk_insert(db, job->row, job->firsts[i], job->chunks[i]);
        if (err < 0)
            return err;
    }
    for (size_t i = 0; i < job->kept_count; i++) {
        int err = chunk_insert_piece(db, job->row, &job->kept[i].piece, buf_str(&job->kept[i].bytes));
        if (err < 0)
            return err;
    }
    struct str summary = buf_str(&job->summary);
    return summary.len > 0 ? catalogue_summary_set(db->sql, job->row, job->summary_next, summary) : 0;
}
