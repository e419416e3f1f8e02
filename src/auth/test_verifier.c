// Tokens of issuers whose keys come and go: which key verifies, when to wait, what is remembered.
#include "auth/auth_private.h"
#include "auth/verifier.h"
#include "util/testing.h"

#define SECRET "super-secret-jwt-token-with-at-least-32-characters-long"
#define ES_KEY                                                                                \
    "\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU\"," \
    "\"y\":\"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0\""
#define ED_KEY   "\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo\""
#define ES_SET   "{\"keys\":[{\"kid\":\"es\"," ES_KEY "}]}"
#define BOTH_SET "{\"keys\":[{\"kid\":\"es\"," ES_KEY "},{\"kid\":\"ed\"," ED_KEY "}]}"
#define ED_SET   "{\"keys\":[{\"kid\":\"ed\"," ED_KEY "}]}"
// RFC 7515, A.3: its `iss` is joe, it has expired, and it names no key.
#define ES_TOKEN                                                                                                       \
    "eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnV" \
    "lfQ.DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q"
#define BEFORE_EXPIRY_MS 1300819370000

struct world {
    struct verifier *verifier;
    uint64_t asked_id; // of the last fetch that was begun
    unsigned asked;
    char asked_url[64];
};

static void fetch_begin(void *arg, uint64_t id, const char *url, const char *ca_file)
{
    struct world *world = arg;
    assert_string_equal(ca_file, "");
    world->asked_id = id;
    world->asked++;
    snprintf(world->asked_url, sizeof(world->asked_url), "%s", url);
}

static struct issuer *issuer_of(const char *name, const char *url)
{
    struct issuer *issuer = xcalloc(1, sizeof(*issuer));
    CLEANUP(buf_release) struct buf error = {0};
    *issuer = (struct issuer){
        .name = xstrdup(name),
        .iss = {{xstrdup("joe")}, 1},
        .audience = {{xstrdup("me")}, 1},
        .roles = {{xstrdup("r=user")}, 1},
        .role_claim = xstrdup("role"),
        .role = xstrdup(""),
        .user_prefix = xstrdup(""),
        .account = xstrdup("default"),
        .account_claim = xstrdup(""),
        .jwks_file = xstrdup(""),
        .jwks_url = xstrdup(url),
        .ca_file = xstrdup(""),
        .keep_seconds = 600,
        .refetch_seconds = 600,
    };
    issuer->print[0] = (uint8_t)name[0];
    assert_int_equal(jose_keys_add_secret(&issuer->keys, STR(SECRET), &error), 0);
    return issuer;
}

static bool set(struct world *world, const char *url)
{
    const struct auth_fetch fetch = {fetch_begin, world};
    struct issuer_file file = {.count = 0};
    if (url)
        file.items[file.count++] = issuer_of("a", url);
    return verifier_set(world->verifier, &file, &fetch);
}

static bool fetched(struct world *world, const char *json)
{
    CLEANUP(buf_release) struct buf error = {0};
    bool changed;
    verifier_fetched(world->verifier, world->asked_id, str_of(json), &changed, &error);
    return changed;
}

static enum verifier_answer judge(struct world *world, const char *token, bool waited, struct verified *ret)
{
    return verifier_judge(world->verifier, str_of(token), BEFORE_EXPIRY_MS, waited, ret);
}

static int set_up(void **state)
{
    struct world *world = xcalloc(1, sizeof(*world));
    world->verifier = verifier_new();
    *state = world;
    return 0;
}

static int tear_down(void **state)
{
    struct world *world = *state;
    verifier_free(&world->verifier);
    free(world);
    return 0;
}

static void without_issuers_every_token_is_refused(void **state)
{
    struct verified verified;
    assert_int_equal(judge(*state, ES_TOKEN, false, &verified), VERIFIER_REFUSED);
    assert_int_equal(verified.verdict.err, ERR_UNAUTHORIZED);
    set(*state, "");
    set(*state, NULL);
    assert_int_equal(judge(*state, ES_TOKEN, false, &verified), VERIFIER_REFUSED);
    assert_int_equal(judge(*state, "eyJ.x.y", false, &verified), VERIFIER_REFUSED);
}

static void a_token_waits_for_the_first_set_and_is_judged_by_it(void **state)
{
    struct world *world = *state;
    struct verified verified;
    set(world, "https://keys");
    verifier_refresh(world->verifier);
    assert_int_equal(world->asked, 1);
    assert_string_equal(world->asked_url, "https://keys");
    assert_int_equal(judge(world, ES_TOKEN, false, &verified), VERIFIER_WAIT);
    assert_int_equal(verified.id, world->asked_id);
    assert_int_equal(judge(world, ES_TOKEN, true, &verified), VERIFIER_REFUSED);
    assert_int_equal(verified.verdict.err, ERR_UNAVAILABLE); // nobody can tell yet
    assert_true(fetched(world, ES_SET));
    assert_int_equal(judge(world, ES_TOKEN, false, &verified), VERIFIER_JUDGED);
    assert_int_equal(verified.verdict.err, ERR_FORBIDDEN); // the signature is good; it has no role
    assert_true(verifier_knows(world->verifier, verified.key));
    verifier_refresh(world->verifier);
    assert_int_equal(world->asked, 1); // the set is young
}

static void a_key_that_a_newer_set_does_not_have_is_known_no_more(void **state)
{
    struct world *world = *state;
    struct verified verified;
    set(world, "https://keys");
    verifier_refresh(world->verifier);
    assert_true(fetched(world, BOTH_SET));
    judge(world, ES_TOKEN, false, &verified);
    uint64_t key = verified.key;
    assert_false(fetched(world, BOTH_SET)); // nothing has changed
    assert_true(verifier_knows(world->verifier, key));
    assert_false(fetched(world, "{}")); // what cannot be read changes nothing
    assert_true(verifier_knows(world->verifier, key));
    assert_true(fetched(world, ED_SET));
    assert_false(verifier_knows(world->verifier, key));
    assert_int_equal(judge(world, ES_TOKEN, false, &verified), VERIFIER_REFUSED);
    assert_int_equal(verified.verdict.err, ERR_UNAUTHORIZED);
}

static void fetched_keys_outlive_a_reload_unless_the_url_changes(void **state)
{
    struct world *world = *state;
    struct verified verified;
    set(world, "https://keys");
    verifier_refresh(world->verifier);
    fetched(world, ES_SET);
    assert_false(set(world, "https://keys"));
    assert_int_equal(judge(world, ES_TOKEN, false, &verified), VERIFIER_JUDGED);
    assert_true(set(world, "https://others"));
    assert_int_equal(judge(world, ES_TOKEN, false, &verified), VERIFIER_WAIT);
    verifier_refresh(world->verifier);
    assert_string_equal(world->asked_url, "https://others");
    fetched(world, ES_SET);
    assert_true(set(world, NULL));
    assert_int_equal(judge(world, ES_TOKEN, false, &verified), VERIFIER_REFUSED);
}

static void what_is_remembered_is_forgotten_when_keys_change(void **state)
{
    struct world *world = *state;
    static const uint8_t hash[32] = {1};
    const struct principal principal = {.role = ROLE_USER, .account = 7};
    struct principal found;
    struct verified verified;
    set(world, "https://keys");
    verifier_refresh(world->verifier);
    fetched(world, ES_SET);
    judge(world, ES_TOKEN, false, &verified);
    assert_false(verifier_recall(world->verifier, hash, &found));
    verifier_remember(world->verifier, hash, &verified, &principal);
    assert_true(verifier_recall(world->verifier, hash, &found));
    assert_int_equal(found.account, 7);
    fetched(world, BOTH_SET);
    assert_false(verifier_recall(world->verifier, hash, &found));
    verifier_remember(world->verifier, hash, &verified, &principal); // it was judged by the former keys
    assert_false(verifier_recall(world->verifier, hash, &found));
}

static void what_was_found_good_is_good_for_its_time_alone(void **state)
{
    (void)state;
    struct key_cache cache = {0};
    static const uint8_t hash[32] = {1};
    const struct principal principal = {.account = 7};
    struct principal found;
    bool touch;
    key_cache_init(&cache, 1000);
    key_cache_add(&cache, hash, 5000, &principal);
    assert_true(key_cache_find(&cache, hash, 5999, &found, &touch));
    assert_false(key_cache_find(&cache, hash, 6000, &found, &touch));
    key_cache_add(&cache, hash, 6000, &principal);
    key_cache_clear(&cache);
    assert_false(key_cache_find(&cache, hash, 6000, &found, &touch));
    key_cache_release(&cache);
}

// --- Waiting

struct patient {
    struct verifier_waiter waiter;
    struct loop *loop;
    unsigned woken;
};

static void wake(struct mail *mail)
{
    struct patient *patient = CONTAINER_OF(mail, struct patient, waiter.mail);
    patient->woken++;
    loop_stop(patient->loop);
}

static void who_waits_has_mail_when_the_fetch_has_ended_however(void **state)
{
    struct world *world = *state;
    static const char *const answers[] = {ES_SET, "no set", NULL};
    for (size_t i = 0; i < ARRAY_LEN(answers); i++) {
        struct patient patient = {.woken = 0};
        assert_int_equal(loop_new(&patient.loop), 0);
        CLEANUP(free_ptr) char *url = xasprintf("https://keys%zu", i);
        struct verified verified;
        set(world, url);
        assert_int_equal(judge(world, ES_TOKEN, false, &verified), VERIFIER_WAIT);
        patient.waiter = (struct verifier_waiter){.mail.deliver = wake, .reply_to = patient.loop, .id = verified.id};
        unsigned asked = world->asked;
        assert_int_equal(verifier_wait(world->verifier, &patient.waiter), 0);
        assert_int_equal(world->asked, asked + 1); // it begins what nobody has begun
        assert_int_equal(patient.woken, 0);
        fetched(world, answers[i]);
        loop_run(patient.loop);
        assert_int_equal(patient.woken, 1);
        // Within refetch_seconds there is nothing more to wait for.
        assert_int_equal(verifier_wait(world->verifier, &patient.waiter), ERR_CONFLICT);
        loop_free(&patient.loop);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(without_issuers_every_token_is_refused),
        TEST(a_token_waits_for_the_first_set_and_is_judged_by_it),
        TEST(a_key_that_a_newer_set_does_not_have_is_known_no_more),
        TEST(fetched_keys_outlive_a_reload_unless_the_url_changes),
        TEST(what_is_remembered_is_forgotten_when_keys_change),
        TEST(who_waits_has_mail_when_the_fetch_has_ended_however),
        cmocka_unit_test(what_was_found_good_is_good_for_its_time_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
