// What the port promises about runs that wait for an answer; on each adapter.
#include "model/record.h"
#include "store/store_fixture.h"

#define MINUTE 60000

static struct store_update told(struct fixture *fixture, int64_t row, struct outcome_ask ask, const char *waiting,
                                int64_t until_ms)
{
    struct store_update update = {
        .op.kind = STORE_UPDATE,
        .row = row,
        .has_outcome = true,
        .outcome = ask,
        .waiting = str_of(waiting),
        .waiting_until_ms = until_ms,
    };
    fixture_run(fixture, &update.op);
    return update;
}

static enum execution_status after(struct fixture *fixture, int64_t row, enum outcome_cause cause,
                                   enum execution_status status)
{
    struct store_update update = told(fixture, row, (struct outcome_ask){.cause = cause, .status = status}, NULL, 0);
    assert_int_equal(update.op.err, 0);
    status = update.ret_execution.status;
    store_op_release(&update.op);
    return status;
}

// `until_ms` from now; 0: for ever.
static int64_t waiting(struct fixture *fixture, int64_t account, const char *id, const char *what, int64_t until_ms)
{
    int64_t row = fixture_create(fixture, account, id, STATUS_RUNNING);
    int64_t now_ms = atomic_load(&fixture->now_ms);
    struct store_update update =
        told(fixture, row, (struct outcome_ask){.cause = OUTCOME_TOLD, .status = STATUS_WAITING}, what,
             until_ms > 0 ? now_ms + until_ms : 0);
    assert_int_equal(update.op.err, 0);
    store_op_release(&update.op);
    return row;
}

static void assert_waits_for(struct fixture *fixture, int64_t row, const char *what, bool over)
{
    struct store_waiting found = {.op.kind = STORE_WAITING, .row = row};
    assert_int_equal(fixture_run(fixture, &found.op), 0);
    assert_int_equal(found.ret_over, over);
    if (what)
        assert_string_equal(found.ret_waiting, what);
    else
        assert_null(found.ret_waiting);
    store_op_release(&found.op);
}

static struct store_answer answer_of(int64_t row, const char *user, const char *data, const char *producer)
{
    return (struct store_answer){
        .op.kind = STORE_ANSWER,
        .row = row,
        .user = str_of(user),
        .asking_user = true,
        .data = str_of(data),
        .producer = str_of(producer),
    };
}

static int give(struct fixture *fixture, struct store_answer answer, uint64_t *ret_sequence)
{
    int err = fixture_run(fixture, &answer.op);
    if (ret_sequence)
        *ret_sequence = answer.ret_sequence;
    store_op_release(&answer.op);
    return err;
}

static int time_out(struct fixture *fixture, int64_t row)
{
    return give(fixture, (struct store_answer){.op.kind = STORE_ANSWER, .row = row, .unanswered = true}, NULL);
}

static void keep_message(void *arg, uint64_t sequence, const struct record *record)
{
    struct buf *messages = arg;
    buf_printf(messages, "%llu %.*s %.*s\n", (unsigned long long)sequence, STR_ARGS(record->message),
               STR_ARGS(record->extra));
}

static void assert_log(struct fixture *fixture, int64_t row, const char *expected)
{
    CLEANUP(buf_release) struct buf messages = {0};
    fixture_read(fixture, row, 0, 65536, keep_message, &messages);
    assert_string_equal(buf_cstr(&messages), expected);
}

static enum execution_status status_of(struct fixture *fixture, int64_t account, const char *id)
{
    struct execution found = fixture_get(fixture, account, id);
    enum execution_status status = found.status;
    execution_release(&found);
    return status;
}

#define ASKED_U1 "{\"waiting_id\":\"w1\",\"assignees\":[\"u1\"],\"node_id\":\"gate\"}"

static void an_answer_is_a_record_and_lets_it_go_on_in_one_commit(void **state)
{
    struct fixture *fixture = *state;
    int64_t account = fixture_account(fixture, "a");
    int64_t row = waiting(fixture, account, "x", ASKED_U1, 0);
    fixture_reopen(fixture);
    assert_waits_for(fixture, row, ASKED_U1, false);
    struct store_answer answer = answer_of(row, "u1", "{\"go\":true}", "answer:1");
    answer.waiting_id = STR("w1");
    assert_int_equal(fixture_run(fixture, &answer.op), 0);
    assert_int_equal(answer.ret_execution.status, STATUS_RUNNING);
    assert_int_equal(answer.ret_sequence, 0);
    assert_false(answer.ret_existed);
    store_op_release(&answer.op);
    static const char log[] = "0 answered by u1 \"event_type\":\"human_interaction\",\"node_id\":\"gate\","
                              "\"data\":{\"go\":true},\"technical_details\":{\"answered_by\":\"u1\"}\n";
    assert_log(fixture, row, log);
    fixture_reopen(fixture);
    assert_int_equal(status_of(fixture, account, "x"), STATUS_RUNNING);
    assert_log(fixture, row, log);
    assert_waits_for(fixture, row, ASKED_U1, true);
}

static void a_named_answer_is_taken_once_and_found_again(void **state)
{
    struct fixture *fixture = *state;
    int64_t account = fixture_account(fixture, "a");
    int64_t row = waiting(fixture, account, "x", ASKED_U1, 0);
    struct store_append line = fixture_append_lines(fixture, row, "p", 0, 3);
    uint64_t first = 0, again = 0;
    assert_int_equal(line.op.err, 0);
    assert_int_equal(give(fixture, answer_of(row, "u1", "{\"go\":true}", "answer:1"), &first), 0);
    assert_int_equal(first, 3);
    fixture_reopen(fixture);
    assert_int_equal(give(fixture, answer_of(row, "u1", "{\"go\":true}", "answer:1"), &again), 0);
    assert_int_equal(again, first);
    assert_int_equal(give(fixture, answer_of(row, "u1", "{}", "answer:1"), NULL), ERR_IDEMPOTENCY);
    assert_int_equal(give(fixture, answer_of(row, "u1", "{}", "answer:2"), NULL), ERR_BAD_TRANSITION);
    assert_int_equal(give(fixture, answer_of(row, "u1", "{}", ""), NULL), ERR_BAD_TRANSITION);
    assert_int_equal(after(fixture, row, OUTCOME_TOLD, STATUS_COMPLETED), STATUS_COMPLETED);
    assert_int_equal(give(fixture, answer_of(row, "u1", "{\"go\":true}", "answer:1"), &again), 0); // sealed by now
    assert_int_equal(again, first);
    assert_int_equal(give(fixture, answer_of(row, "u1", "{}", "answer:2"), NULL), ERR_SEALED);
    assert_int_equal(fixture_read(fixture, row, 0, 65536, NULL, NULL), 4);
}

static void of_answers_of_one_group_the_first_is_taken(void **state)
{
    struct fixture *fixture = *state;
    int64_t row = waiting(fixture, fixture_account(fixture, "a"), "x", ASKED_U1, 0);
    struct store_answer answers[3];
    struct store_op *ops[ARRAY_LEN(answers)];
    unsigned taken = 0;
    for (size_t i = 0; i < ARRAY_LEN(answers); i++) {
        answers[i] = answer_of(row, "u1", "{}", "");
        ops[i] = &answers[i].op;
    }
    fixture_run_all(fixture, ops, ARRAY_LEN(ops));
    for (size_t i = 0; i < ARRAY_LEN(answers); i++) {
        taken += answers[i].op.err == 0;
        assert_true(answers[i].op.err == 0 || answers[i].op.err == ERR_BAD_TRANSITION);
        store_op_release(&answers[i].op);
    }
    assert_int_equal(taken, 1);
    assert_int_equal(fixture_read(fixture, row, 0, 65536, NULL, NULL), 1);
}

static void who_may_not_answer_changes_nothing(void **state)
{
    struct fixture *fixture = *state;
    int64_t row = waiting(fixture, fixture_account(fixture, "a"), "x", ASKED_U1, 0);
    struct store_answer other = answer_of(row, "u1", "{}", "");
    other.waiting_id = STR("w0");
    assert_int_equal(give(fixture, answer_of(row, "u2", "{}", "answer:2"), NULL), ERR_NOT_FOUND);
    assert_int_equal(give(fixture, other, NULL), ERR_CONFLICT);
    assert_int_equal(give(fixture, answer_of(999, "u1", "{}", ""), NULL), ERR_NOT_FOUND);
    CLEANUP(buf_release) struct buf large = {0};
    buf_append_byte(&large, '"');
    for (size_t i = 0; i < RECORD_EXTRA_MAX; i++)
        buf_append_byte(&large, 'x');
    buf_append_byte(&large, '"');
    assert_int_equal(give(fixture, answer_of(row, "u1", buf_cstr(&large), "answer:3"), NULL), ERR_INVALID);
    assert_waits_for(fixture, row, ASKED_U1, false);
    assert_log(fixture, row, "");
    struct store_answer service = answer_of(row, "key_1", "{}", "");
    service.asking_user = false;
    assert_int_equal(give(fixture, service, NULL), 0);
}

static void a_wait_outlasts_the_loss_of_its_runner_and_a_restart(void **state)
{
    struct fixture *fixture = *state;
    int64_t account = fixture_account(fixture, "a");
    int64_t row = waiting(fixture, account, "x", ASKED_U1, 0);
    assert_int_equal(after(fixture, row, OUTCOME_SILENT, STATUS_QUEUED), STATUS_LOST);
    fixture_reopen(fixture);
    assert_int_equal(after(fixture, row, OUTCOME_BACK, STATUS_QUEUED), STATUS_WAITING);
    assert_waits_for(fixture, row, ASKED_U1, false);
    assert_int_equal(after(fixture, row, OUTCOME_SILENT, STATUS_QUEUED), STATUS_LOST);
    assert_int_equal(give(fixture, answer_of(row, "u1", "{}", ""), NULL), 0);
    assert_int_equal(status_of(fixture, account, "x"), STATUS_LOST);
    fixture_reopen(fixture);
    assert_int_equal(give(fixture, answer_of(row, "u1", "{}", ""), NULL), ERR_BAD_TRANSITION);
    assert_int_equal(after(fixture, row, OUTCOME_BACK, STATUS_QUEUED), STATUS_RUNNING);
}

static void a_plain_wait_outlasts_it_too_and_ends_with_the_next_status(void **state)
{
    struct fixture *fixture = *state;
    int64_t row = waiting(fixture, fixture_account(fixture, "a"), "x", NULL, 0);
    assert_waits_for(fixture, row, "{}", false);
    assert_int_equal(after(fixture, row, OUTCOME_SILENT, STATUS_QUEUED), STATUS_LOST);
    assert_int_equal(after(fixture, row, OUTCOME_BACK, STATUS_QUEUED), STATUS_WAITING);
    assert_int_equal(after(fixture, row, OUTCOME_TOLD, STATUS_RUNNING), STATUS_RUNNING);
    assert_waits_for(fixture, row, "{}", true);
    assert_int_equal(after(fixture, row, OUTCOME_SILENT, STATUS_QUEUED), STATUS_LOST);
    fixture_reopen(fixture);
    assert_int_equal(after(fixture, row, OUTCOME_BACK, STATUS_QUEUED), STATUS_RUNNING);
}

static size_t due(struct fixture *fixture, int64_t rows[STORE_WAITS_MAX])
{
    struct store_waits_due found = {.op.kind = STORE_WAITS_DUE, .now_ms = atomic_load(&fixture->now_ms)};
    assert_int_equal(fixture_run(fixture, &found.op), 0);
    memcpy(rows, found.ret_rows, found.ret_count * sizeof(*rows));
    store_op_release(&found.op);
    return found.ret_count;
}

#define FAILS   "{\"waiting_id\":\"w\",\"until\":\"x\",\"on_timeout\":\"fail\"}"
#define RESUMES "{\"waiting_id\":\"w\",\"until\":\"x\",\"on_timeout\":\"resume\"}"

static void what_nobody_answers_in_time_ends_as_it_was_asked_for(void **state)
{
    struct fixture *fixture = *state;
    int64_t account = fixture_account(fixture, "a"), rows[STORE_WAITS_MAX];
    int64_t later = waiting(fixture, account, "later", FAILS, 3 * (int64_t)MINUTE);
    int64_t resumes = waiting(fixture, account, "resumes", RESUMES, 2 * (int64_t)MINUTE);
    int64_t fails = waiting(fixture, account, "fails", FAILS, MINUTE);
    waiting(fixture, account, "ever", ASKED_U1, 0);
    int64_t answered = waiting(fixture, account, "answered", FAILS, MINUTE);
    struct store_answer service = answer_of(answered, "s", "{}", "");
    service.asking_user = false;
    assert_int_equal(give(fixture, service, NULL), 0);
    assert_int_equal(due(fixture, rows), 0);
    assert_int_equal(time_out(fixture, fails), ERR_BAD_TRANSITION); // it is not time
    atomic_fetch_add(&fixture->now_ms, 2 * MINUTE);
    assert_int_equal(due(fixture, rows), 2);
    assert_int_equal(rows[0], fails);
    assert_int_equal(rows[1], resumes);
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(time_out(fixture, rows[i]), 0);
        assert_true(time_out(fixture, rows[i]) < 0); // once is enough
    }
    assert_int_equal(time_out(fixture, answered), ERR_BAD_TRANSITION);
    assert_int_equal(due(fixture, rows), 0);
    assert_int_equal(status_of(fixture, account, "fails"), STATUS_TIMED_OUT);
    assert_int_equal(status_of(fixture, account, "resumes"), STATUS_RUNNING);
    assert_int_equal(status_of(fixture, account, "later"), STATUS_WAITING);
    assert_int_equal(fixture_read(fixture, fails, 0, 65536, NULL, NULL), 1);
    assert_int_equal(fixture_read(fixture, resumes, 0, 65536, NULL, NULL), 1);
    assert_int_equal(fixture_read(fixture, later, 0, 65536, NULL, NULL), 0);
}

static void a_runner_learns_that_nobody_has_answered(void **state)
{
    struct fixture *fixture = *state;
    int64_t account = fixture_account(fixture, "a");
    int64_t row = fixture_create(fixture, account, "x", STATUS_QUEUED);
    assert_int_equal(after(fixture, row, OUTCOME_CLAIMED, STATUS_QUEUED), STATUS_RUNNING);
    struct store_update update =
        told(fixture, row, (struct outcome_ask){.cause = OUTCOME_TOLD, .status = STATUS_WAITING}, FAILS,
             atomic_load(&fixture->now_ms) + MINUTE);
    assert_int_equal(update.op.err, 0);
    store_op_release(&update.op);
    atomic_fetch_add(&fixture->now_ms, MINUTE);
    assert_int_equal(time_out(fixture, row), 0);
    struct execution found = fixture_get(fixture, account, "x");
    assert_int_equal(found.status, STATUS_TIMED_OUT);
    assert_false(found.sealed);
    assert_non_null(found.cancel_reason);
    assert_true(str_starts(str_of(found.cancel_reason), STR("nobody has answered until ")));
    execution_release(&found);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ON_EACH(an_answer_is_a_record_and_lets_it_go_on_in_one_commit),
        ON_EACH(a_named_answer_is_taken_once_and_found_again),
        ON_EACH(of_answers_of_one_group_the_first_is_taken),
        ON_EACH(who_may_not_answer_changes_nothing),
        ON_EACH(a_wait_outlasts_the_loss_of_its_runner_and_a_restart),
        ON_EACH(a_plain_wait_outlasts_it_too_and_ends_with_the_next_status),
        ON_EACH(what_nobody_answers_in_time_ends_as_it_was_asked_for),
        ON_EACH(a_runner_learns_that_nobody_has_answered),
    };
    return FIXTURE_EACH(tests);
}
