// What retention lets go: looks through what may go, a slice at a time. model/retention.h has the rules.
#include "store/catalogue/catalogue.h"

#define LOOKS_MAX 1024 // rows and accounts that a slice looks at

struct looking {
    struct sql *sql;
    struct store_retention_look *look;
    int64_t now_ms;
    unsigned looks; // that it may still do
};

static void found(struct store_retention_look *look, int64_t row, bool by_limits)
{
    look->ret_found[look->ret_count++] = (struct retention_found){.row = row, .by_limits = by_limits};
}

// An account without rules of its own has those of the server.
static struct retention rules_over(const struct retention *rules, struct str own)
{
    struct retention retention = *rules;
    retention_parse(own, &retention); // it was checked when it was set
    return retention;
}

static bool slice_goes_on(const struct looking *it)
{
    return it->looks > 0 && it->look->ret_count < STORE_RETENTION_MAX;
}

// Ends a phase that had no more rows than it has looked at.
static void phase_begin(struct retention_cursor *cursor, enum retention_phase phase)
{
    *cursor = (struct retention_cursor){.phase = phase, .account = cursor->account};
    if (phase == RETENTION_LIMITS)
        cursor->time_ms = cursor->row = INT64_MAX;
}

// Each phase steps through the rows of its statement, and returns 1 if it was stopped before their end.
typedef void phase_row_fn(struct looking *it, const struct sql_statement *row, const struct retention *rules);

static int phase_rows(struct looking *it, struct sql_statement *rows, const struct retention *rules, phase_row_fn *each)
{
    struct retention_cursor *cursor = &it->look->cursor;
    int rc = 1;
    while (slice_goes_on(it) && (rc = sql_row(rows)) == 1) {
        it->looks--;
        cursor->row = sql_i64(rows, 0);
        cursor->time_ms = sql_i64(rows, 1);
        each(it, rows, rules);
    }
    sql_reset(&rows);
    return rc;
}

// --- Ages of their own

static void own_row(struct looking *it, const struct sql_statement *row, const struct retention *rules)
{
    (void)rules;
    found(it->look, sql_i64(row, 0), false);
}

static int own_ages(struct looking *it)
{
    const struct retention_cursor *cursor = &it->look->cursor;
    struct sql_statement *rows = sql_statement(it->sql, CATALOGUE_RETENTION_OWN);
    sql_bind_i64(rows, 1, it->now_ms);
    sql_bind_i64(rows, 2, cursor->time_ms);
    sql_bind_i64(rows, 3, cursor->row);
    sql_bind_i64(rows, 4, STORE_RETENTION_MAX + 1);
    return phase_rows(it, rows, NULL, own_row);
}

// --- Ages by an account's rules, from the oldest on

static void age_row(struct looking *it, const struct sql_statement *row, const struct retention *rules)
{
    struct retention_facts facts = {.sealed = true, .sealed_ms = sql_i64(row, 1)};
    if (status_parse(sql_text(row, 2), &facts.status) && retention_due(rules, &facts, it->now_ms))
        found(it->look, sql_i64(row, 0), false);
}

static int ages(struct looking *it, const struct retention *rules)
{
    const struct retention_cursor *cursor = &it->look->cursor;
    int64_t sealed_by = retention_sealed_by(rules, it->now_ms);
    if (sealed_by == INT64_MIN)
        return 0;
    struct sql_statement *rows = sql_statement(it->sql, CATALOGUE_RETENTION_OLDEST);
    sql_bind_i64(rows, 1, cursor->account);
    sql_bind_i64(rows, 2, sealed_by);
    sql_bind_i64(rows, 3, cursor->time_ms);
    sql_bind_i64(rows, 4, cursor->row);
    sql_bind_i64(rows, 5, LOOKS_MAX + 1);
    return phase_rows(it, rows, rules, age_row);
}

// --- An account's limits, from the newest on

static void limits_row(struct looking *it, const struct sql_statement *row, const struct retention *rules)
{
    struct retention_cursor *cursor = &it->look->cursor;
    cursor->beyond = cursor->beyond || retention_beyond(rules, &cursor->tally, sql_u64(row, 2));
    if (cursor->beyond)
        found(it->look, sql_i64(row, 0), true);
}

static int limits(struct looking *it, const struct retention *rules)
{
    const struct retention_cursor *cursor = &it->look->cursor;
    if (!retention_limits(rules))
        return 0;
    struct sql_statement *rows = sql_statement(it->sql, CATALOGUE_RETENTION_NEWEST);
    sql_bind_i64(rows, 1, cursor->account);
    sql_bind_i64(rows, 2, cursor->time_ms);
    sql_bind_i64(rows, 3, cursor->row);
    sql_bind_i64(rows, 4, LOOKS_MAX + 1);
    return phase_rows(it, rows, rules, limits_row);
}

// --- The pass

// Finds the next account, or the one that the cursor stands at. Returns 0 if there is none.
static int account_at(struct looking *it, int64_t after, int64_t *ret_account, struct retention *ret_rules)
{
    CLEANUP(sql_reset) struct sql_statement *next = sql_statement(it->sql, CATALOGUE_RETENTION_ACCOUNT_NEXT);
    sql_bind_i64(next, 1, after);
    int rc = sql_row(next);
    if (rc == 1) {
        *ret_account = sql_i64(next, 0);
        *ret_rules = rules_over(it->look->rules, sql_text(next, 1));
    }
    return rc;
}

// Looks at what is left of the cursor's account. Returns 1 if it was stopped before the end.
static int account_rest(struct looking *it, const struct retention *rules)
{
    struct retention_cursor *cursor = &it->look->cursor;
    if (cursor->phase == RETENTION_AGES) {
        int rc = ages(it, rules);
        if (rc != 0)
            return rc;
        phase_begin(cursor, RETENTION_LIMITS);
    }
    return limits(it, rules);
}

static int accounts_step(struct looking *it)
{
    struct retention_cursor *cursor = &it->look->cursor;
    struct retention rules = {0};
    int64_t account = 0;
    // The account may have been deleted since.
    int rc = account_at(it, MAX(cursor->account, 1) - 1, &account, &rules);
    if (rc <= 0) {
        it->look->ret_over = rc == 0;
        return rc;
    }
    it->looks--;
    if (account != cursor->account) {
        cursor->account = account;
        phase_begin(cursor, RETENTION_AGES);
    }
    rc = account_rest(it, &rules);
    if (rc == 0) {
        cursor->account++;
        phase_begin(cursor, RETENTION_AGES);
    }
    return MIN(rc, 0);
}

int catalogue_retention_look(struct sql *sql, struct store_retention_look *look, int64_t now_ms)
{
    struct looking it = {.sql = sql, .look = look, .now_ms = now_ms, .looks = LOOKS_MAX};
    int rc = 0;
    look->ret_count = 0;
    look->ret_over = false;
    if (look->cursor.phase == RETENTION_OWN_AGES) {
        rc = own_ages(&it);
        if (rc == 0)
            phase_begin(&look->cursor, RETENTION_AGES);
    }
    while (rc == 0 && slice_goes_on(&it) && !look->ret_over)
        rc = accounts_step(&it);
    return MIN(rc, 0);
}

int catalogue_retention_lets_go(struct sql *sql, int64_t row, const struct retention *rules, bool by_limits,
                                int64_t now_ms)
{
    CLEANUP(sql_reset) struct sql_statement *find = sql_statement(sql, CATALOGUE_RETENTION_FACTS);
    sql_bind_i64(find, 1, row);
    int rc = sql_row(find);
    if (rc <= 0)
        return rc < 0 ? rc : ERR_NOT_FOUND;
    struct retention_facts facts = {
        .sealed = sql_i64(find, 1) != 0,
        .purged = sql_i64(find, 2) != 0,
        .pinned = sql_i64(find, 3) != 0,
        .has_own = !sql_null(find, 5),
        .sealed_ms = sql_i64(find, 4),
        .own_ms = sql_i64(find, 5),
    };
    if (!status_parse(sql_text(find, 0), &facts.status))
        return ERR_CORRUPT;
    struct retention now = rules_over(rules, sql_text(find, 6));
    bool goes = by_limits ? !facts.pinned && retention_limits(&now) : retention_due(&now, &facts, now_ms);
    return goes ? 0 : ERR_CONFLICT;
}
