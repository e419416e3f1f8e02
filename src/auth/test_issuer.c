// What an issuer's settings make of a token's claims, the file that they come from, and when keys are fetched.
#include "auth/jwks.h"
#include "util/file.h"
#include "util/testing.h"

#include <jansson.h>
#include <sys/stat.h>
#include <unistd.h>

#define NOW_S   1700000000
#define NOW_MS  ((int64_t)NOW_S * 1000)
#define SECRET  "super-secret-jwt-token-with-at-least-32-characters-long"
#define MINIMAL "iss = \"here\"\naudience = \"me\"\naccount = \"default\"\n"

static int set_up(void **state)
{
    char *folder = xstrdup("/tmp/runnel-issuer-XXXXXX");
    *state = folder;
    return mkdtemp(folder) ? 0 : -1;
}

static int tear_down(void **state)
{
    int err = dir_remove_all(*state);
    free(*state);
    return err;
}

static char *path_in(void **state, const char *name)
{
    return xasprintf("%s/%s", (const char *)*state, name);
}

static void write_file(const char *path, const char *text, unsigned mode)
{
    assert_int_equal(file_write_atomic(path, text, strlen(text), mode), 0);
}

// A file with one issuer "a" of these settings, and a secret.
static int load_text(void **state, const char *settings, struct issuer_file *ret, struct buf *ret_error)
{
    CLEANUP(free_ptr) char *path = path_in(state, "issuers.conf");
    CLEANUP(free_ptr) char *secret = path_in(state, "secret");
    CLEANUP(free_ptr) char *text = xasprintf("issuer \"a\" {\nsecret_file = \"%s\"\n%s\n}\n", secret, settings);
    write_file(secret, SECRET "\n", 0600);
    write_file(path, text, 0644);
    return issuer_file_load(path, ret, ret_error);
}

static void load(void **state, const char *settings, struct issuer_file *ret)
{
    CLEANUP(buf_release) struct buf error = {0};
    int err = load_text(state, settings, ret, &error);
    assert_string_equal(err ? buf_cstr(&error) : "", "");
}

// --- The file

static void a_section_with_what_is_needed_is_an_issuer(void **state)
{
    CLEANUP(issuer_file_release) struct issuer_file file = {0};
    load(state, MINIMAL, &file);
    assert_int_equal(file.count, 1);
    const struct issuer *issuer = file.items[0];
    assert_string_equal(issuer->name, "a");
    assert_string_equal(issuer->iss.items[0], "here");
    assert_int_equal(issuer->roles.count, 3);
    assert_true(issuer->leeway_seconds == 30 && !issuer->anonymous && issuer->keep_seconds == 600);
    assert_int_equal(issuer->keys.count, 1);
    assert_int_equal(issuer->keys.items[0].secret.len, strlen(SECRET)); // without the newline
}

static void what_is_missing_or_wrong_is_refused_with_its_name(void **state)
{
    static const struct {
        const char *settings, *says;
    } cases[] = {
        {"audience = \"me\"\naccount = \"default\"", "iss must be"},
        {"iss = \"here\"\naccount = \"default\"", "audience must be"},
        {"iss = \"here\"\naudience = \"me\"", "account or account_claim"},
        {"iss = \"here\"\naudience = \"me\"\naccount = \"no name\"", "account must be"},
        {MINIMAL "account_claim = \"user_metadata.account\"", "user_metadata"},
        {MINIMAL "account_claim = \"x.user_metadata.y\"", "user_metadata"},
        {MINIMAL "role_claim = \"user_metadata.role\"", "user_metadata"},
        {MINIMAL "account_claim = \"a..b\"", "account_claim must be"},
        {MINIMAL "account_claim = \"a.b.c.d.e.f.g.h.i\"", "account_claim must be"},
        {MINIMAL "roles = {\"boss=operator\"}", "roles must be"},
        {MINIMAL "roles = {\"boss\"}", "roles must be"},
        {MINIMAL "roles = {\"=user\"}", "roles must be"},
        {MINIMAL "role = \"operator\"", "role must be"},
        {MINIMAL "role = \"none\"", "role must be"},
        {MINIMAL "subject_optional = \"authenticated\"", "subject_optional must be"},
        {MINIMAL "subject_optional = \"nobody\"", "subject_optional must be"},
        {MINIMAL "audience_optional = \"nobody\"", "audience_optional must be"},
        {MINIMAL "leeway_seconds = 301", "leeway_seconds must be"},
        {MINIMAL "keep_seconds = 601", "keep_seconds must be"},
        {MINIMAL "anonymous = \"perhaps\"", "anonymous must be"},
        {MINIMAL "account = \"\"", "account"},
        {MINIMAL "colour = \"red\"", "colour"},
        {MINIMAL "public_key_file = \"/nowhere/key.pem\"", "/nowhere/key.pem"},
        {MINIMAL "jwks_file = \"/nowhere/jwks.json\"", "/nowhere/jwks.json"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        CLEANUP(issuer_file_release) struct issuer_file file = {0};
        CLEANUP(buf_release) struct buf error = {0};
        assert_int_equal(load_text(state, cases[i].settings, &file, &error), ERR_INVALID);
        if (!strstr(buf_cstr(&error), cases[i].says))
            fail_msg("\"%s\" does not say \"%s\"", buf_cstr(&error), cases[i].says);
        assert_int_equal(file.count, 0);
    }
}

static void a_secret_that_others_may_read_or_that_is_short_is_refused(void **state)
{
    CLEANUP(free_ptr) char *path = path_in(state, "issuers.conf");
    CLEANUP(free_ptr) char *secret = path_in(state, "open");
    CLEANUP(free_ptr) char *text = xasprintf("issuer \"a\" {\nsecret_file = \"%s\"\n" MINIMAL "}\n", secret);
    CLEANUP(issuer_file_release) struct issuer_file file = {0};
    CLEANUP(buf_release) struct buf error = {0};
    write_file(path, text, 0644);
    write_file(secret, SECRET, 0644);
    assert_int_equal(issuer_file_load(path, &file, &error), ERR_INVALID);
    assert_non_null(strstr(buf_cstr(&error), "chmod 600"));
    buf_reset(&error);
    write_file(secret, "short\n", 0600);
    assert_int_equal(issuer_file_load(path, &file, &error), ERR_INVALID);
    assert_non_null(strstr(buf_cstr(&error), "32"));
}

static void a_file_without_an_issuer_and_one_without_keys_are_refused(void **state)
{
    static const char *const texts[] = {"", "issuer \"a\" { " MINIMAL " }", "top = 1"};
    CLEANUP(free_ptr) char *path = path_in(state, "issuers.conf");
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        CLEANUP(issuer_file_release) struct issuer_file file = {0};
        CLEANUP(buf_release) struct buf error = {0};
        write_file(path, texts[i], 0644);
        assert_int_equal(issuer_file_load(path, &file, &error), ERR_INVALID);
        assert_true(error.len > 0);
    }
}

// --- Claims

// Supabase, as docs/jwt.md sets it up.
#define SUPABASE                                                                                         \
    "iss = {\"https://p.supabase.co/auth/v1\", \"supabase\"}\naudience = \"authenticated\"\n"            \
    "audience_optional = \"service_role\"\nsubject_optional = \"service_role\"\naccount = \"default\"\n" \
    "leeway_seconds = 10\n"
#define GOOD "\"iss\":\"supabase\",\"exp\":1700000060,\"aud\":\"authenticated\",\"sub\":\"u1\""
#define USER GOOD ",\"role\":\"authenticated\""

static void judge(const struct issuer_file *file, const char *claims, struct issuer_verdict *ret)
{
    CLEANUP(free_ptr) char *text = xasprintf("{%s}", claims);
    CLEANUP(jwt_release) struct jwt jwt = {.claims = json_loads(text, 0, NULL)};
    assert_non_null(jwt.claims);
    assert_true(issuer_claims(file->items[0], &jwt));
    issuer_judge(file->items[0], &jwt, NOW_MS, ret);
    assert_int_equal(ret->err != 0, ret->reason[0] != 0); // a refusal always says why
    assert_true(ret->err == 0 || ret->role == ROLE_NONE);
}

static const struct {
    const char *claims;
    int err;
    enum role role;
    const char *user;
} supabase_tokens[] = {
    {USER, 0, ROLE_USER, "u1"},
    {USER ",\"is_anonymous\":false", 0, ROLE_USER, "u1"},
    {USER ",\"is_anonymous\":true", ERR_FORBIDDEN, 0, ""},
    {USER ",\"is_anonymous\":\"no\"", ERR_FORBIDDEN, 0, ""},
    {USER ",\"nbf\":1700000010", 0, ROLE_USER, "u1"}, // within the leeway
    {USER ",\"nbf\":1700000011", ERR_UNAUTHORIZED, 0, ""},
    {USER ",\"nbf\":\"soon\"", ERR_UNAUTHORIZED, 0, ""},
    {USER ",\"user_metadata\":{\"role\":\"service_role\"}", 0, ROLE_USER, "u1"},
    {GOOD ",\"role\":\"service_role\"", 0, ROLE_SERVICE, "u1"},
    {GOOD ",\"role\":\"anon\"", ERR_FORBIDDEN, 0, ""},
    {GOOD ",\"role\":\"boss\"", ERR_FORBIDDEN, 0, ""},
    {GOOD ",\"role\":7", ERR_FORBIDDEN, 0, ""},
    {GOOD ",\"role\":null", ERR_FORBIDDEN, 0, ""},
    {GOOD, ERR_FORBIDDEN, 0, ""},
    {GOOD ",\"role\":[\"boss\",\"authenticated\"]", 0, ROLE_USER, "u1"},
    {GOOD ",\"role\":[\"anon\",\"authenticated\",\"service_role\"]", 0, ROLE_SERVICE, "u1"},
    {GOOD ",\"role\":[\"anon\"]", ERR_FORBIDDEN, 0, ""},
    {GOOD ",\"role\":[]", ERR_FORBIDDEN, 0, ""},
    // legacy keys
    {"\"iss\":\"supabase\",\"exp\":1900000000,\"role\":\"service_role\"", 0, ROLE_SERVICE, ""},
    {"\"iss\":\"supabase\",\"exp\":1900000000,\"role\":\"anon\"", ERR_FORBIDDEN, 0, ""},
    {"\"iss\":\"supabase\",\"exp\":1900000000,\"role\":\"authenticated\"", ERR_UNAUTHORIZED, 0, ""},
    {"\"iss\":\"supabase\",\"exp\":1900000000,\"role\":\"service_role\",\"aud\":\"other\"", ERR_UNAUTHORIZED, 0, ""},
    {"\"iss\":\"supabase\",\"exp\":1900000000,\"role\":\"service_role\",\"aud\":null", ERR_UNAUTHORIZED, 0, ""},
    // time
    {"\"iss\":\"supabase\",\"role\":\"service_role\"", ERR_UNAUTHORIZED, 0, ""},
    {"\"iss\":\"supabase\",\"role\":\"service_role\",\"exp\":\"1900000000\"", ERR_UNAUTHORIZED, 0, ""},
    {"\"iss\":\"supabase\",\"role\":\"service_role\",\"exp\":1699999990", ERR_TOKEN_EXPIRED, 0, ""},
    {"\"iss\":\"supabase\",\"role\":\"service_role\",\"exp\":1699999990.5", 0, ROLE_SERVICE, ""},
    {"\"iss\":\"supabase\",\"role\":\"service_role\",\"exp\":-1", ERR_TOKEN_EXPIRED, 0, ""},
    {"\"iss\":\"supabase\",\"role\":\"service_role\",\"exp\":1e300", ERR_UNAUTHORIZED, 0, ""},
    // audience and subject
    {"\"iss\":\"supabase\",\"exp\":1900000000,\"role\":\"authenticated\",\"sub\":\"u1\",\"aud\":[\"x\","
     "\"authenticated\"]",
     0, ROLE_USER, "u1"},
    {"\"iss\":\"supabase\",\"exp\":1900000000,\"role\":\"authenticated\",\"sub\":\"u1\",\"aud\":[]", ERR_UNAUTHORIZED,
     0, ""},
    {"\"iss\":\"supabase\",\"exp\":1900000000,\"role\":\"authenticated\",\"sub\":\"\",\"aud\":\"authenticated\"",
     ERR_UNAUTHORIZED, 0, ""},
    {"\"iss\":\"supabase\",\"exp\":1900000000,\"role\":\"authenticated\",\"sub\":7,\"aud\":\"authenticated\"",
     ERR_UNAUTHORIZED, 0, ""},
    {"\"iss\":\"supabase\",\"exp\":1900000000,\"role\":\"authenticated\",\"sub\":\"a\\nb\",\"aud\":"
     "\"authenticated\"",
     ERR_UNAUTHORIZED, 0, ""},
    {"\"iss\":\"supabase\",\"exp\":1900000000,\"role\":\"authenticated\",\"sub\":\"key_01\",\"aud\":"
     "\"authenticated\"",
     ERR_UNAUTHORIZED, 0, ""},
};

static void tokens_of_a_supabase_project_are_worth_what_they_should(void **state)
{
    CLEANUP(issuer_file_release) struct issuer_file file = {0};
    load(state, SUPABASE, &file);
    for (size_t i = 0; i < ARRAY_LEN(supabase_tokens); i++) {
        struct issuer_verdict verdict;
        judge(&file, supabase_tokens[i].claims, &verdict);
        if (verdict.err != supabase_tokens[i].err)
            fail_msg("{%s}: %d %s", supabase_tokens[i].claims, verdict.err, verdict.reason);
        if (verdict.err)
            continue;
        assert_int_equal(verdict.role, supabase_tokens[i].role);
        assert_string_equal(verdict.user, supabase_tokens[i].user);
        assert_string_equal(verdict.account, "default");
    }
}

static void a_token_lives_until_its_expiry_and_the_leeway(void **state)
{
    CLEANUP(issuer_file_release) struct issuer_file file = {0};
    struct issuer_verdict verdict;
    load(state, SUPABASE, &file);
    judge(&file, USER, &verdict);
    assert_int_equal(verdict.expires_ms, 1700000070000);
}

static void only_what_an_administrator_should_know_of_is_strange(void **state)
{
    CLEANUP(issuer_file_release) struct issuer_file file = {0};
    struct issuer_verdict verdict;
    load(state, SUPABASE, &file);
    judge(&file, GOOD ",\"role\":\"boss\"", &verdict);
    assert_true(verdict.strange && strstr(verdict.reason, "boss"));
    judge(&file, GOOD, &verdict);
    assert_true(verdict.strange);
    judge(&file, GOOD ",\"role\":\"anon\"", &verdict);
    assert_false(verdict.strange);
}

static void the_account_is_that_of_the_claim_or_the_fixed_one(void **state)
{
    static const struct {
        const char *settings, *claims;
        int err;
        const char *account;
    } cases[] = {
        {"account_claim = \"app_metadata.account\"", ",\"app_metadata\":{\"account\":\"acme\"}", 0, "acme"},
        {"account_claim = \"app_metadata.account\"", ",\"user_metadata\":{\"account\":\"acme\"}", 0, "default"},
        {"account_claim = \"app_metadata.account\"", ",\"app_metadata\":{\"account\":7}", ERR_FORBIDDEN, ""},
        {"account_claim = \"app_metadata.account\"", ",\"app_metadata\":{\"account\":\"a b\"}", ERR_FORBIDDEN, ""},
        {"account_claim = \"https://acme.example/account\"", ",\"https://acme.example/account\":\"acme\"", 0, "acme"},
        {"user_prefix = \"acme/\"", "", 0, "default"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        CLEANUP(issuer_file_release) struct issuer_file file = {0};
        CLEANUP(free_ptr) char *settings = xasprintf("%s%s", SUPABASE, cases[i].settings);
        CLEANUP(free_ptr) char *claims = xasprintf("%s%s", USER, cases[i].claims);
        struct issuer_verdict verdict;
        load(state, settings, &file);
        judge(&file, claims, &verdict);
        assert_int_equal(verdict.err, cases[i].err);
        assert_string_equal(verdict.account, cases[i].account);
        if (strstr(settings, "user_prefix"))
            assert_string_equal(verdict.user, "acme/u1");
    }
}

static void without_a_fixed_account_the_claim_must_be_there(void **state)
{
    CLEANUP(issuer_file_release) struct issuer_file file = {0};
    struct issuer_verdict verdict;
    load(state, "iss = \"supabase\"\naudience = \"authenticated\"\naccount_claim = \"account\"", &file);
    judge(&file, USER, &verdict);
    assert_int_equal(verdict.err, ERR_FORBIDDEN);
    judge(&file, USER ",\"account\":\"acme\"", &verdict);
    assert_int_equal(verdict.err, 0);
}

static void a_fixed_role_is_for_tokens_without_the_claim(void **state)
{
    CLEANUP(issuer_file_release) struct issuer_file file = {0};
    struct issuer_verdict verdict;
    load(state,
         "iss = \"supabase\"\naudience = \"authenticated\"\naccount = \"default\"\nrole = \"viewer\"\n"
         "role_claim = \"realm_access.roles\"\nroles = {\"ops=admin\", \"team=user\"}",
         &file);
    judge(&file, GOOD, &verdict);
    assert_true(verdict.err == 0 && verdict.role == ROLE_VIEWER);
    judge(&file, GOOD ",\"realm_access\":{\"roles\":[\"team\",\"offline_access\"]}", &verdict);
    assert_true(verdict.err == 0 && verdict.role == ROLE_USER);
    judge(&file, GOOD ",\"realm_access\":{\"roles\":[\"offline_access\"]}", &verdict);
    assert_int_equal(verdict.err, ERR_FORBIDDEN);
}

static void a_token_of_another_issuer_is_none_of_this_one(void **state)
{
    CLEANUP(issuer_file_release) struct issuer_file file = {0};
    static const char *const others[] = {"{}", "{\"iss\":\"SUPABASE\"}", "{\"iss\":[\"supabase\"]}", "{\"iss\":\"\"}"};
    load(state, SUPABASE, &file);
    for (size_t i = 0; i < ARRAY_LEN(others); i++) {
        CLEANUP(jwt_release) struct jwt jwt = {.claims = json_loads(others[i], 0, NULL)};
        assert_false(issuer_claims(file.items[0], &jwt));
    }
}

// --- When keys are fetched

#define KEY_SET "{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo\"}"

static struct key_set *key_set(void)
{
    CLEANUP(buf_release) struct buf error = {0};
    struct key_set *set = NULL;
    assert_int_equal(key_set_read(STR(KEY_SET), &error, &set), 0);
    return set;
}

static void keys_are_fetched_at_first_at_half_their_time_and_for_unknown_ones(void **state)
{
    (void)state;
    const struct issuer issuer = {.jwks_url = (char *)"https://x", .keep_seconds = 600, .refetch_seconds = 30};
    struct jwks jwks = {.id = 1};
    struct key_set *set = key_set();
    assert_true(jwks_due(&jwks, &issuer, false, 5));
    assert_false(jwks_fresh(&jwks, &issuer, 5));
    jwks_begin(&jwks, 1000);
    assert_false(jwks_due(&jwks, &issuer, true, 500000)); // one at a time
    jwks_end(&jwks, &set, 2000);
    assert_null(set);
    assert_true(jwks_fresh(&jwks, &issuer, 2000) && jwks_fresh(&jwks, &issuer, 601999));
    assert_false(jwks_fresh(&jwks, &issuer, 602000));
    assert_false(jwks_due(&jwks, &issuer, true, 30999));
    assert_true(jwks_due(&jwks, &issuer, true, 31000));
    assert_false(jwks_due(&jwks, &issuer, false, 301999));
    assert_true(jwks_due(&jwks, &issuer, false, 302000));
    jwks_release(&jwks);
}

static void a_fetch_that_fails_leaves_the_former_keys_until_their_time_is_over(void **state)
{
    (void)state;
    const struct issuer issuer = {.jwks_url = (char *)"https://x", .keep_seconds = 600, .refetch_seconds = 30};
    struct jwks jwks = {.id = 1};
    struct key_set *set = key_set(), *none = NULL;
    jwks_begin(&jwks, 0);
    jwks_end(&jwks, &set, 0);
    jwks_begin(&jwks, 300000);
    jwks_end(&jwks, &none, 305000);
    assert_true(jwks_fresh(&jwks, &issuer, 599999));
    assert_false(jwks_fresh(&jwks, &issuer, 600000));
    assert_false(jwks_due(&jwks, &issuer, false, 329999));
    assert_true(jwks_due(&jwks, &issuer, false, 330000));
    jwks_release(&jwks);
}

static void nothing_is_fetched_without_a_url(void **state)
{
    (void)state;
    const struct issuer issuer = {.jwks_url = (char *)"", .keep_seconds = 600, .refetch_seconds = 30};
    const struct jwks jwks = {.id = 1};
    assert_false(jwks_due(&jwks, &issuer, true, 1000000));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_section_with_what_is_needed_is_an_issuer),
        TEST(what_is_missing_or_wrong_is_refused_with_its_name),
        TEST(a_secret_that_others_may_read_or_that_is_short_is_refused),
        TEST(a_file_without_an_issuer_and_one_without_keys_are_refused),
        TEST(tokens_of_a_supabase_project_are_worth_what_they_should),
        TEST(a_token_lives_until_its_expiry_and_the_leeway),
        TEST(only_what_an_administrator_should_know_of_is_strange),
        TEST(the_account_is_that_of_the_claim_or_the_fixed_one),
        TEST(without_a_fixed_account_the_claim_must_be_there),
        TEST(a_fixed_role_is_for_tokens_without_the_claim),
        TEST(a_token_of_another_issuer_is_none_of_this_one),
        TEST(keys_are_fetched_at_first_at_half_their_time_and_for_unknown_ones),
        TEST(a_fetch_that_fails_leaves_the_former_keys_until_their_time_is_over),
        TEST(nothing_is_fetched_without_a_url),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
