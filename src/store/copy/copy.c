// The steps: a mark in the copy, tables, records, reading back, and the mark goes. How far it is, the copy itself
// tells: rows and records come in order, so what follows the last ones is missing.
#include "store/copy/copy.h"

#include "store/copy/check.h"
#include "store/copy/logs.h"
#include "store/copy/mark.h"
#include "store/copy/meta.h"
#include "store/copy/rows.h"
#include "util/error.h"

#define COMMIT_BYTES  ((size_t)8 * 1024 * 1024)
#define TROUBLES_TOLD 10
#define TOLD_RECORDS  100000 // read back, until people are told again

// What a store knows of itself, and its copy too.
static const char *const carried[] = {COPY_INCARNATION, "secret", "restored", "shard"};

struct copy {
    const struct store_copying *copying;
    struct copy_side *from, *to;
    struct copy_progress progress;
    struct copy_writing writing;
    int64_t reached_row; // the last log of which something was there at the beginning
    uint64_t reached;    // and what followed it
    struct store_copied *copied;
    size_t troubles;   // logs that are not what they should be
    struct buf *error; // the text of the failure
    struct copy_cold cold;
    struct copy_reading reading; // of `from`
};

void copy_side_free(struct copy_side **side)
{
    struct copy_side *gone = TAKE_PTR(*side);
    if (!gone)
        return;
    free(TAKE_PTR(gone->name));
    gone->kind->free(gone);
}

void copy_side_reason(const struct copy_side *side, struct buf *out)
{
    CLEANUP(free_ptr) char *reason = sql_reason(side->sql);
    buf_append_str(out, str_trim(str_of(reason)));
}

void store_copied_release(struct store_copied *copied)
{
    buf_release(&copied->left);
}

static void tell(struct copy *it)
{
    if (it->copying->progress)
        it->copying->progress(it->copying->arg, &it->progress);
}

// --- Transactions of the copy

static int commit_only(struct copy *it)
{
    int err = sql_commit(it->to->sql);
    if (err == 0)
        tell(it);
    return err;
}

static int commit(struct copy_writing *writing)
{
    struct copy *it = CONTAINER_OF(writing, struct copy, writing);
    int err = it->to->kind->flush(it->to);
    writing->bytes = 0;
    if (err == 0)
        err = commit_only(it);
    return err < 0 ? err : sql_begin(it->to->sql, SQL_WRITE);
}

// --- The mark

static int number_of_servers(struct copy_side *side, int64_t *ret)
{
    CLEANUP(sql_statement_free) struct sql_statement *numbers = sql_prepare(side->sql, side->kind->numbers);
    int rc;
    while ((rc = sql_row(numbers)) == 1)
        if (str_eq(sql_text(numbers, 0), STR("nodes")))
            *ret = sql_i64(numbers, 1);
    return rc;
}

static int refuse_mark(struct copy *it, const struct copy_mark *mark, const struct copy_mark *found)
{
    if (str_eq(found->incarnation, mark->incarnation))
        buf_printf(it->error,
                   "a server has run on %s since this copy began, so it is not known what of it is old. "
                   "Empty %s, and begin anew",
                   it->from->name, it->to->name);
    else
        buf_printf(it->error, "%s is a copy that is not finished, of another store (%.*s). Empty it first",
                   it->to->name, STR_ARGS(found->command));
    return ERR_CONFLICT;
}

// Finds what there is of the copy, or begins it.
static int begin(struct copy *it)
{
    CLEANUP(buf_release) struct buf incarnation = {0}, found = {0}, text = {0};
    int rc = copy_meta_get(it->from->sql, COPY_INCARNATION, &incarnation);
    struct copy_mark mark = {.incarnation = buf_str(&incarnation), .command = str_of(it->copying->command)}, old;
    int err = rc < 0 ? rc : number_of_servers(it->from, &mark.servers);
    rc = err < 0 ? err : copy_meta_get(it->to->sql, COPY_MARK, &found);
    if (rc == 1) {
        copy_mark_read(buf_str(&found), &old);
        bool same = str_eq(old.incarnation, mark.incarnation) && old.servers == mark.servers;
        return same ? 0 : refuse_mark(it, &mark, &old);
    }
    copy_mark_write(&mark, &text);
    err = rc < 0 ? rc : sql_begin(it->to->sql, SQL_WRITE);
    if (err == 0)
        err = copy_meta_set(it->to->sql, COPY_MARK, buf_str(&text));
    return err < 0 ? err : commit_only(it);
}

static int carry_meta(struct copy *it)
{
    int rc = 0;
    for (size_t i = 0; i < ARRAY_LEN(carried) && rc >= 0; i++) {
        CLEANUP(buf_release) struct buf value = {0};
        rc = copy_meta_get(it->from->sql, carried[i], &value);
        if (rc == 1)
            rc = copy_meta_set(it->to->sql, carried[i], buf_str(&value));
    }
    return MIN(rc, 0);
}

// What a program must know at least to work on what is in it.
static int carry_reader(struct copy *it)
{
    CLEANUP(sql_statement_free)
    struct sql_statement *get = sql_prepare(it->from->sql, "SELECT minimum FROM schema_reader");
    CLEANUP(sql_statement_free)
    struct sql_statement *set = sql_prepare(it->to->sql, "UPDATE schema_reader SET minimum = ?1 WHERE minimum < ?1");
    int64_t minimum = 0;
    int err = sql_number(get, &minimum);
    sql_bind_i64(set, 1, minimum);
    return err < 0 ? err : sql_run(set, NULL);
}

// Numbers that were given out once are not given out again.
static int carry_numbers(struct copy *it)
{
    CLEANUP(sql_statement_free) struct sql_statement *numbers = sql_prepare(it->from->sql, it->from->kind->numbers);
    int rc, err = 0;
    while ((rc = sql_row(numbers)) == 1 && err == 0)
        if (sql_i64(numbers, 1) > 0)
            err = it->to->kind->set_number(it->to, sql_text(numbers, 0), sql_i64(numbers, 1));
    return rc < 0 ? rc : err;
}

// Nobody has it before the mark has gone, with which it has all.
static int end(struct copy *it)
{
    int64_t before = 0, now = 0;
    int err = number_of_servers(it->from, &before);
    sql_rollback(it->from->sql); // a new look
    if (err == 0)
        err = sql_begin(it->from->sql, SQL_READ);
    if (err == 0)
        err = number_of_servers(it->from, &now);
    if (err == 0)
        err = it->from->kind->check_idle(it->from, it->error);
    if (err == 0 && now != before) {
        buf_printf(it->error, "a server has run on %s meanwhile. Empty %s, and begin anew", it->from->name,
                   it->to->name);
        err = ERR_CONFLICT;
    }
    if (err == 0)
        err = sql_begin(it->to->sql, SQL_WRITE);
    if (err == 0)
        err = carry_numbers(it);
    if (err == 0)
        err = carry_meta(it);
    if (err == 0)
        err = carry_reader(it);
    if (err == 0)
        err = copy_meta_delete(it->to->sql, COPY_MARK);
    if (err == 0)
        err = sql_commit(it->to->sql);
    if (err == 0)
        (void)it->to->kind->finish(it->to);
    return err;
}

// --- Tables

static int check_text(struct copy *it, const struct copy_table *table, struct str rows)
{
    CLEANUP(free_ptr) struct str *cells = xcalloc(table->column_count, sizeof(*cells));
    while (it->to->kind->text_without_zero && rows.len > 0) {
        struct str row = copy_row_next(&rows);
        copy_row_cells(row, cells);
        for (size_t i = 0; i < table->column_count; i++) {
            bool zero = cells[i].len > 0 && memchr(cells[i].data, 0, cells[i].len);
            if (table->columns[i].type != SQL_TEXT || !cells[i].data ||
                (!zero && utf8_valid(cells[i].data, cells[i].len)))
                continue;
            buf_printf(it->error, "%s of the row ", table->columns[i].name);
            copy_row_key(table, row, it->error);
            buf_printf(it->error, " of the table %s is text that PostgreSQL cannot hold: %s. Change it in %s first",
                       table->name, zero ? "it has a zero byte" : "it is not UTF-8", it->from->name);
            return ERR_INVALID;
        }
    }
    return 0;
}

static int copy_rows(struct copy *it, const struct copy_table *table)
{
    CLEANUP(copy_scan_release) struct copy_scan scan = {.side = it->from, .table = table};
    CLEANUP(buf_release) struct buf rows = {0}, names = {0};
    size_t count = 0;
    copy_table_names(table, table->column_count, false, &names);
    int err = copy_scan_behind(&scan, it->to);
    while (err == 0 && (err = copy_scan_next(&scan, &rows, &count)) == 0 && count > 0) {
        err = check_text(it, table, buf_str(&rows));
        if (err == 0)
            err = sql_begin(it->to->sql, SQL_WRITE);
        if (err == 0)
            err = it->to->kind->insert(it->to, table, buf_cstr(&names), buf_str(&rows));
        it->progress.rows += count;
        if (err == 0)
            err = commit_only(it);
    }
    return err;
}

typedef int table_fn(struct copy *it, const struct copy_table *table);

static int each_table(struct copy *it, table_fn *work)
{
    char **names;
    size_t count;
    int err = copy_tables_list(it->from, COPY_ROWS, &names, &count);
    for (size_t i = 0; i < count && err == 0; i++) {
        CLEANUP(copy_table_release) struct copy_table table = {0};
        it->progress.table = names[i];
        err = copy_table_load(it->from, it->to, str_of(names[i]), &table, it->error);
        if (err == 0)
            err = work(it, &table);
    }
    it->progress.table = NULL;
    copy_tables_free(&names, count);
    return err;
}

// --- Records

typedef int log_fn(struct copy *it, const struct copy_log *log);

static int each_log(struct copy *it, int64_t after, log_fn *work)
{
    size_t count = 1;
    int err = 0;
    while (count > 0 && err == 0) {
        struct copy_log *logs = NULL;
        err = copy_logs_list(it->from, after, &logs, &count);
        for (size_t i = 0; i < count && err == 0; i++)
            err = work(it, &logs[i]);
        after = count > 0 ? logs[count - 1].row : after;
        free(logs);
    }
    return err;
}

static int copy_one(struct copy *it, const struct copy_log *log)
{
    uint64_t next = 0;
    int err = copy_log(&it->reading, &it->writing, log, log->row == it->reached_row ? it->reached : log->first, &next);
    it->progress.records += log->next - log->first;
    return err;
}

static int copy_logs(struct copy *it)
{
    int err = copy_logs_reached(it->to, &it->reached_row, &it->reached);
    if (err == 0)
        err = sql_begin(it->to->sql, SQL_WRITE);
    if (err == 0)
        err = each_log(it, it->reached_row - 1, copy_one);
    if (err == 0)
        err = it->to->kind->flush(it->to);
    return err < 0 ? err : commit_only(it);
}

// --- Reading back

static int check_one(struct copy *it, const struct copy_log *log)
{
    CLEANUP(buf_release) struct buf trouble = {0};
    struct store_copied *copied = it->copied;
    uint64_t before = copied->records;
    int err = copy_log_check(&it->reading, it->to, log, &copied->records, &copied->message_bytes, &trouble);
    copied->executions++;
    it->progress.records = copied->records;
    if (copied->records / TOLD_RECORDS != before / TOLD_RECORDS)
        tell(it);
    if (err != ERR_DIGEST)
        return err;
    if (it->troubles++ < TROUBLES_TOLD)
        buf_printf(it->error, "\n  %s: %s", log->execution_id, buf_cstr(&trouble));
    return 0;
}

static int check_logs(struct copy *it)
{
    CLEANUP(buf_release) struct buf told = {0};
    int err = each_log(it, 0, check_one);
    if (err < 0 || it->troubles == 0)
        return err;
    if (it->troubles > TROUBLES_TOLD)
        buf_printf(it->error, "\n  … and %zu more", it->troubles - TROUBLES_TOLD);
    buf_printf(&told,
               "%zu log%s not what %s should be, so the copy is not finished:%s\nPurge %s in %s, or put a backup "
               "in its place; then empty %s, and begin anew",
               it->troubles, it->troubles == 1 ? " is" : "s are", it->troubles == 1 ? "it" : "they",
               buf_cstr(it->error), it->troubles == 1 ? "it" : "them", it->from->name, it->to->name);
    buf_reset(it->error);
    buf_append_str(it->error, buf_str(&told));
    return ERR_DIGEST;
}

static int compare_rows(struct copy *it, const struct copy_table *table)
{
    int err = copy_rows_compare(it->from, it->to, table, &it->progress.rows, it->error);
    tell(it);
    return err;
}

static int tell_left(struct copy *it, struct buf *out)
{
    char **names;
    size_t count;
    int err = copy_tables_list(it->from, COPY_LEFT, &names, &count);
    for (size_t i = 0; i < count && err == 0; i++) {
        const char *why;
        bool told;
        int64_t rows = 0;
        copy_class_of(str_of(names[i]), &why, &told);
        if (!told)
            continue;
        CLEANUP(free_ptr) char *text = xasprintf("SELECT count(*) FROM %s", names[i]);
        CLEANUP(sql_statement_free) struct sql_statement *number = sql_prepare(it->from->sql, text);
        err = sql_number(number, &rows);
        if (err == 0 && rows > 0)
            buf_printf(out, "%s%s (%lld row%s: %s)", out->len > 0 ? ", " : "", names[i], (long long)rows,
                       rows == 1 ? "" : "s", why);
    }
    copy_tables_free(&names, count);
    return err;
}

static void forget_progress(struct copy *it, bool checking)
{
    it->progress = (struct copy_progress){.checking = checking, .of = it->progress.of};
}

static int check_all_is_there(struct copy *it)
{
    int64_t chunks = 0;
    CLEANUP(sql_statement_free)
    struct sql_statement *count = sql_prepare(it->from->sql, "SELECT count(*) FROM cold_chunks");
    int err = sql_number(count, &chunks);
    if (err < 0 || chunks == 0 || it->copying->objects.read)
        return err;
    buf_printf(it->error,
               "%lld chunks of %s lie in S3: give the settings of its server, cold and s3_…, by --config FILE or the "
               "environment (RUNNEL_COLD …)",
               (long long)chunks, it->from->name);
    return ERR_INVALID;
}

static int run(struct copy *it)
{
    int err = copy_logs_count(it->from, &it->progress.of);
    if (err == 0)
        err = begin(it);
    if (err == 0)
        err = check_all_is_there(it);
    if (err == 0)
        err = each_table(it, copy_rows);
    if (err == 0)
        err = copy_logs(it);
    forget_progress(it, true);
    if (err == 0)
        err = each_table(it, compare_rows);
    it->copied->rows = it->progress.rows;
    if (err == 0)
        err = check_logs(it);
    if (err == 0)
        err = tell_left(it, &it->copied->left);
    return err < 0 ? err : end(it);
}

static void give_reason(const struct copy_side *side, struct buf *out)
{
    CLEANUP(buf_release) struct buf reason = {0};
    copy_side_reason(side, &reason);
    bool failed = reason.len > 0 && strcmp(buf_cstr(&reason), "not an error") != 0; // SQLite's word for none
    if (failed)
        buf_printf(out, ". %s: %s", side->name, buf_cstr(&reason));
}

int copy_store(const struct store_copying *copying, struct store_copied *ret, struct buf *ret_error)
{
    struct copy it = {
        .copying = copying,
        .from = copying->from,
        .to = copying->to,
        .writing = {.to = copying->to,
                    .most = copying->commit_bytes > 0 ? copying->commit_bytes : COMMIT_BYTES,
                    .commit = commit},
        .copied = ret,
        .error = ret_error,
        .cold.error = ret_error,
    };
    it.reading = (struct copy_reading){copying->from, copying->objects.read ? &copying->objects : NULL, &it.cold};
    *ret = (struct store_copied){0};
    int err = it.from->kind->check_idle(it.from, ret_error);
    if (err == 0)
        err = it.to->kind->check_idle(it.to, ret_error);
    if (err == 0)
        err = sql_begin(it.from->sql, SQL_READ); // all of it by one snapshot
    if (err == 0)
        err = run(&it);
    if (err < 0 && ret_error->len == 0) { // which end has failed is not known; mostly only one says why
        buf_printf(ret_error, "the copy has stopped (%s); the same command goes on with it", error_text(err));
        give_reason(it.from, ret_error);
        give_reason(it.to, ret_error);
    }
    sql_rollback(it.to->sql);
    sql_rollback(it.from->sql);
    copy_cold_release(&it.cold);
    return err;
}
