#include "runner/uplink.h"
#include "util/testing.h"

#define NOW 1000u

enum event { SPOOLED, OPENED, LOST, READY, SENT, ACKED, REFUSED, JOB_ENDED, COMPLETE_SENT, COMPLETED };

// One step of a story: an event, and what is to be done next.
struct step {
    enum event event;
    uint64_t a; // counter, or error code for REFUSED
    enum uplink_action_kind next;
    uint64_t from, to;
};

// The running digest of the records that these stories are about.
static uint64_t digest_below(uint64_t next)
{
    return next * 1000;
}

static void apply(struct uplink *uplink, const struct step *step, uint64_t now)
{
    switch (step->event) {
    case SPOOLED:
        uplink_spooled(uplink, uplink->spool_first, step->a);
        break;
    case OPENED:
        uplink_opened(uplink);
        break;
    case LOST:
        uplink_lost(uplink, now);
        break;
    case READY:
        uplink_ready(uplink, &(struct uplink_stored){step->a, true, digest_below(step->a)}, 3, "inc");
        break;
    case SENT:
        uplink_sent(uplink, step->a);
        break;
    case ACKED:
        uplink_acked(uplink, step->a);
        break;
    case REFUSED:
        uplink_refused(uplink, (int)(int64_t)step->a, false, 0, now);
        break;
    case JOB_ENDED:
        uplink_job_ended(uplink, digest_below(uplink->spool_next));
        break;
    case COMPLETE_SENT:
        uplink_complete_sent(uplink);
        break;
    case COMPLETED:
        uplink_completed(uplink, &(struct uplink_stored){step->a, true, digest_below(step->a)}, now);
        break;
    }
}

static void play(struct uplink *uplink, const struct step *steps, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        apply(uplink, &steps[i], NOW);
        struct uplink_action action = uplink_next(uplink, NOW);
        if (action.kind != steps[i].next || action.from != steps[i].from || action.to != steps[i].to)
            fail_msg("step %zu: kind %d, [%llu, %llu)", i, (int)action.kind, (unsigned long long)action.from,
                     (unsigned long long)action.to);
    }
}
#define PLAY(uplink, ...) play(uplink, (struct step[]){__VA_ARGS__}, ARRAY_LEN(((struct step[]){__VA_ARGS__})))

// Connected, with `ready` for counter 0 and nothing in the spool.
static struct uplink streaming(void)
{
    struct uplink uplink;
    uplink_init(&uplink, 0, 0, 0, 1);
    assert_int_equal(uplink_next(&uplink, NOW).kind, UPLINK_CONNECT);
    PLAY(&uplink, {OPENED, 0, UPLINK_WAIT, 0, 0}, {READY, 0, UPLINK_WAIT, 0, 0});
    assert_int_equal(uplink.state, UPLINK_STREAMING);
    return uplink;
}

static void a_run_goes_from_connecting_to_done(void **state)
{
    struct uplink uplink = streaming();
    (void)state;
    assert_int_equal(uplink.epoch, 3);
    PLAY(&uplink, {SPOOLED, 10, UPLINK_SEND, 0, 10}, {SENT, 4, UPLINK_SEND, 4, 10}, {SENT, 10, UPLINK_WAIT, 0, 0},
         {ACKED, 3, UPLINK_WAIT, 0, 0}, {JOB_ENDED, 0, UPLINK_WAIT, 0, 0});
    assert_int_equal(uplink_lag(&uplink), 6);
    assert_false(uplink_delivered(&uplink));
    PLAY(&uplink, {ACKED, 9, UPLINK_SEND_COMPLETE, 0, 0});
    assert_true(uplink_delivered(&uplink));
    PLAY(&uplink, {COMPLETE_SENT, 0, UPLINK_WAIT, 0, 0}, {COMPLETED, 10, UPLINK_WAIT, 0, 0});
    assert_int_equal(uplink.state, UPLINK_DONE);
}

static void a_job_without_output_completes(void **state)
{
    struct uplink uplink = streaming();
    (void)state;
    PLAY(&uplink, {JOB_ENDED, 0, UPLINK_SEND_COMPLETE, 0, 0});
}

static void after_a_loss_it_goes_on_where_the_server_says(void **state)
{
    struct uplink uplink = streaming();
    (void)state;
    PLAY(&uplink, {SPOOLED, 10, UPLINK_SEND, 0, 10}, {SENT, 10, UPLINK_WAIT, 0, 0}, {ACKED, 4, UPLINK_WAIT, 0, 0},
         {LOST, 0, UPLINK_CONNECT, 0, 0}, {OPENED, 0, UPLINK_WAIT, 0, 0}, {READY, 7, UPLINK_SEND, 7, 10});
    assert_int_equal(uplink_lag(&uplink), 3);
}

static void a_loss_while_completing_sends_complete_again(void **state)
{
    struct uplink uplink = streaming();
    (void)state;
    PLAY(&uplink, {JOB_ENDED, 0, UPLINK_SEND_COMPLETE, 0, 0}, {COMPLETE_SENT, 0, UPLINK_WAIT, 0, 0},
         {LOST, 0, UPLINK_CONNECT, 0, 0}, {OPENED, 0, UPLINK_WAIT, 0, 0}, {READY, 0, UPLINK_SEND_COMPLETE, 0, 0});
}

static void a_store_from_an_old_backup_gets_the_records_again(void **state)
{
    struct uplink uplink = streaming();
    (void)state;
    PLAY(&uplink, {SPOOLED, 10, UPLINK_SEND, 0, 10}, {SENT, 10, UPLINK_WAIT, 0, 0}, {ACKED, 9, UPLINK_WAIT, 0, 0},
         {LOST, 0, UPLINK_CONNECT, 0, 0}, {OPENED, 0, UPLINK_WAIT, 0, 0}, {READY, 2, UPLINK_SEND, 2, 10});
}

static void what_the_spool_no_longer_has_is_skipped_explicitly(void **state)
{
    struct uplink uplink = streaming();
    (void)state;
    PLAY(&uplink, {SPOOLED, 10, UPLINK_SEND, 0, 10}, {SENT, 10, UPLINK_WAIT, 0, 0}, {ACKED, 9, UPLINK_WAIT, 0, 0},
         {LOST, 0, UPLINK_CONNECT, 0, 0}, {OPENED, 0, UPLINK_WAIT, 0, 0});
    uplink_spooled(&uplink, 6, 10);
    PLAY(&uplink, {READY, 2, UPLINK_SEND_SKIP, 2, 6}, {SENT, 6, UPLINK_SEND, 6, 10});
}

static void the_window_bounds_what_is_under_way(void **state)
{
    struct uplink uplink = streaming();
    (void)state;
    uplink.window = 4;
    PLAY(&uplink, {SPOOLED, 10, UPLINK_SEND, 0, 4}, {SENT, 4, UPLINK_WAIT, 0, 0}, {ACKED, 1, UPLINK_SEND, 4, 6});
}

static void an_ack_beyond_what_was_sent_counts_for_what_was_sent(void **state)
{
    struct uplink uplink = streaming();
    (void)state;
    PLAY(&uplink, {SPOOLED, 10, UPLINK_SEND, 0, 10}, {SENT, 4, UPLINK_SEND, 4, 10}, {ACKED, 8, UPLINK_SEND, 4, 10});
    assert_int_equal(uplink.acked, 4);
}

static void more_than_the_spool_has_at_the_server_counts_as_delivered(void **state)
{
    struct uplink uplink;
    (void)state;
    // A spool that lost its last second to a power failure.
    uplink_init(&uplink, 0, 5, 2, 1);
    uplink.tail_lost = true;
    assert_int_equal(uplink_next(&uplink, NOW).kind, UPLINK_CONNECT);
    PLAY(&uplink, {OPENED, 0, UPLINK_WAIT, 0, 0}, {READY, 8, UPLINK_WAIT, 0, 0});
    assert_true(uplink_delivered(&uplink));
    assert_int_equal(uplink_lag(&uplink), 0);
    PLAY(&uplink, {JOB_ENDED, 0, UPLINK_SEND_COMPLETE, 0, 0}, {COMPLETE_SENT, 0, UPLINK_WAIT, 0, 0},
         {COMPLETED, 8, UPLINK_WAIT, 0, 0});
    assert_int_equal(uplink.state, UPLINK_DONE);
}

static void more_than_was_ever_recorded_is_no_servers_word(void **state)
{
    struct uplink uplink = streaming();
    (void)state;
    PLAY(&uplink, {SPOOLED, 5, UPLINK_SEND, 0, 5}, {READY, 6, UPLINK_CLOSE, 0, 0});
    assert_int_equal(uplink.state, UPLINK_FAILED);
    assert_int_equal(uplink.error, ERR_UNPROVEN);
    assert_int_equal(uplink.acked, 0);
}

// All is acked and `complete` is sent.
static struct uplink completing(void)
{
    struct uplink uplink = streaming();
    PLAY(&uplink, {SPOOLED, 2, UPLINK_SEND, 0, 2}, {SENT, 2, UPLINK_WAIT, 0, 0}, {ACKED, 1, UPLINK_WAIT, 0, 0},
         {JOB_ENDED, 0, UPLINK_SEND_COMPLETE, 0, 0}, {COMPLETE_SENT, 0, UPLINK_WAIT, 0, 0});
    return uplink;
}

static void only_the_spools_own_counter_and_digest_are_the_end(void **state)
{
    static const struct {
        struct uplink_stored stored;
        enum uplink_state after;
    } table[] = {
        {{2, true, 2000}, UPLINK_DONE},   {{2, true, 2001}, UPLINK_FAILED},          {{2, false, 2000}, UPLINK_FAILED},
        {{1, true, 2000}, UPLINK_FAILED}, {{1, true, 1000}, UPLINK_FAILED},          {{0, false, 0}, UPLINK_FAILED},
        {{3, true, 2000}, UPLINK_FAILED}, {{UINT64_MAX, true, 2000}, UPLINK_FAILED},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(table); i++) {
        struct uplink uplink = completing();
        uplink_completed(&uplink, &table[i].stored, NOW);
        if (uplink.state != table[i].after)
            fail_msg("%zu led to state %d", i, (int)uplink.state);
        if (table[i].after == UPLINK_FAILED)
            assert_int_equal(uplink.error, ERR_UNPROVEN);
    }
}

static void an_end_that_comes_while_the_job_goes_on_is_none(void **state)
{
    struct uplink uplink = streaming();
    (void)state;
    PLAY(&uplink, {SPOOLED, 2, UPLINK_SEND, 0, 2}, {SENT, 2, UPLINK_WAIT, 0, 0}, {COMPLETED, 2, UPLINK_CLOSE, 0, 0});
    assert_int_equal(uplink.state, UPLINK_OFFLINE);
    assert_int_equal(uplink.error, ERR_UNPROVEN);
    PLAY(&uplink, {SPOOLED, 3, UPLINK_CONNECT, 0, 0}, {OPENED, 0, UPLINK_WAIT, 0, 0}, {READY, 2, UPLINK_SEND, 2, 3});
}

static void the_jobs_end_is_a_moment_to_try_at_once(void **state)
{
    struct uplink uplink;
    (void)state;
    uplink_init(&uplink, 0, 0, 0, 42);
    for (int i = 0; i < 10; i++) {
        uplink.retry_at_ms = 0;
        assert_int_equal(uplink_next(&uplink, NOW).kind, UPLINK_CONNECT);
        uplink_lost(&uplink, NOW);
    }
    assert_int_equal(uplink_next(&uplink, NOW).kind, UPLINK_WAIT);
    uplink_job_ended(&uplink, 0);
    assert_int_equal(uplink_next(&uplink, NOW).kind, UPLINK_CONNECT);
}

static void refusals_lead_where_the_table_says(void **state)
{
    static const struct {
        int err;
        enum uplink_state after;
    } table[] = {
        {ERR_FENCED, UPLINK_FAILED},        {ERR_CONFLICT, UPLINK_FAILED},
        {ERR_EXPIRED, UPLINK_FAILED},       {ERR_TOO_LONG, UPLINK_FAILED},
        {ERR_UNAUTHORIZED, UPLINK_FAILED},  {ERR_FORBIDDEN, UPLINK_FAILED},
        {ERR_TOKEN_EXPIRED, UPLINK_FAILED}, {ERR_SEALED, UPLINK_FAILED},
        {ERR_HELD, UPLINK_OFFLINE},         {ERR_UNAVAILABLE, UPLINK_OFFLINE},
        {ERR_NOT_FOUND, UPLINK_OFFLINE},    {ERR_STORE_FULL, UPLINK_OFFLINE},
        {ERR_INTERNAL, UPLINK_OFFLINE},     {ERR_DIGEST, UPLINK_STREAMING},
        {ERR_SUSPENDED, UPLINK_OFFLINE}, // until it is resumed
        {ERR_TOO_NEW, UPLINK_OFFLINE},   // until it is updated
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(table); i++) {
        struct uplink uplink = streaming();
        uplink_spooled(&uplink, 0, 1);
        uplink_refused(&uplink, table[i].err, false, 0, NOW);
        if (uplink.state != table[i].after)
            fail_msg("%s led to state %d", error_word(table[i].err), (int)uplink.state);
        if (table[i].after != UPLINK_STREAMING) {
            assert_int_equal(uplink.error, table[i].err);
            assert_int_equal(uplink_next(&uplink, NOW).kind, UPLINK_CLOSE);
            assert_int_not_equal(uplink_next(&uplink, NOW).kind, UPLINK_CLOSE);
        }
    }
}

static void a_gap_is_filled_on_the_same_connection(void **state)
{
    struct uplink uplink = streaming();
    (void)state;
    PLAY(&uplink, {SPOOLED, 10, UPLINK_SEND, 0, 10}, {SENT, 10, UPLINK_WAIT, 0, 0});
    uplink_refused(&uplink, ERR_GAP, true, 3, NOW);
    struct uplink_action action = uplink_next(&uplink, NOW);
    assert_int_equal(action.kind, UPLINK_SEND);
    assert_int_equal(action.from, 3);
}

static void a_second_ready_sends_again_from_there(void **state)
{
    struct uplink uplink = streaming();
    (void)state;
    PLAY(&uplink, {SPOOLED, 10, UPLINK_SEND, 0, 10}, {SENT, 10, UPLINK_WAIT, 0, 0}, {ACKED, 3, UPLINK_WAIT, 0, 0},
         {READY, 4, UPLINK_SEND, 4, 10});
}

static void sealed_after_everything_was_acked_is_done(void **state)
{
    struct uplink uplink = streaming();
    (void)state;
    PLAY(&uplink, {SPOOLED, 2, UPLINK_SEND, 0, 2}, {SENT, 2, UPLINK_WAIT, 0, 0}, {ACKED, 1, UPLINK_WAIT, 0, 0},
         {JOB_ENDED, 0, UPLINK_SEND_COMPLETE, 0, 0}, {COMPLETE_SENT, 0, UPLINK_WAIT, 0, 0},
         {LOST, 0, UPLINK_CONNECT, 0, 0}, {OPENED, 0, UPLINK_WAIT, 0, 0}, {READY, 2, UPLINK_SEND_COMPLETE, 0, 0},
         {COMPLETE_SENT, 0, UPLINK_WAIT, 0, 0}, {REFUSED, (uint64_t)(int64_t)ERR_SEALED, UPLINK_CLOSE, 0, 0});
    assert_int_equal(uplink.state, UPLINK_DONE);
}

static void sealed_with_other_records_is_not_the_end(void **state)
{
    struct uplink uplink = completing();
    (void)state;
    PLAY(&uplink, {LOST, 0, UPLINK_CONNECT, 0, 0}, {OPENED, 0, UPLINK_WAIT, 0, 0});
    uplink_ready(&uplink, &(struct uplink_stored){2, true, 1999}, 3, "inc");
    assert_int_equal(uplink_next(&uplink, NOW).kind, UPLINK_SEND_COMPLETE);
    PLAY(&uplink, {COMPLETE_SENT, 0, UPLINK_WAIT, 0, 0}, {REFUSED, (uint64_t)(int64_t)ERR_SEALED, UPLINK_CLOSE, 0, 0});
    assert_int_equal(uplink.state, UPLINK_FAILED);
    assert_int_equal(uplink.error, ERR_UNPROVEN);
}

static void sealed_before_anything_was_said_of_all_is_asked_about_again(void **state)
{
    struct uplink uplink = completing(); // `ready` told of none
    (void)state;
    PLAY(&uplink, {REFUSED, (uint64_t)(int64_t)ERR_SEALED, UPLINK_CLOSE, 0, 0});
    assert_int_equal(uplink.state, UPLINK_OFFLINE);
    PLAY(&uplink, {SPOOLED, 2, UPLINK_CONNECT, 0, 0}, {OPENED, 0, UPLINK_WAIT, 0, 0},
         {READY, 2, UPLINK_SEND_COMPLETE, 0, 0}, {COMPLETE_SENT, 0, UPLINK_WAIT, 0, 0},
         {REFUSED, (uint64_t)(int64_t)ERR_SEALED, UPLINK_CLOSE, 0, 0});
    assert_int_equal(uplink.state, UPLINK_DONE);
}

static void sealed_at_the_door_says_nothing_of_what_was_acked_before(void **state)
{
    struct uplink uplink = streaming();
    (void)state;
    PLAY(&uplink, {SPOOLED, 2, UPLINK_SEND, 0, 2}, {SENT, 2, UPLINK_WAIT, 0, 0}, {ACKED, 1, UPLINK_WAIT, 0, 0},
         {JOB_ENDED, 0, UPLINK_SEND_COMPLETE, 0, 0}, {COMPLETE_SENT, 0, UPLINK_WAIT, 0, 0},
         {LOST, 0, UPLINK_CONNECT, 0, 0}, {REFUSED, (uint64_t)(int64_t)ERR_SEALED, UPLINK_WAIT, 0, 0});
    assert_int_equal(uplink.state, UPLINK_FAILED);
    assert_int_equal(uplink.error, ERR_SEALED);
}

static void a_refused_digest_is_left_out_once(void **state)
{
    struct uplink uplink = streaming();
    (void)state;
    PLAY(&uplink, {JOB_ENDED, 0, UPLINK_SEND_COMPLETE, 0, 0}, {COMPLETE_SENT, 0, UPLINK_WAIT, 0, 0},
         {REFUSED, (uint64_t)(int64_t)ERR_DIGEST, UPLINK_SEND_COMPLETE, 0, 0});
    assert_false(uplink.with_digest);
    PLAY(&uplink, {COMPLETE_SENT, 0, UPLINK_WAIT, 0, 0}, {REFUSED, (uint64_t)(int64_t)ERR_DIGEST, UPLINK_CLOSE, 0, 0});
    assert_int_equal(uplink.state, UPLINK_FAILED);
}

static void retries_begin_at_once_and_are_never_more_than_five_seconds_apart(void **state)
{
    struct uplink uplink;
    uint64_t now = NOW, longest = 0;
    (void)state;
    uplink_init(&uplink, 0, 0, 0, 42);
    assert_int_equal(uplink_next(&uplink, now).kind, UPLINK_CONNECT);
    uplink_lost(&uplink, now);
    assert_int_equal(uplink_next(&uplink, now).kind, UPLINK_CONNECT);
    for (int i = 0; i < 40; i++) {
        uplink_lost(&uplink, now);
        struct uplink_action action = uplink_next(&uplink, now);
        assert_int_equal(action.kind, UPLINK_WAIT);
        assert_in_range(action.at_ms, now + 50, now + 5000);
        longest = MAX(longest, action.at_ms - now);
        now = action.at_ms;
        assert_int_equal(uplink_next(&uplink, now).kind, UPLINK_CONNECT);
    }
    assert_true(longest > 2500);
    // A connection that lasts makes the next retry immediate again.
    uplink_opened(&uplink);
    uplink_ready(&uplink, &(struct uplink_stored){0}, 1, NULL);
    assert_int_equal(uplink_next(&uplink, now).kind, UPLINK_WAIT);
    uplink_lost(&uplink, now + 10000);
    assert_int_equal(uplink_next(&uplink, now + 10000).kind, UPLINK_CONNECT);
}

static void a_server_that_hangs_up_at_once_is_not_asked_without_a_pause(void **state)
{
    struct uplink uplink;
    unsigned at_once = 0;
    (void)state;
    uplink_init(&uplink, 0, 0, 0, 42);
    for (int i = 0; i < 10; i++) {
        struct uplink_action action = uplink_next(&uplink, NOW);
        if (action.kind == UPLINK_WAIT)
            break;
        at_once++;
        uplink_opened(&uplink);
        uplink_ready(&uplink, &(struct uplink_stored){0}, 1, NULL);
        uplink_next(&uplink, NOW);
        uplink_lost(&uplink, NOW);
    }
    assert_int_equal(at_once, 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_run_goes_from_connecting_to_done),
        cmocka_unit_test(a_job_without_output_completes),
        cmocka_unit_test(after_a_loss_it_goes_on_where_the_server_says),
        cmocka_unit_test(a_loss_while_completing_sends_complete_again),
        cmocka_unit_test(a_store_from_an_old_backup_gets_the_records_again),
        cmocka_unit_test(what_the_spool_no_longer_has_is_skipped_explicitly),
        cmocka_unit_test(the_window_bounds_what_is_under_way),
        cmocka_unit_test(an_ack_beyond_what_was_sent_counts_for_what_was_sent),
        cmocka_unit_test(more_than_the_spool_has_at_the_server_counts_as_delivered),
        cmocka_unit_test(more_than_was_ever_recorded_is_no_servers_word),
        cmocka_unit_test(only_the_spools_own_counter_and_digest_are_the_end),
        cmocka_unit_test(an_end_that_comes_while_the_job_goes_on_is_none),
        cmocka_unit_test(the_jobs_end_is_a_moment_to_try_at_once),
        cmocka_unit_test(sealed_with_other_records_is_not_the_end),
        cmocka_unit_test(sealed_before_anything_was_said_of_all_is_asked_about_again),
        cmocka_unit_test(refusals_lead_where_the_table_says),
        cmocka_unit_test(a_gap_is_filled_on_the_same_connection),
        cmocka_unit_test(a_second_ready_sends_again_from_there),
        cmocka_unit_test(sealed_after_everything_was_acked_is_done),
        cmocka_unit_test(sealed_at_the_door_says_nothing_of_what_was_acked_before),
        cmocka_unit_test(a_refused_digest_is_left_out_once),
        cmocka_unit_test(retries_begin_at_once_and_are_never_more_than_five_seconds_apart),
        cmocka_unit_test(a_server_that_hangs_up_at_once_is_not_asked_without_a_pause),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
