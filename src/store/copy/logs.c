#include "store/copy/logs.h"

#include "util/error.h"

#define LOGS_AT_ONCE 256
#define SMALL_RAW    (CHUNK_MERGE_RAW / 2) // what has less becomes part of a larger one
#define RUN_MAX      8192                  // chunks that become one
#define LEVEL        6                     // of compression, for what is not packed again soon

// --- Which there are

#define LOGS_WHERE "FROM executions WHERE purged = 0 AND next_sequence > first_sequence"

int copy_logs_list(struct copy_side *side, int64_t after, struct copy_log **ret, size_t *ret_count)
{
    struct copy_log *logs = xcalloc(LOGS_AT_ONCE, sizeof(*logs));
    CLEANUP(sql_statement_free)
    struct sql_statement *list =
        sql_prepare(side->sql, "SELECT id, execution_id, first_sequence, next_sequence, cut_digest, digest " LOGS_WHERE
                               " AND id > ?1 ORDER BY id LIMIT ?2");
    sql_bind_i64(list, 1, after);
    sql_bind_i64(list, 2, LOGS_AT_ONCE);
    size_t count = 0;
    int rc;
    while ((rc = sql_row(list)) == 1 && count < LOGS_AT_ONCE) {
        struct copy_log *log = &logs[count++];
        *log = (struct copy_log){
            .row = sql_i64(list, 0),
            .first = sql_u64(list, 2),
            .next = sql_u64(list, 3),
            .before = sql_u64(list, 4),
            .digest = sql_u64(list, 5),
        };
        log->digest_unknown = log->first > 0 && sql_null(list, 4);
        snprintf(log->execution_id, sizeof(log->execution_id), "%.*s", STR_ARGS(sql_text(list, 1)));
    }
    *ret = logs;
    *ret_count = count;
    return MIN(rc, 0);
}

int copy_logs_count(struct copy_side *side, uint64_t *ret_records)
{
    CLEANUP(sql_statement_free)
    struct sql_statement *count = sql_prepare(
        side->sql, "SELECT CAST(coalesce(sum(next_sequence - first_sequence), 0) AS {integer}) " LOGS_WHERE);
    int64_t records = 0;
    int err = sql_number(count, &records);
    *ret_records = (uint64_t)records;
    return err;
}

int copy_logs_reached(struct copy_side *to, int64_t *ret_row, uint64_t *ret_next)
{
    CLEANUP(sql_statement_free)
    struct sql_statement *last =
        sql_prepare(to->sql, "SELECT execution, first + count FROM chunks ORDER BY execution DESC, first DESC LIMIT 1");
    int rc = sql_row(last);
    *ret_row = rc == 1 ? sql_i64(last, 0) : 0;
    *ret_next = rc == 1 ? sql_u64(last, 1) : 0;
    return MIN(rc, 0);
}

// --- Copying

// Small chunks that lie one behind the other.
struct run {
    struct chunk *chunks[RUN_MAX];
    size_t count, raw;
    uint64_t first;
    uint32_t records;
};

static void run_reset(struct run *run)
{
    for (size_t i = 0; i < run->count; i++)
        chunk_unref(&run->chunks[i]);
    run->count = run->raw = run->records = 0;
}

static int add(struct copy_writing *writing, int64_t row, uint64_t first, const struct chunk *chunk, bool refined)
{
    struct copy_side *to = writing->to;
    int err = to->kind->add(to, row, first, chunk, refined);
    writing->bytes += chunk_encoded(chunk).len;
    return err < 0 || writing->bytes < writing->most ? err : writing->commit(writing);
}

static int add_refined(struct copy_writing *writing, int64_t row, uint64_t first, const struct chunk *chunk)
{
    struct chunk *refined = chunk_refine(chunk);
    int err = add(writing, row, first, refined, true);
    chunk_unref(&refined);
    return err;
}

static int run_end(struct copy_writing *writing, int64_t row, struct run *run)
{
    struct chunk *merged = NULL;
    int err = 0;
    if (run->count > 1 && chunk_merge(run->chunks, run->count, LEVEL, &merged) == 0)
        err = add_refined(writing, row, run->first, merged);
    else
        for (size_t i = 0, at = 0; i < run->count && err == 0; at += chunk_count(run->chunks[i++]))
            err = add(writing, row, run->first + at, run->chunks[i], false);
    chunk_unref(&merged);
    run_reset(run);
    return err;
}

static bool joins(const struct run *run, const struct chunk *chunk)
{
    return run->count < RUN_MAX && run->raw < CHUNK_MERGE_RAW &&
           run->raw + chunk_raw(chunk) <= CHUNK_MERGE_RAW + SMALL_RAW &&
           run->records + chunk_count(chunk) <= CHUNK_COUNT_MAX;
}

// One that came large, and was not merged since, is packed anew, with what searches need; the others stay the same
// bytes.
static int add_large(struct copy_writing *writing, int64_t row, uint64_t first, const struct chunk *chunk)
{
    struct chunk_names names;
    if (chunk_tokens(chunk).len > 0 || chunk_names(chunk, &names))
        return add(writing, row, first, chunk, true);
    struct chunk *packed = chunk_repack(chunk, LEVEL);
    int err = add_refined(writing, row, first, packed);
    chunk_unref(&packed);
    return err;
}

static int take(struct copy_writing *writing, int64_t row, struct run *run, uint64_t first, const struct chunk *chunk)
{
    bool small = chunk_raw(chunk) < SMALL_RAW;
    int err = small && joins(run, chunk) ? 0 : run_end(writing, row, run);
    if (err < 0 || !small)
        return err < 0 ? err : add_large(writing, row, first, chunk);
    if (run->count == 0)
        run->first = first;
    run->chunks[run->count++] = chunk_ref(chunk);
    run->raw += chunk_raw(chunk);
    run->records += chunk_count(chunk);
    return 0;
}

static bool unreadable(int err)
{
    return err == ERR_CORRUPT || err == ERR_TOO_NEW || err == ERR_TOO_LARGE;
}

int copy_log(const struct copy_reading *from, struct copy_writing *writing, const struct copy_log *log, uint64_t at,
             uint64_t *ret_next)
{
    struct run *run = xcalloc(1, sizeof(*run));
    int rc = 1;
    while (at < log->next && rc == 1) {
        struct chunk *chunk = NULL;
        rc = copy_chunk(from, log->row, at, &chunk);
        uint64_t count = rc == 1 ? chunk_count(chunk) : 0;
        int err = rc == 1 ? take(writing, log->row, run, at, chunk) : 0;
        at += count;
        chunk_unref(&chunk);
        rc = err < 0 ? err : rc;
    }
    if (unreadable(rc))
        rc = 0;
    if (rc >= 0)
        rc = run_end(writing, log->row, run);
    run_reset(run);
    free(run);
    *ret_next = at;
    return MIN(rc, 0);
}

// --- Checking

struct chain { // what of a log can be read, one chunk behind the other
    uint64_t next, digest, bytes;
    int stopped; // why it does not go on: 0: nothing begins there; ERR_CORRUPT …
};

static int chain_read(const struct copy_reading *side, const struct copy_log *log, struct chain *ret)
{
    *ret = (struct chain){.next = log->first, .digest = log->before};
    int rc = 1;
    while (ret->next < log->next && rc == 1) {
        struct chunk *chunk = NULL;
        rc = copy_chunk(side, log->row, ret->next, &chunk);
        if (rc != 1)
            break;
        ret->digest = chunk_digest(chunk, ret->digest);
        ret->bytes += chunk_message_bytes(chunk);
        ret->next += chunk_count(chunk);
        chunk_unref(&chunk);
    }
    ret->stopped = MIN(rc, 0);
    return rc < 0 && !unreadable(rc) ? rc : 0;
}

static void tell_short(const struct copy_side *side, const struct copy_log *log, const struct chain *chain,
                       struct buf *out)
{
    buf_printf(out, "in %s ", side->name);
    if (chain->next == log->first)
        buf_append_text(out, "none of its records can be read");
    else
        buf_printf(out, "its records from %llu on cannot be read", (unsigned long long)chain->next);
    buf_printf(out, ": %s", chain->stopped < 0 ? error_text(chain->stopped) : "they are missing");
}

// Says at which end it is wrong.
static int judge(const struct copy_reading *reading, const struct copy_side *to, const struct copy_log *log,
                 const struct chain *copied, struct buf *ret_trouble)
{
    const struct copy_side *from = reading->side;
    struct chain kept;
    int err = chain_read(reading, log, &kept);
    if (err < 0)
        return err;
    if (kept.next != log->next) {
        tell_short(from, log, &kept, ret_trouble);
        return ERR_DIGEST;
    }
    if (!log->digest_unknown && kept.digest != log->digest) {
        buf_printf(ret_trouble, "in %s its records have the digest %016llx, and had %016llx when they were written",
                   from->name, (unsigned long long)kept.digest, (unsigned long long)log->digest);
        return ERR_DIGEST;
    }
    if (copied->next == log->next && copied->digest == kept.digest)
        return 0;
    if (copied->next != log->next)
        tell_short(to, log, copied, ret_trouble);
    else
        buf_printf(ret_trouble, "in %s its records have the digest %016llx, in %s %016llx", to->name,
                   (unsigned long long)copied->digest, from->name, (unsigned long long)kept.digest);
    return ERR_DIGEST;
}

int copy_log_check(const struct copy_reading *from, struct copy_side *to, const struct copy_log *log, uint64_t *records,
                   uint64_t *bytes, struct buf *ret_trouble)
{
    struct chain copied;
    int err = chain_read(&(struct copy_reading){.side = to}, log, &copied);
    if (err < 0)
        return err;
    *records += copied.next - log->first;
    *bytes += copied.bytes;
    bool right = copied.next == log->next && !log->digest_unknown && copied.digest == log->digest;
    return right ? 0 : judge(from, to, log, &copied, ret_trouble);
}
