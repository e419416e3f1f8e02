#include "runner/container/registry.h"
#include "util/base64.h"
#include "util/testing.h"

#include <sys/stat.h>
#include <unistd.h>

static void the_name_of_an_image_begins_with_its_registry(void **state)
{
    static const struct {
        const char *image, *name;
    } cases[] = {
        {"debian", "docker.io/library/debian"},
        {"debian:12", "docker.io/library/debian"},
        {"team/app:1", "docker.io/team/app"},
        {"docker.io/team/app", "docker.io/team/app"},
        {"index.docker.io/team/app", "docker.io/team/app"},
        {"localhost/app:1", "localhost/app"},
        {"localhost:5000/app", "localhost:5000/app"},
        {"registry.example/a/b/c:v1@sha256:00", "registry.example/a/b/c"},
        {"registry.example:5000/a@sha256:00", "registry.example:5000/a"},
        {"", "docker.io/library/"},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        CLEANUP(buf_release) struct buf name = {0};
        registry_image_name(cases[i].image, &name);
        assert_string_equal(buf_cstr(&name), cases[i].name);
    }
}

static struct registry_file *parse(const char *text)
{
    CLEANUP(buf_release) struct buf reason = {0};
    struct registry_file *file = registry_file_parse(str_of(text), &reason);
    assert_string_equal(buf_cstr(&reason), "");
    assert_non_null(file);
    return file;
}

// Every password is that of its entry, so the login says which one was found.
static char *login_for(const char *text, const char *image)
{
    struct registry_file *file = parse(text);
    struct registry_login login;
    uint8_t plain[1024];
    size_t len = sizeof(plain) - 1;
    registry_login_find(file, image, &login);
    CLEANUP(free_ptr) char *header = xstrndup(buf_cstr(&login.header), login.header.len);
    for (char *at = header; *at; at++)
        *at = (char)(*at == '-' ? '+' : *at == '_' ? '/' : *at);
    assert_true(base64_decode(str_of(header), plain, &len));
    registry_login_release(&login);
    registry_file_free(&file);
    return xstrndup((const char *)plain, len);
}

static void assert_login(const char *text, const char *image, const char *want)
{
    CLEANUP(free_ptr) char *login = login_for(text, image);
    assert_string_equal(login, want);
}

#define ALICE "YWxpY2U6cGE6c3M=" // alice:pa:ss

static void a_login_is_what_the_engine_is_to_send(void **state)
{
    (void)state;
    assert_login("{\"auths\":{\"r.example:5000\":{\"auth\":\"" ALICE "\"}}}", "r.example:5000/app:1",
                 "{\"username\":\"alice\",\"password\":\"pa:ss\",\"serveraddress\":\"r.example:5000\"}");
    assert_login("{\"auths\":{\"https://index.docker.io/v1/\":{\"username\":\"u\",\"password\":\"\xc3\xa4?>~~\"}}}",
                 "app",
                 "{\"username\":\"u\",\"password\":\"\xc3\xa4?>~~\",\"serveraddress\":"
                 "\"https://index.docker.io/v1/\"}");
    assert_login("{\"auths\":{\"r.example\":{\"auth\":\"" ALICE
                 "\",\"identitytoken\":\"t1\",\"registrytoken\":\"t2\"}}}",
                 "r.example/app",
                 "{\"username\":\"alice\",\"password\":\"pa:ss\",\"serveraddress\":\"r.example\","
                 "\"identitytoken\":\"t1\",\"registrytoken\":\"t2\"}");
}

static void the_entry_that_says_most_of_an_image_is_its_login(void **state)
{
    static const char file[] = "{\"auths\":{\"r.example\":{\"password\":\"all\"},\"r.example/team/\":{\"password\":"
                               "\"team\"},\"r.example/team/app\":{\"password\":\"app\"},\"http://old.example/v2/\":"
                               "{\"password\":\"old\"},\"docker.io\":{\"password\":\"hub\"}}}";
    static const struct {
        const char *image, *password;
    } cases[] = {
        {"r.example/x", "all"},           {"r.example/team/x:1", "team"},
        {"r.example/team/app:1", "app"},  {"r.example/team/app/x", "app"},
        {"r.example/team/apple", "team"}, {"r.example/teams/x", "all"},
        {"old.example/x", "old"},         {"debian:12", "hub"},
        {"index.docker.io/a/b", "hub"},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        CLEANUP(free_ptr) char *login = login_for(file, cases[i].image);
        CLEANUP(free_ptr) char *want = xasprintf("\"password\":\"%s\"", cases[i].password);
        assert_non_null(strstr(login, want));
    }
}

static void without_an_entry_there_is_no_login_and_its_registry_is_named(void **state)
{
    static const struct {
        const char *file, *image, *name;
        bool elsewhere;
    } cases[] = {
        {"{}", "r.example/x", "r.example", false},
        {"{\"auths\":{}}", "x", "docker.io", false},
        {"{\"auths\":{\"r.example\":{\"auth\":\"" ALICE "\"}}}", "r.example.org/x", "r.example.org", false},
        {"{\"auths\":{\"r.example\":{\"auth\":\"" ALICE "\"}}}", "r.example:5000/x", "r.example:5000", false},
        {"{\"auths\":{\"\":{\"auth\":\"" ALICE "\"}}}", "x", "docker.io", false},
        {"{\"auths\":{\"r.example\":{}},\"credsStore\":\"pass\"}", "r.example/x", "r.example", true},
        {"{\"auths\":{\"r.example\":{\"auth\":\"\"}}}", "r.example/x", "r.example", true},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct registry_file *file = parse(cases[i].file);
        struct registry_login login;
        registry_login_find(file, cases[i].image, &login);
        assert_int_equal(login.header.len, 0);
        assert_null(login.mask);
        assert_string_equal(buf_cstr(&login.name), cases[i].name);
        assert_int_equal(login.elsewhere, cases[i].elsewhere);
        registry_login_release(&login);
        registry_file_free(&file);
    }
}

static void what_is_no_such_file_is_refused_without_a_word_of_it(void **state)
{
    static const struct {
        const char *file, *reason;
    } cases[] = {
        {"", "it is not a JSON object with `auths`, as `docker login` writes it"},
        {"[]", "it is not a JSON object with `auths`, as `docker login` writes it"},
        {"{\"auths\":[\"hunter22\"]}", "it is not a JSON object with `auths`, as `docker login` writes it"},
        {"{\"auths\":{\"r.example\":\"hunter22\"}}", "its entry r.example is not an object"},
        {"{\"auths\":{\"a\":{},\"r.example\":{\"auth\":\"hunter22!\"}}}",
         "its entry r.example has an `auth` that is not USER:PASSWORD in base64"},
        {"{\"auths\":{\"r.example\":{\"auth\":\"aHVudGVyMjI=\"}}}",
         "its entry r.example has an `auth` that is not USER:PASSWORD in base64"},
        {"{\"auths\":{\"r.example\":{\"auth\":\"YQBiOmM=\"}}}",
         "its entry r.example has an `auth` that is not USER:PASSWORD in base64"},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        CLEANUP(buf_release) struct buf reason = {0};
        assert_null(registry_file_parse(str_of(cases[i].file), &reason));
        assert_string_equal(buf_cstr(&reason), cases[i].reason);
    }
}

static void a_login_is_masked_in_every_form(void **state)
{
    static const char words[] = "denied: alice:pa:ss55, Basic YWxpY2U6cGE6c3M1NQ==, \"pa:ss55\", token-12345";
    struct registry_file *file =
        parse("{\"auths\":{\"r.example\":{\"auth\":\"YWxpY2U6cGE6c3M1NQ==\",\"identitytoken\":\"token-12345\"}}}");
    struct registry_login login;
    CLEANUP(buf_release) struct buf masked = {0};
    (void)state;
    registry_login_find(file, "r.example/x", &login);
    mask_text(login.mask, STR(words), &masked);
    mask_text(login.mask, buf_str(&login.header), &masked);
    assert_string_equal(buf_cstr(&masked), "denied: ***, Basic ***, \"***\", ******");
    registry_login_release(&login);
    registry_file_free(&file);
}

static void a_login_too_large_for_a_head_is_none(void **state)
{
    CLEANUP(buf_release) struct buf text = {0};
    (void)state;
    buf_append_text(&text, "{\"auths\":{\"r.example\":{\"identitytoken\":\"");
    for (size_t i = 0; i < REGISTRY_LOGIN_MAX; i++)
        buf_append_byte(&text, 't');
    buf_append_text(&text, "\"}}}");
    struct registry_file *file = parse(buf_cstr(&text));
    struct registry_login login;
    registry_login_find(file, "r.example/x", &login);
    assert_int_equal(login.header.len, 0);
    registry_login_release(&login);
    registry_file_free(&file);
}

static void only_the_owner_may_read_the_file(void **state)
{
    CLEANUP(free_ptr) char *path = xasprintf("%s/runnel-logins-XXXXXX", getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp");
    CLEANUP(buf_release) struct buf reason = {0};
    static const char content[] = "{\"auths\":{\"a.example\":{\"auth\":\"" ALICE "\"},\"b.example\":{}}}";
    (void)state;
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, content, sizeof(content) - 1), (ssize_t)sizeof(content) - 1);
    struct registry_file *file = registry_file_load(path, &reason);
    assert_non_null(file);
    assert_int_equal(registry_file_count(file), 1);
    registry_file_free(&file);
    assert_int_equal(fchmod(fd, 0640), 0);
    assert_null(registry_file_load(path, &reason));
    assert_string_equal(buf_cstr(&reason), "others than its owner may read or write it; `chmod 600` it");
    close_fd(&fd);
    assert_int_equal(unlink(path), 0);
    buf_reset(&reason);
    assert_null(registry_file_load(path, &reason));
    assert_string_equal(buf_cstr(&reason), "No such file or directory");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_name_of_an_image_begins_with_its_registry),
        cmocka_unit_test(a_login_is_what_the_engine_is_to_send),
        cmocka_unit_test(the_entry_that_says_most_of_an_image_is_its_login),
        cmocka_unit_test(without_an_entry_there_is_no_login_and_its_registry_is_named),
        cmocka_unit_test(what_is_no_such_file_is_refused_without_a_word_of_it),
        cmocka_unit_test(a_login_is_masked_in_every_form),
        cmocka_unit_test(a_login_too_large_for_a_head_is_none),
        cmocka_unit_test(only_the_owner_may_read_the_file),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
