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

static struct retention_own own_limits(const struct sql_statement *row, int at)
{
    return (struct retention_own){.has_records = !sql_null(row, at),
                                  .has_bytes = !sql_null(row, at + 1),
                                  .log = {sql_u64(row, at), sql_u64(row, at + 1)}};
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

// --- Logs that have more than they may keep

static void front_row(struct looking *it, const struct sql_statement *row, const struct retention *rules)
{
    struct store_retention_look *look = it->look;
    struct retention_own own = own_limits(row, 4);
    struct retention_log limits = retention_log_of(rules, &own);
    if (retention_log_beyond(&limits, sql_u64(row, 2), sql_u64(row, 3)))
        look->ret_found[look->ret_count++] = (struct retention_found){.row = sql_i64(row, 0), .front = true};
}

static int fronts(struct looking *it, const struct retention *rules)
{
    const struct retention_cursor *cursor = &it->look->cursor;
    bool all = retention_log_limits(&rules->log);
    struct sql_statement *rows = sql_statement(it->sql, all ? CATALOGUE_RETENTION_LONG : CATALOGUE_RETENTION_LONG_OWN);
    sql_bind_i64(rows, 1, cursor->account);
    sql_bind_i64(rows, 2, cursor->row);
    sql_bind_i64(rows, 3, LOOKS_MAX + 1);
    return phase_rows(it, rows, rules, front_row);
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
    static int (*const phases[])(struct looking *, const struct retention *) = {
        [RETENTION_AGES] = ages, [RETENTION_LIMITS] = limits, [RETENTION_FRONTS] = fronts};
    struct retention_cursor *cursor = &it->look->cursor;
    int rc = phases[cursor->phase](it, rules);
    while (rc == 0 && cursor->phase != RETENTION_FRONTS) {
        phase_begin(cursor, cursor->phase + 1);
        rc = phases[cursor->phase](it, rules);
    }
    return rc;
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
        .sealed_ms = sql_i64(find, 4),
        .own = {.has_age = !sql_null(find, 5), .age_ms = sql_i64(find, 5)},
    };
    if (!status_parse(sql_text(find, 0), &facts.status))
        return ERR_CORRUPT;
    struct retention now = rules_over(rules, sql_text(find, 6));
    bool goes = by_limits ? !facts.pinned && retention_limits(&now) : retention_due(&now, &facts, now_ms);
    return goes ? 0 : ERR_CONFLICT;
}

// --- The front of one log

int catalogue_front_get(struct sql *sql, int64_t row, const struct retention *rules, struct log_front *ret_front,
                        struct log_state *ret_log, struct retention_log *ret_limits)
{
    CLEANUP(sql_reset) struct sql_statement *find = sql_statement(sql, CATALOGUE_FRONT_GET);
    sql_bind_i64(find, 1, row);
    int rc = sql_row(find);
    if (rc <= 0)
        return rc < 0 ? rc : ERR_NOT_FOUND;
    struct retention now = rules_over(rules, sql_text(find, 9));
    struct retention_own own = own_limits(find, 7);
    bool stays = sql_i64(find, 0) != 0 || sql_i64(find, 1) != 0;
    *ret_front = (struct log_front){
        .first = sql_u64(find, 2),
        .bytes = sql_u64(find, 3),
        .digest = sql_u64(find, 4),
        .has_digest = sql_u64(find, 2) == 0 || !sql_null(find, 4),
    };
    *ret_log = (struct log_state){.next = sql_u64(find, 5), .message_bytes = sql_u64(find, 6)};
    *ret_limits = stays ? (struct retention_log){0} : retention_log_of(&now, &own);
    return 0;
}

int catalogue_front_judge(struct sql *sql, const struct store_cut *cut, const struct log_state *log)
{
    struct log_front front;
    struct log_state stored;
    struct retention_log limits;
    int err = catalogue_front_get(sql, cut->row, cut->rules, &front, &stored, &limits);
    if (err < 0)
        return err;
    bool good = front.first == cut->before.first && cut->after.first > cut->before.first &&
                cut->after.first <= log->next && cut->after.bytes <= log->message_bytes;
    bool goes =
        good && retention_log_lets_go(&limits, log->next - cut->after.first, log->message_bytes - cut->after.bytes);
    return goes ? 0 : ERR_CONFLICT;
}

int catalogue_front_set(struct sql *sql, int64_t row, const struct log_front *front)
{
    struct sql_statement *set = sql_statement(sql, CATALOGUE_FRONT_SET);
    sql_bind_i64(set, 1, row);
    sql_bind_u64(set, 2, front->first);
    sql_bind_u64(set, 3, front->bytes);
    if (front->has_digest)
        sql_bind_u64(set, 4, front->digest);
    else
        sql_bind_null(set, 4, SQL_INTEGER);
    return sql_run(set, NULL);
}
