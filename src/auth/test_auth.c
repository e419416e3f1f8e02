#include "auth/auth_private.h"
#include "model/config_limits.h"
#include "store/adapter.h"
#include "util/clock.h"
#include "util/testing.h"

// Nothing of it is asked but whether others have it, too.
static struct store alone = {.one_writer = true};

#define TICKETS 100

static void each_role_may_do_what_the_table_says_and_no_more(void **state)
{
    (void)state;
    static const struct {
        enum action action;
        const char *allowed; // none run viewer user service admin operator
    } cases[] = {
        {ACTION_READ, "--vusao"},    {ACTION_SUBMIT, "---usao"}, {ACTION_CANCEL, "---usao"},
        {ACTION_WRITE, "---usao"},   {ACTION_RECORD, "-r-usao"}, {ACTION_INPUT, "-rvusao"},
        {ACTION_BLOB, "-r-usao"},    {ACTION_LEAVE, "-r-usao"},  {ACTION_WORK, "----sao"},
        {ACTION_PURGE, "-----ao"},   {ACTION_KEYS, "-----ao"},   {ACTION_OPERATE, "------o"},
        {ACTION_SECRETS, "-----ao"}, {ACTION_PUBLIC, "nrvusao"},
    };
    assert_int_equal(ARRAY_LEN(cases), ACTION_COUNT);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        for (enum role role = ROLE_NONE; role < ROLE_COUNT; role++)
            assert_int_equal(role_may(role, cases[i].action), cases[i].allowed[role] != '-');
}

static void user_sees_only_what_it_owns_and_others_the_account(void **state)
{
    (void)state;
    struct principal user = {.role = ROLE_USER, .account = 1, .user = "key_a"};
    struct principal viewer = {.role = ROLE_VIEWER, .account = 1};
    struct execution own = {.account = 1, .owner = (char *)"key_a"};
    struct execution others = {.account = 1, .owner = (char *)"key_b"};
    struct execution nobodys = {.account = 1};
    struct execution elsewhere = {.account = 2, .owner = (char *)"key_a"};
    assert_true(principal_owns(&user, &own));
    assert_false(principal_owns(&user, &others));
    assert_false(principal_owns(&user, &nobodys));
    assert_false(principal_owns(&user, &elsewhere));
    assert_true(principal_owns(&viewer, &others));
    assert_true(principal_owns(&viewer, &nobodys));
    assert_false(principal_owns(&viewer, &elsewhere));
}

static void keys_are_long_url_safe_and_never_the_same(void **state)
{
    (void)state;
    char key[API_KEY_LEN + 1], other[API_KEY_LEN + 1];
    uint8_t hash[32], other_hash[32], expected[32];
    for (int i = 0; i < 200; i++) {
        api_key_make(key, hash);
        api_key_make(other, other_hash);
        assert_int_equal(strlen(key), API_KEY_LEN);
        assert_true(str_starts(str_of(key), STR("rnl_")));
        assert_int_equal(strspn(key, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"), API_KEY_LEN);
        assert_string_not_equal(key, other);
        sha256(key, API_KEY_LEN, expected);
        assert_memory_equal(hash, expected, sizeof(hash));
    }
}

// --- Run tokens

static void a_run_token_says_what_it_is_for_and_cannot_be_changed(void **state)
{
    (void)state;
    struct store store = {.secret = {1, 2, 3}}, other = {.secret = {1, 2, 4}};
    const struct run_name run = {
        .account = 0x123456789a, .row = (int64_t)5 << STORE_SHARD_SHIFT | 7, .epoch = 3, .execution_id = STR("exec_a")};
    char text[API_KEY_LEN + 1], again[API_KEY_LEN + 1];
    uint8_t token[32];
    run_token_make(&store, &run, text);
    run_token_make(&store, &run, again);
    assert_string_equal(text, again);
    assert_true(secret_well_formed(str_of(text), STR(RUN_TOKEN_PREFIX)));
    assert_true(secret_read(str_of(text), token));
    struct run_name read = run_token_name(token);
    assert_true(read.account == run.account && read.row == run.row && read.epoch == run.epoch);
    read.execution_id = STR("exec_a");
    assert_true(run_token_good(&store, token, &read));
    assert_false(run_token_good(&other, token, &read));
    read.execution_id = STR("exec_b"); // the row is another one's
    assert_false(run_token_good(&store, token, &read));
    read.execution_id = STR("exec_a");
    for (size_t bit = 0; bit < 256; bit++) {
        token[bit / 8] ^= (uint8_t)(1u << bit % 8);
        assert_false(run_token_good(&store, token, &read));
        token[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
}

static void a_run_token_is_judged_by_epoch_seal_and_account(void **state)
{
    (void)state;
    const struct run_name run = {.account = 1, .row = 7, .epoch = 3};
    const struct store_run_find good = {.ret_account = 1, .ret_epoch = 3};
    struct store_run_find found = good;
    struct principal principal;
    assert_int_equal(run_judge(&run, &found, 1000, &principal), 0);
    assert_true(principal.role == ROLE_RUN && principal.account == 1 && principal.run_row == 7 && !principal.run_late);
    found.ret_epoch = 4;
    assert_int_equal(run_judge(&run, &found, 1000, &principal), ERR_FENCED);
    found = good;
    found.ret_deleted = true;
    assert_int_equal(run_judge(&run, &found, 1000, &principal), ERR_UNAUTHORIZED);
    found = good;
    found.ret_purged = true;
    assert_int_equal(run_judge(&run, &found, 1000, &principal), ERR_UNAUTHORIZED);
    found = good;
    found.ret_sealed = true;
    found.ret_sealed_ms = 1000;
    assert_int_equal(run_judge(&run, &found, 1000 + ARTIFACT_GRACE_MS, &principal), 0);
    assert_true(principal.run_late);
    assert_int_equal(run_judge(&run, &found, 1001 + ARTIFACT_GRACE_MS, &principal), ERR_SEALED);
    struct execution own = {.row = 7, .account = 1}, other = {.row = 8, .account = 1},
                     elsewhere = {.row = 7, .account = 2};
    assert_true(principal_owns(&principal, &own));
    assert_false(principal_owns(&principal, &other));
    assert_false(principal_owns(&principal, &elsewhere));
}

// --- Tickets, and what is no credential at all: the store is not asked for these.

struct answer {
    struct auth_check check;
    bool done;
};

static void answered(struct auth_check *check)
{
    CONTAINER_OF(check, struct answer, check)->done = true;
}

static const struct ticket_use page = {.kind = 1, .execution_id = {"exec_a", 6}};

static int ask_for(struct auth *auth, const char *credential, const struct ticket_use *use, const char *peer,
                   struct principal *ret)
{
    struct answer answer = {.done = false};
    struct credential shown = {
        .text = str_of(credential),
        .place = use ? CREDENTIAL_IN_URL : CREDENTIAL_IN_HEADER,
        .use = use ? *use : (struct ticket_use){0},
    };
    auth_check(auth, &answer.check, NULL, &shown, peer, answered);
    assert_true(answer.done);
    if (ret)
        *ret = answer.check.principal;
    return answer.check.err;
}

static int ask(struct auth *auth, const char *credential, bool ticket_allowed, const char *peer, struct principal *ret)
{
    return ask_for(auth, credential, ticket_allowed ? &page : NULL, peer, ret);
}

static int start(void **state)
{
    struct auth *auth;
    const struct auth_options options = {.failed_logins_max = 3, .tickets_max = TICKETS};
    int err = auth_new(&alone, &options, &auth);
    *state = auth;
    return err;
}

static int stop(void **state)
{
    struct auth *auth = *state;
    auth_free(&auth);
    return 0;
}

static void ticket_made(struct auth_ticket *ticket)
{
    (void)ticket; // at once: the store is this process's alone
}

static int make_ticket(struct auth *auth, const struct principal *principal, char out[API_KEY_LEN + 1])
{
    struct auth_ticket ticket;
    auth_ticket_make(auth, &ticket, principal, NULL, ticket_made);
    memcpy(out, ticket.text, sizeof(ticket.text));
    return ticket.err;
}

static void ticket_is_good_again_for_the_stream_of_its_first_use_alone(void **state)
{
    char ticket[API_KEY_LEN + 1];
    struct principal principal = {.role = ROLE_USER, .account = 4, .user = "key_x"}, found;
    const struct ticket_use other_kind = {.kind = 2, .execution_id = STR("exec_a")};
    const struct ticket_use other_execution = {.kind = 1, .execution_id = STR("exec_ab")};
    assert_int_equal(make_ticket(*state, &principal, ticket), 0);
    for (int i = 0; i < 5; i++) {
        assert_int_equal(ask(*state, ticket, true, "127.0.0.1:1", &found), 0);
        assert_int_equal(found.account, 4);
        assert_string_equal(found.user, "key_x");
        assert_int_equal(ask_for(*state, ticket, &other_kind, "127.0.0.1:1", &found), ERR_UNAUTHORIZED);
        assert_int_equal(ask_for(*state, ticket, &other_execution, "127.0.0.1:1", &found), ERR_UNAUTHORIZED);
        assert_int_equal(found.role, ROLE_NONE);
    }
}

static void ticket_is_refused_where_only_keys_are_allowed(void **state)
{
    char ticket[API_KEY_LEN + 1];
    struct principal principal = {.role = ROLE_VIEWER, .account = 4};
    assert_int_equal(make_ticket(*state, &principal, ticket), 0);
    assert_int_equal(ask(*state, ticket, false, "127.0.0.1:1", NULL), ERR_UNAUTHORIZED);
    assert_int_equal(ask(*state, ticket, true, "127.0.0.1:1", NULL), 0);
}

static void ticket_of_a_revoked_or_expired_key_is_refused(void **state)
{
    char ticket[API_KEY_LEN + 1];
    struct principal revoked = {.role = ROLE_VIEWER, .account = 4, .key_row = 9};
    struct principal expired = {.role = ROLE_VIEWER, .account = 4, .expires_ms = (uint64_t)clock_real_ms() - 1};
    uint64_t generation = auth_generation(*state);
    assert_int_equal(make_ticket(*state, &revoked, ticket), 0);
    const struct principal other = {.role = ROLE_VIEWER, .account = 4, .key_row = 10};
    assert_int_equal(auth_standing(*state, &revoked), 0);
    auth_revoked(*state, 9);
    assert_int_equal(auth_standing(*state, &revoked), ERR_UNAUTHORIZED);
    assert_int_equal(auth_standing(*state, &other), 0);
    assert_true(auth_generation(*state) > generation);
    assert_int_equal(ask(*state, ticket, true, "127.0.0.1:1", NULL), ERR_UNAUTHORIZED);
    assert_int_equal(make_ticket(*state, &expired, ticket), 0);
    assert_int_equal(ask(*state, ticket, true, "127.0.0.1:1", NULL), ERR_TOKEN_EXPIRED);
}

static void too_many_failures_slow_down_their_address_alone(void **state)
{
    for (int i = 0; i < 3; i++)
        assert_int_equal(ask(*state, "nonsense", false, "10.0.0.1:1", NULL), ERR_UNAUTHORIZED);
    assert_int_equal(ask(*state, "nonsense", false, "10.0.0.1:2", NULL), ERR_RATE);
    assert_int_equal(ask(*state, "nonsense", false, "10.0.0.2:1", NULL), ERR_UNAUTHORIZED);
}

static void failures_at_other_servers_count(void **state)
{
    struct tally tally;
    tally_init(&tally);
    tally_add(&tally, STR("10.0.0.1"), 2);
    auth_failures_elsewhere(*state, &tally);
    assert_int_equal(ask(*state, "nonsense", false, "10.0.0.1:1", NULL), ERR_UNAUTHORIZED);
    assert_int_equal(ask(*state, "nonsense", false, "10.0.0.1:2", NULL), ERR_RATE);
    assert_int_equal(ask(*state, "nonsense", false, "10.0.0.2:1", NULL), ERR_UNAUTHORIZED);
    auth_failures(*state, &tally);
    assert_int_equal(tally_get(&tally, STR("10.0.0.1")), 1); // one that was refused for that is not counted
    assert_int_equal(tally_get(&tally, STR("10.0.0.2")), 1);
    tally_release(&tally);
    auth_failures_elsewhere(*state, &tally);
    assert_int_equal(ask(*state, "nonsense", false, "10.0.0.1:1", NULL), ERR_UNAUTHORIZED);
}

static void sending_no_credential_is_no_failed_login(void **state)
{
    for (int i = 0; i < 10; i++)
        assert_int_equal(ask(*state, "", true, "10.0.0.1:1", NULL), ERR_UNAUTHORIZED);
    assert_int_equal(ask(*state, "nonsense", true, "10.0.0.1:1", NULL), ERR_UNAUTHORIZED);
}

static void good_ticket_passes_whatever_others_at_its_address_do(void **state)
{
    char ticket[API_KEY_LEN + 1];
    struct principal principal = {.role = ROLE_VIEWER, .account = 4};
    assert_int_equal(make_ticket(*state, &principal, ticket), 0);
    for (int i = 0; i < 4; i++)
        ask(*state, "nonsense", true, "10.0.0.1:1", NULL);
    assert_int_equal(ask(*state, "nonsense", true, "10.0.0.1:1", NULL), ERR_RATE);
    assert_int_equal(ask(*state, ticket, true, "10.0.0.1:1", NULL), 0);
}

static void outstanding_tickets_are_bounded_for_each_account_by_itself(void **state)
{
    char ticket[API_KEY_LEN + 1], more[API_KEY_LEN + 1];
    struct principal principal = {.role = ROLE_VIEWER, .account = 1, .key_row = 5};
    struct principal other = {.role = ROLE_VIEWER, .account = 2, .key_row = 6};
    for (int i = 0; i < TICKETS; i++)
        assert_int_equal(make_ticket(*state, &principal, ticket), 0);
    assert_int_equal(make_ticket(*state, &principal, more), ERR_RATE);
    assert_int_equal(make_ticket(*state, &other, more), 0);
    auth_revoked(*state, 5); // its tickets go with it
    principal.key_row = 7;
    assert_int_equal(make_ticket(*state, &principal, more), 0);
}

// --- Tickets in the course of time

#define TICKET(n)       \
    (const uint8_t[32]) \
    {                   \
        n               \
    }

static struct tickets *some_tickets(const struct principal *principal)
{
    struct tickets *tickets = xcalloc(1, sizeof(*tickets));
    tickets_init(tickets, TICKETS);
    assert_int_equal(tickets_add(tickets, TICKET(1), principal, 1000), 0);
    assert_int_equal(tickets_add(tickets, TICKET(2), principal, 1000), 0);
    return tickets;
}

static void free_tickets(struct tickets *tickets)
{
    tickets_release(tickets);
    free(tickets);
}

static void ticket_has_to_be_used_first_within_half_a_minute(void **state)
{
    (void)state;
    const struct principal principal = {.account = 1};
    struct principal found;
    struct tickets *tickets = some_tickets(&principal);
    assert_int_equal(tickets_use(tickets, TICKET(1), &page, 1000 + TICKET_MS - 1, &found), 0);
    assert_int_equal(tickets_use(tickets, TICKET(2), &page, 1000 + TICKET_MS, &found), ERR_NOT_FOUND);
    free_tickets(tickets);
}

static void each_use_of_a_ticket_prolongs_it(void **state)
{
    (void)state;
    const struct principal principal = {.account = 1};
    struct principal found;
    struct tickets *tickets = some_tickets(&principal);
    uint64_t now = 1000;
    for (int i = 0; i < 10; i++, now += TICKET_UNUSED_MS - 1)
        assert_int_equal(tickets_use(tickets, TICKET(1), &page, now, &found), 0);
    assert_int_equal(tickets_use(tickets, TICKET(1), &page, now + 1, &found), ERR_NOT_FOUND);
    free_tickets(tickets);
}

static void ticket_lives_as_long_as_a_stream_of_it_is_open(void **state)
{
    (void)state;
    const struct principal principal = {.account = 1};
    struct principal found;
    struct tickets *tickets = some_tickets(&principal);
    uint64_t later = 1000 + 1000 * (uint64_t)TICKET_UNUSED_MS;
    assert_int_equal(tickets_use(tickets, TICKET(1), &page, 1000, &found), 0);
    tickets_stream_opened(tickets, found.ticket);
    tickets_stream_opened(tickets, found.ticket); // a second one
    tickets_stream_closed(tickets, found.ticket, later);
    assert_int_equal(tickets_use(tickets, TICKET(1), &page, later, &found), 0);
    later += 1000 * (uint64_t)TICKET_UNUSED_MS;
    assert_int_equal(tickets_use(tickets, TICKET(1), &page, later, &found), 0);
    tickets_stream_closed(tickets, found.ticket, later);
    assert_int_equal(tickets_use(tickets, TICKET(1), &page, later + TICKET_UNUSED_MS - 1, &found), 0);
    assert_int_equal(tickets_use(tickets, TICKET(1), &page, later + 3 * TICKET_UNUSED_MS, &found), ERR_NOT_FOUND);
    tickets_stream_closed(tickets, found.ticket, later); // of one that has ended: nothing
    free_tickets(tickets);
}

// --- Accounts

static void suspended_account_is_told_so_and_what_is_older_undoes_nothing(void **state)
{
    char ticket[API_KEY_LEN + 1];
    struct principal principal = {.role = ROLE_VIEWER, .account = 4}, other = {.role = ROLE_VIEWER, .account = 5};
    uint64_t generation = auth_generation(*state);
    assert_int_equal(make_ticket(*state, &principal, ticket), 0);
    auth_account_changed(*state, 4, ACCOUNT_SUSPENDED, 2);
    assert_true(auth_generation(*state) > generation);
    assert_int_equal(auth_standing(*state, &principal), ERR_SUSPENDED);
    assert_int_equal(auth_standing(*state, &other), 0);
    assert_int_equal(ask(*state, ticket, true, "127.0.0.1:1", NULL), ERR_SUSPENDED);
    auth_account_changed(*state, 4, ACCOUNT_ACTIVE, 1);
    assert_int_equal(auth_standing(*state, &principal), ERR_SUSPENDED);
    auth_account_changed(*state, 4, ACCOUNT_ACTIVE, 3);
    assert_int_equal(ask(*state, ticket, true, "127.0.0.1:1", NULL), 0);
    principal.suspended = true; // as it was read before it was resumed
    assert_int_equal(auth_standing(*state, &principal), 0);
    auth_account_changed(*state, 4, ACCOUNT_DELETED, 4);
    assert_int_equal(auth_standing(*state, &principal), ERR_UNAUTHORIZED);
}

// A kind that stands where it may not is no credential, whatever it would be elsewhere; a key's owner learns what to do
// instead.
static void each_kind_is_good_only_where_it_may_stand(void **state)
{
    (void)state;
    static const struct {
        const char *prefix;
        enum credential_place place;
        bool told;
    } wrong[] = {
        {API_KEY_PREFIX, CREDENTIAL_IN_URL, true},
        {API_KEY_PREFIX, CREDENTIAL_IN_PROTOCOL, true},
        {TICKET_PREFIX, CREDENTIAL_IN_HEADER, false},
    };
    struct auth *auth;
    assert_int_equal(auth_new(&alone, &(struct auth_options){.failed_logins_max = 100}, &auth), 0);
    for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
        char secret[API_KEY_LEN + 1];
        secret_make(wrong[i].prefix, secret);
        struct credential shown = {str_of(secret), wrong[i].place, {1, STR("exec_a")}};
        struct answer answer = {.done = false};
        assert_int_equal(auth_misplaced(&shown) != NULL, wrong[i].told);
        auth_check(auth, &answer.check, NULL, &shown, "127.0.0.1:1", answered); // the store is not asked: there is none
        assert_true(answer.done);
        assert_int_equal(answer.check.err, ERR_UNAUTHORIZED);
    }
    assert_null(auth_misplaced(&(struct credential){STR(API_KEY_PREFIX "x"), CREDENTIAL_IN_HEADER, {0}}));
    assert_null(auth_misplaced(&(struct credential){STR(TICKET_PREFIX "x"), CREDENTIAL_IN_URL, {0}}));
    assert_null(auth_misplaced(&(struct credential){STR("other"), CREDENTIAL_IN_URL, {0}}));
    auth_free(&auth);
}

static void who_was_cut_off_from_the_others_trusts_nobody_it_knew(void **state)
{
    char ticket[API_KEY_LEN + 1];
    struct principal principal = {.role = ROLE_VIEWER, .account = 4}, found;
    assert_int_equal(make_ticket(*state, &principal, ticket), 0);
    assert_int_equal(ask(*state, ticket, true, "127.0.0.1:1", &found), 0);
    auth_account_changed(*state, 4, ACCOUNT_ACTIVE, 1);
    assert_int_equal(auth_standing(*state, &found), 0);
    auth_cut_off(*state);
    assert_int_equal(auth_standing(*state, &found), ERR_UNAUTHORIZED);
    assert_int_equal(ask(*state, ticket, true, "127.0.0.1:1", NULL), ERR_UNAUTHORIZED);
    struct principal suspended = {.role = ROLE_VIEWER, .account = 4, .suspended = true}; // as the store says by now
    assert_int_equal(make_ticket(*state, &suspended, ticket), 0);
    assert_int_equal(ask(*state, ticket, true, "127.0.0.1:1", NULL), ERR_SUSPENDED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_role_may_do_what_the_table_says_and_no_more),
        cmocka_unit_test(a_run_token_says_what_it_is_for_and_cannot_be_changed),
        cmocka_unit_test(a_run_token_is_judged_by_epoch_seal_and_account),
        cmocka_unit_test(user_sees_only_what_it_owns_and_others_the_account),
        cmocka_unit_test(keys_are_long_url_safe_and_never_the_same),
        cmocka_unit_test(each_kind_is_good_only_where_it_may_stand),
        cmocka_unit_test_setup_teardown(ticket_is_good_again_for_the_stream_of_its_first_use_alone, start, stop),
        cmocka_unit_test_setup_teardown(ticket_is_refused_where_only_keys_are_allowed, start, stop),
        cmocka_unit_test_setup_teardown(ticket_of_a_revoked_or_expired_key_is_refused, start, stop),
        cmocka_unit_test_setup_teardown(too_many_failures_slow_down_their_address_alone, start, stop),
        cmocka_unit_test_setup_teardown(failures_at_other_servers_count, start, stop),
        cmocka_unit_test_setup_teardown(sending_no_credential_is_no_failed_login, start, stop),
        cmocka_unit_test_setup_teardown(good_ticket_passes_whatever_others_at_its_address_do, start, stop),
        cmocka_unit_test_setup_teardown(outstanding_tickets_are_bounded_for_each_account_by_itself, start, stop),
        cmocka_unit_test(ticket_has_to_be_used_first_within_half_a_minute),
        cmocka_unit_test(each_use_of_a_ticket_prolongs_it),
        cmocka_unit_test(ticket_lives_as_long_as_a_stream_of_it_is_open),
        cmocka_unit_test_setup_teardown(suspended_account_is_told_so_and_what_is_older_undoes_nothing, start, stop),
        cmocka_unit_test_setup_teardown(who_was_cut_off_from_the_others_trusts_nobody_it_knew, start, stop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
