// What a pass of the sweep finds, on each engine.
#include "store/catalogue/test_catalogue.h"

#define HOUR (3600 * 1000LL)

static const struct retention month = {.age_ms = {
                                           [STATUS_COMPLETED] = 30 * DAY,
                                           [STATUS_FAILED] = 90 * DAY,
                                       }};

struct made {
    const char *id;
    enum execution_status status;
    int64_t sealed_ms; // 0: it is open
    bool has_own;
    int64_t own_ms;
    uint64_t bytes;
};

static int64_t make(struct sql *sql, int64_t account, const struct made *made)
{
    struct execution execution = described(account, made->id, NULL);
    int64_t row;
    execution.retention = (struct retention_own){.has_age = made->has_own, .age_ms = made->own_ms};
    assert_int_equal(create(sql, execution, &row), 0);
    const struct outcome outcome = {
        .status = made->status, .sealed = made->sealed_ms > 0, .sealed_ms = made->sealed_ms};
    const struct log_state log = {.next = 1, .message_bytes = made->bytes};
    assert_int_equal(CHANGE(sql, catalogue_execution_outcome(sql, row, &outcome, &log)), 0);
    return row;
}

static void append_name(struct sql *sql, const struct retention_found *found, struct buf *names)
{
    struct execution execution;
    const char *sign = found->front ? "<" : found->by_limits ? "+" : "";
    assert_int_equal(catalogue_execution_get(sql, found->row, &execution), 0);
    buf_printf(names, "%s%s%s", names->len > 0 ? " " : "", execution.execution_id, sign);
    execution_release(&execution);
}

static void purge_one(struct sql *sql, int64_t row)
{
    assert_int_equal(CHANGE(sql, catalogue_execution_purge(sql, row)), 0);
}

// All that a whole pass finds, as "e1 e2+ e3<": in order, those that limits let go with a sign, and those of which only
// the front goes with another.
static char *found(struct sql *sql, const struct retention *rules, bool purge, unsigned *ret_slices)
{
    struct store_retention_look look = {.rules = rules};
    struct buf names = {0};
    *ret_slices = 0;
    do {
        assert_int_equal(sql_begin(sql, SQL_READ), 0);
        assert_int_equal(catalogue_retention_look(sql, &look, NOW), 0);
        assert_int_equal(sql_commit(sql), 0);
        assert_true(look.ret_count <= STORE_RETENTION_MAX);
        for (size_t i = 0; i < look.ret_count; i++) {
            append_name(sql, &look.ret_found[i], &names);
            if (purge)
                purge_one(sql, look.ret_found[i].row);
        }
        ++*ret_slices;
    } while (!look.ret_over);
    return buf_take(&names);
}

#define ASSERT_FOUND(sql, rules, names)                                          \
    do {                                                                         \
        unsigned slices_;                                                        \
        CLEANUP(free_ptr) char *found_ = found((sql), (rules), false, &slices_); \
        assert_string_equal(found_ ? found_ : "", (names));                      \
    } while (0)

static void executions_are_found_by_their_age_and_status(void **state)
{
    struct sql *sql = *state;
    int64_t account = make_account(sql, "a");
    static const struct made all[] = {
        {.id = "month", .status = STATUS_COMPLETED, .sealed_ms = NOW - 30 * DAY},
        {.id = "younger", .status = STATUS_COMPLETED, .sealed_ms = NOW - 30 * DAY + 1},
        {.id = "failed", .status = STATUS_FAILED, .sealed_ms = NOW - 60 * DAY},
        {.id = "long_failed", .status = STATUS_FAILED, .sealed_ms = NOW - 91 * DAY},
        {.id = "cancelled", .status = STATUS_CANCELLED, .sealed_ms = NOW - 1000 * DAY},
        {.id = "pinned", .status = STATUS_COMPLETED, .sealed_ms = NOW - 1000 * DAY},
        {.id = "open", .status = STATUS_RUNNING},
    };
    int64_t rows[ARRAY_LEN(all)];
    for (size_t i = 0; i < ARRAY_LEN(all); i++)
        rows[i] = make(sql, account, &all[i]);
    assert_int_equal(CHANGE(sql, catalogue_execution_pin(sql, rows[5], true)), 0);
    ASSERT_FOUND(sql, &month, "long_failed month");
    ASSERT_FOUND(sql, &(struct retention){0}, "");
    for (size_t i = 0; i < ARRAY_LEN(all); i++) {
        bool goes = i == 0 || i == 3;
        assert_int_equal(catalogue_retention_lets_go(sql, rows[i], &month, false, NOW), goes ? 0 : ERR_CONFLICT);
    }
    assert_int_equal(catalogue_retention_lets_go(sql, 999, &month, false, NOW), ERR_NOT_FOUND);
    assert_int_equal(CHANGE(sql, catalogue_execution_purge(sql, rows[0])), 0);
    ASSERT_FOUND(sql, &month, "long_failed");
    assert_int_equal(CHANGE(sql, catalogue_execution_pin(sql, rows[5], false)), 0);
    ASSERT_FOUND(sql, &month, "pinned long_failed");
}

static void an_age_of_its_own_beats_the_rules(void **state)
{
    struct sql *sql = *state;
    int64_t account = make_account(sql, "a");
    static const struct made all[] = {
        {.id = "day", .status = STATUS_COMPLETED, .sealed_ms = NOW - DAY, .has_own = true, .own_ms = DAY},
        {.id = "two", .status = STATUS_COMPLETED, .sealed_ms = NOW - DAY, .has_own = true, .own_ms = 2 * DAY},
        {.id = "ever", .status = STATUS_COMPLETED, .sealed_ms = NOW - 1000 * DAY, .has_own = true},
        {.id = "hour", .status = STATUS_FAILED, .sealed_ms = NOW - 2 * HOUR, .has_own = true, .own_ms = HOUR},
    };
    int64_t rows[ARRAY_LEN(all)];
    for (size_t i = 0; i < ARRAY_LEN(all); i++)
        rows[i] = make(sql, account, &all[i]);
    ASSERT_FOUND(sql, &month, "hour day");
    ASSERT_FOUND(sql, &(struct retention){0}, "hour day");
    assert_int_equal(catalogue_retention_lets_go(sql, rows[2], &month, false, NOW), ERR_CONFLICT);
    assert_int_equal(catalogue_retention_lets_go(sql, rows[3], &month, false, NOW), 0);
    struct execution execution;
    assert_int_equal(catalogue_execution_get(sql, rows[1], &execution), 0);
    assert_int_equal(execution_expires_ms(&execution, &month), NOW + DAY);
    execution_release(&execution);
}

static int set_rules(struct sql *sql, const char *name, const char *rules)
{
    struct store_account_change change = {
        .name = str_of(name), .state = ACCOUNT_AS_IT_IS, .has_retention = true, .retention = str_of(rules)};
    int err = CHANGE(sql, catalogue_account_change(sql, &change, NOW));
    assert_string_equal(change.ret_account.retention, rules);
    assert_int_equal(change.ret_account.suspended_ms, 0);
    return err;
}

static void an_accounts_rules_are_read_over_the_servers(void **state)
{
    struct sql *sql = *state;
    int64_t first = make_account(sql, "a"), second = make_account(sql, "b");
    make(sql, first, &(struct made){.id = "a", .status = STATUS_COMPLETED, .sealed_ms = NOW - 40 * DAY});
    int64_t row = make(sql, second, &(struct made){.id = "b", .status = STATUS_COMPLETED, .sealed_ms = NOW - 40 * DAY});
    make(sql, second, &(struct made){.id = "f", .status = STATUS_FAILED, .sealed_ms = NOW - 40 * DAY});
    ASSERT_FOUND(sql, &month, "a b");
    assert_int_equal(set_rules(sql, "b", "completed=60d,failed=1d"), 0);
    ASSERT_FOUND(sql, &month, "a f");
    assert_int_equal(catalogue_retention_lets_go(sql, row, &month, false, NOW), ERR_CONFLICT);
    struct execution execution;
    assert_int_equal(catalogue_execution_get(sql, row, &execution), 0);
    assert_int_equal(execution_expires_ms(&execution, &month), NOW + 20 * DAY);
    execution_release(&execution);
    assert_int_equal(set_rules(sql, "b", ""), 0);
    ASSERT_FOUND(sql, &month, "a b");
    assert_int_equal(catalogue_retention_lets_go(sql, row, &month, false, NOW), 0);
}

static void the_oldest_beyond_an_accounts_limits_are_found(void **state)
{
    struct sql *sql = *state;
    const struct retention three = {.executions_max = 3}, bytes = {.bytes_max = 25};
    int64_t first = make_account(sql, "a"), second = make_account(sql, "b");
    for (int i = 0; i < 5; i++) {
        char id[8];
        snprintf(id, sizeof(id), "a%d", i);
        make(sql, first,
             &(struct made){.id = id, .status = STATUS_COMPLETED, .sealed_ms = NOW - HOUR + i, .bytes = 10});
    }
    int64_t kept = make(sql, second,
                        &(struct made){.id = "b0", .status = STATUS_COMPLETED, .sealed_ms = NOW - HOUR, .bytes = 100});
    make(sql, second, &(struct made){.id = "open", .status = STATUS_RUNNING, .bytes = 100});
    ASSERT_FOUND(sql, &three, "a1+ a0+");
    ASSERT_FOUND(sql, &bytes, "a2+ a1+ a0+ b0+");
    assert_int_equal(catalogue_retention_lets_go(sql, kept, &bytes, true, NOW), 0);
    assert_int_equal(CHANGE(sql, catalogue_execution_pin(sql, kept, true)), 0);
    assert_int_equal(catalogue_retention_lets_go(sql, kept, &bytes, true, NOW), ERR_CONFLICT);
    ASSERT_FOUND(sql, &bytes, "a2+ a1+ a0+");
}

static int64_t make_long(struct sql *sql, int64_t account, const char *id, uint64_t count, struct retention_own own)
{
    struct execution execution = described(account, id, NULL);
    int64_t row;
    execution.retention = own;
    assert_int_equal(create(sql, execution, &row), 0);
    const struct log_state log = {.next = count, .message_bytes = 100 * count};
    assert_int_equal(CHANGE(sql, catalogue_execution_fold(sql, row, &log)), 0);
    return row;
}

static void logs_that_are_longer_than_they_may_be_are_found(void **state)
{
    struct sql *sql = *state;
    const struct retention records = {.log.records_max = 2000}, bytes = {.log.bytes_max = 300000}, none = {0};
    int64_t first = make_account(sql, "a"), second = make_account(sql, "b");
    int64_t row = make_long(sql, first, "long", 2001, (struct retention_own){0});
    make_long(sql, first, "short", 2000, (struct retention_own){0});
    int64_t pinned = make_long(sql, first, "pinned", 9000, (struct retention_own){0});
    make_long(sql, first, "free", 9000, (struct retention_own){.has_records = true});
    make_long(sql, second, "own", 1500, (struct retention_own){.has_records = true, .log.records_max = 1000});
    int64_t gone = make_long(sql, second, "gone", 9000, (struct retention_own){0});
    assert_int_equal(CHANGE(sql, catalogue_execution_pin(sql, pinned, true)), 0);
    assert_int_equal(CHANGE(sql, catalogue_execution_purge(sql, gone)), 0);
    ASSERT_FOUND(sql, &records, "long< own<");
    ASSERT_FOUND(sql, &bytes, "free< own<");
    ASSERT_FOUND(sql, &none, "own<");
    assert_int_equal(set_rules(sql, "b", "log_bytes=64K"), 0);
    make_long(sql, second, "other", 1002, (struct retention_own){0});
    ASSERT_FOUND(sql, &none, "own< other<");
    const struct log_front front = {.first = 1, .bytes = 100, .digest = UINT64_MAX - 1, .has_digest = true};
    assert_int_equal(CHANGE(sql, catalogue_front_set(sql, row, &front)), 0);
    ASSERT_FOUND(sql, &records, "own< other<");
    struct execution execution;
    assert_int_equal(catalogue_execution_get(sql, row, &execution), 0);
    assert_true(execution.first_sequence == 1 && execution.has_cut_digest && execution.cut_digest == UINT64_MAX - 1);
    execution_release(&execution);
}

// Slices are bounded, and one goes on where the one before has ended, whether that was purged or not.
static void a_pass_goes_through_all_accounts_in_slices(void **state)
{
    struct sql *sql = *state;
    const struct retention rules = {.age_ms = {[STATUS_COMPLETED] = DAY}, .executions_max = 10};
    for (int a = 0; a < 40; a++) {
        char name[16];
        snprintf(name, sizeof(name), "acc%d", a);
        int64_t account = make_account(sql, name);
        for (int i = 0; i < (a == 7 ? 100 : a % 2); i++) {
            char id[32];
            snprintf(id, sizeof(id), "e%d_%d", a, i);
            // Of the seventh account 50 have expired, and of the others 40 are too many.
            make(sql, account,
                 &(struct made){.id = id, .status = STATUS_COMPLETED, .sealed_ms = NOW - (i % 2 ? 2 * DAY : HOUR) + i});
        }
    }
    unsigned slices;
    CLEANUP(free_ptr) char *names = found(sql, &rules, true, &slices);
    unsigned count = 0, by_limits = 0;
    for (const char *at = names; at && *at; at++) {
        count += *at == 'e';
        by_limits += *at == '+';
    }
    assert_int_equal(count, 90);
    assert_int_equal(by_limits, 40);
    assert_true(slices >= 3);
    assert_int_equal(ask(sql, "SELECT count(*) FROM executions WHERE purged = 1"), 90);
    ASSERT_FOUND(sql, &rules, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(executions_are_found_by_their_age_and_status), TEST(an_age_of_its_own_beats_the_rules),
        TEST(an_accounts_rules_are_read_over_the_servers),  TEST(the_oldest_beyond_an_accounts_limits_are_found),
        TEST(a_pass_goes_through_all_accounts_in_slices),   TEST(logs_that_are_longer_than_they_may_be_are_found),
    };
    return SQL_FIXTURE_EACH(&engine_under_test, tests);
}
