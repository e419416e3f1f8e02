#include "store/postgres/days.h"

#include "store/catalogue/parts.h"
#include "store/postgres/statements.h"
#include "util/error.h"

#define DAY_MS ((int64_t)86400000)

struct day {
    int64_t number;
    int64_t begun_ms;  // 0: not yet
    int64_t kept_from; // the executions before it are purged
};

struct days {
    int64_t now_ms, last; // the last number that was given to an execution
    struct day *items;    // ascending
    size_t count;
    size_t present; // the one that executions are made in; `count`: it is not there
};

static void days_release(struct days *days)
{
    free(days->items);
}

static int64_t first_row(int64_t number)
{
    return number << LOG_PART_BITS;
}

// --- Making

static int run_with(struct sql *sql, enum postgres_statement number, int64_t first, const int64_t *second)
{
    struct sql_statement *statement = sql_statement(sql, number);
    sql_bind_i64(statement, 1, first);
    if (second)
        sql_bind_i64(statement, 2, *second);
    return sql_run(statement, NULL);
}

static int is_there(struct sql *sql, int64_t number, bool *ret)
{
    int64_t count = 0;
    struct sql_statement *find = sql_statement(sql, POSTGRES_DAY_FIND);
    sql_bind_i64(find, 1, number);
    int err = sql_number(find, &count);
    *ret = count > 0;
    return err;
}

// It is made apart and attached: that hinders neither who appends nor who reads.
static int make(struct sql *sql, int64_t number)
{
    CLEANUP(free_ptr)
    char *text =
        xasprintf("CREATE TABLE chunks_%lld(LIKE chunks INCLUDING STORAGE);"
                  "ALTER TABLE chunks ATTACH PARTITION chunks_%lld FOR VALUES FROM (%lld) TO (%lld)",
                  (long long)number, (long long)number, (long long)first_row(number), (long long)first_row(number + 1));
    int err = sql_exec(sql, text);
    return err < 0 ? err : run_with(sql, POSTGRES_DAY_ADD, number, NULL);
}

int days_make(struct sql *sql, int64_t number)
{
    bool there = false;
    int err = sql_exec(sql, "{impatient}");
    if (err == 0)
        err = sql_exec(sql, "SELECT pg_advisory_xact_lock(8269516)");
    if (err == 0)
        err = is_there(sql, number, &there);
    return err < 0 || there ? err : make(sql, number);
}

static int make_listed(struct sql *sql, struct str numbers)
{
    int64_t missing[64];
    size_t count = 0;
    CLEANUP(sql_reset) struct sql_statement *list = sql_statement(sql, POSTGRES_DAYS_MISSING);
    sql_bind_text(list, 1, numbers);
    int rc = 0;
    while (count < ARRAY_LEN(missing) && (rc = sql_row(list)) == 1)
        missing[count++] = sql_i64(list, 0);
    for (size_t i = 0; i < count && rc >= 0; i++)
        rc = days_make(sql, missing[i]);
    return MIN(rc, 0);
}

int days_make_missing(struct sql *sql, struct str numbers)
{
    int err = sql_begin(sql, SQL_WRITE);
    if (err == 0)
        err = make_listed(sql, numbers);
    if (err == 0)
        err = sql_commit(sql);
    if (err < 0)
        sql_rollback(sql);
    return err;
}

// --- Looking

static int load_days(struct sql *sql, struct days *ret)
{
    CLEANUP(sql_reset) struct sql_statement *list = sql_statement(sql, POSTGRES_DAYS_LIST);
    int rc;
    while ((rc = sql_row(list)) == 1) {
        if (ret->count % 64 == 0)
            ret->items = xrealloc(ret->items, (ret->count + 64) * sizeof(*ret->items));
        ret->items[ret->count++] = (struct day){sql_i64(list, 0), sql_i64(list, 1), sql_i64(list, 2)};
    }
    return rc;
}

static int look(struct sql *sql, int64_t now_ms, struct days *ret)
{
    CLEANUP(sql_reset) struct sql_statement *now = sql_statement(sql, POSTGRES_DAYS_NOW);
    sql_bind_i64(now, 1, now_ms);
    int rc = sql_row(now);
    if (rc != 1)
        return rc < 0 ? rc : ERR_INTERNAL;
    ret->now_ms = sql_i64(now, 0);
    ret->last = sql_i64(now, 1);
    rc = load_days(sql, ret);
    ret->present = ret->count;
    for (size_t i = 0; i < ret->count; i++)
        if (ret->items[i].number <= log_part(ret->last))
            ret->present = i;
    return rc;
}

// --- Going over to the next day

// By a clock that may have been wrong: an hour backwards makes no new day, but one that had run ahead for days does.
static bool has_ended(const struct day *day, int64_t now_ms)
{
    int64_t begun = day->begun_ms / DAY_MS, today = now_ms / DAY_MS;
    return today > begun || today < begun - 1;
}

// The number is set outside of any transaction, and at once: so the part must be committed before, and only a number
// that is smaller is replaced. Nobody else sets one, but for nextval.
static int go_over(struct sql *sql, const struct days *days, const struct day *next)
{
    int err =
        first_row(next->number) > days->last ? run_with(sql, POSTGRES_DAY_BEGIN, first_row(next->number), NULL) : 0;
    return err < 0 ? err : run_with(sql, POSTGRES_DAY_BEGUN, next->number, &days->now_ms);
}

// Returns 1 if something was changed, and there may be more to do.
static int advance(struct sql *sql, const struct days *days)
{
    int64_t number = log_part(days->last);
    const struct day *present = days->present < days->count ? &days->items[days->present] : NULL;
    const struct day *next = days->present + 1 < days->count ? present + 1 : NULL;
    int err = 0;
    if (!present)
        err = make(sql, number);
    else if (!next)
        err = make(sql, MAX(present->number, number) + 1);
    else if (present->begun_ms == 0) // it was gone over to, and not noted
        err = run_with(sql, POSTGRES_DAY_BEGUN, present->number, &days->now_ms);
    else if (has_ended(present, days->now_ms))
        err = go_over(sql, days, next);
    else
        return 0;
    return err < 0 ? err : 1;
}

// In a transaction of its own, of one at a time; whoever is not alone leaves it to the other.
static int advance_alone(struct sql *sql, int64_t now_ms, struct days *ret)
{
    int64_t alone = 0;
    int rc = sql_begin(sql, SQL_WRITE);
    if (rc == 0)
        rc = sql_exec(sql, "{impatient}");
    if (rc == 0)
        rc = sql_number(sql_statement(sql, POSTGRES_DAYS_ALONE), &alone);
    if (rc == 0 && alone)
        rc = look(sql, now_ms, ret);
    if (rc == 0 && alone)
        rc = advance(sql, ret);
    int err = rc < 0 ? rc : sql_commit(sql);
    if (err < 0)
        sql_rollback(sql);
    return err < 0 ? err : rc;
}

// --- Dropping

struct purged { // a day of which more is purged than was known
    struct day day;
    int64_t until; // the first row behind it
    int64_t kept;  // the first execution of it that is not purged; 0: none
};

// Returns 1 if an execution of that day is not purged: *ret_kept.
static int find_kept(struct sql *sql, const struct day *day, int64_t until, int64_t *ret_kept)
{
    CLEANUP(sql_reset) struct sql_statement *find = sql_statement(sql, POSTGRES_DAY_KEPT);
    sql_bind_i64(find, 1, day->kept_from);
    sql_bind_i64(find, 2, until);
    int rc = sql_row(find);
    *ret_kept = rc == 1 ? sql_i64(find, 0) : 0;
    return rc;
}

// Whoever uses the part meanwhile is waited for, long enough for the server to call off its own vacuuming; but for the
// table that all use, only for a moment, because all others wait behind it.
static int drop_held(struct sql *sql, const struct day *day, int64_t until)
{
    CLEANUP(free_ptr)
    char *hold = xasprintf("SET LOCAL lock_timeout = '1500ms'; LOCK TABLE chunks_%lld IN ACCESS EXCLUSIVE MODE",
                           (long long)day->number);
    CLEANUP(free_ptr)
    char *drop = xasprintf("SET LOCAL lock_timeout = '100ms'; DROP TABLE chunks_%lld", (long long)day->number);
    int64_t kept;
    int rc = sql_exec(sql, hold);
    if (rc == 0)
        rc = find_kept(sql, day, until, &kept); // of what was committed until the part was held
    if (rc != 0)
        return MIN(rc, 0);
    int err = run_with(sql, POSTGRES_DAY_REMOVE, day->number, NULL);
    return err < 0 ? err : sql_exec(sql, drop);
}

static int drop(struct sql *sql, const struct day *day, int64_t until, const struct logger *logger)
{
    bool there = false;
    int err = sql_begin(sql, SQL_WRITE);
    if (err == 0)
        err = sql_exec(sql, "SELECT pg_advisory_xact_lock(8269516)");
    if (err == 0)
        err = is_there(sql, day->number, &there);
    if (err == 0)
        err = there ? drop_held(sql, day, until) : run_with(sql, POSTGRES_DAY_REMOVE, day->number, NULL);
    if (err == 0)
        err = sql_commit(sql);
    if (err < 0)
        sql_rollback(sql);
    if (err == 0 && there && day->number != 0) // what was there before there were days: mostly nothing
        log_info(logger, "all that was logged on a day has expired, and has been removed", LOG_I("day", day->number));
    return err;
}

// Lists the days of which something may have changed: nothing is kept of them (0), or less than was known.
static int list_purged(struct sql *sql, int64_t present, struct purged **ret, size_t *ret_count)
{
    CLEANUP(sql_reset) struct sql_statement *list = sql_statement(sql, POSTGRES_DAYS_KEPT);
    sql_bind_i64(list, 1, present);
    int rc;
    while ((rc = sql_row(list)) == 1) {
        const struct purged found = {{.number = sql_i64(list, 0), .kept_from = sql_i64(list, 2)},
                                     .until = sql_i64(list, 1),
                                     .kept = sql_i64(list, 3)};
        if (found.kept != 0 && found.kept == found.day.kept_from)
            continue;
        if (*ret_count % 64 == 0)
            *ret = xrealloc(*ret, (*ret_count + 64) * sizeof(**ret));
        (*ret)[(*ret_count)++] = found;
    }
    return rc;
}

// How far a day is purged is remembered, so that each execution is looked at once.
static int drop_purged(struct sql *sql, int64_t present, const struct logger *logger)
{
    struct purged *found = NULL;
    size_t count = 0;
    int err = list_purged(sql, present, &found, &count);
    for (size_t i = 0; i < count && err == 0; i++)
        err = found[i].kept == 0 ? drop(sql, &found[i].day, found[i].until, logger)
                                 : run_with(sql, POSTGRES_DAY_KEPT_FROM, found[i].day.number, &found[i].kept);
    free(found);
    return err;
}

int days_tend(struct sql *sql, int64_t now_ms, const struct logger *logger)
{
    for (;;) {
        CLEANUP(days_release) struct days days = {0};
        int rc = advance_alone(sql, now_ms, &days);
        if (rc == 1)
            continue;
        return rc < 0 || days.count == 0 ? rc : drop_purged(sql, days.items[days.present].number, logger);
    }
}
