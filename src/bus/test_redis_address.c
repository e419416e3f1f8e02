#include "bus/bus.h"
#include "bus/redis_address.h"
#include "util/error.h"
#include "util/file.h"
#include "util/testing.h"

#include <unistd.h>

static void an_address_is_a_host_or_a_socket(void **state)
{
    (void)state;
    static const struct {
        const char *text, *host, *path;
        int port;
    } good[] = {
        {"rediss://db", "db", "", 6379},
        {"rediss://[::1]:7000/1", "::1", "", 7000},
        {"redis://db", "db", "", 6379},
        {"redis://db:7000", "db", "", 7000},
        {"redis://db:7000/", "db", "", 7000},
        {"redis://127.0.0.1/15", "127.0.0.1", "", 6379},
        {"redis://[::1]:7000/0", "::1", "", 7000},
        {"redis://[::1]", "::1", "", 6379},
        {"unix:/run/redis/redis.sock", "", "/run/redis/redis.sock", 0},
    };
    for (size_t i = 0; i < ARRAY_LEN(good); i++) {
        CLEANUP(buf_release) struct buf error = {0};
        struct redis_address address;
        assert_int_equal(redis_address_read(good[i].text, &address, &error), 0);
        assert_string_equal(address.host, good[i].host);
        assert_string_equal(address.path, good[i].path);
        assert_int_equal(address.port, good[i].port);
        assert_int_equal(address.tls, strncmp(good[i].text, "rediss:", 7) == 0);
    }
}

static void a_wrong_address_is_refused_and_not_repeated(void **state)
{
    (void)state;
    static const struct {
        const char *text, *why;
    } bad[] = {
        {"", "must be notify, none, redis://"},
        {"Notify", "must be notify, none, redis://"},
        {"nonesuch", "must be notify, none, redis://"},
        {"secret", "must be notify, none, redis://"},
        {"rediss://:secret@db", "bus_credentials"},
        {"rediss://", "rediss://HOST:PORT"},
        {"redisss://db", "must be notify, none, redis://"},
        {"redis://", "redis://HOST:PORT"},
        {"redis://:7000", "redis://HOST:PORT"},
        {"redis://db:", "redis://HOST:PORT"},
        {"redis://db:0", "redis://HOST:PORT"},
        {"redis://db:65536", "redis://HOST:PORT"},
        {"redis://db:port", "redis://HOST:PORT"},
        {"redis://[::1", "redis://HOST:PORT"},
        {"redis://[::1]7000", "redis://HOST:PORT"},
        {"redis://[]", "redis://HOST:PORT"},
        {"redis://db/secret", "database of a Redis is a number"},
        {"redis://db/0/1", "database of a Redis is a number"},
        {"redis://db?password=secret", "nothing behind a '?'"},
        {"redis://:secret@db", "bus_credentials"},
        {"redis://user:secret@db:7000/0", "bus_credentials"},
        {"unix:", "unix:/PATH"},
        {"unix:secret", "unix:/PATH"},
        {"unix:/secret/01234567890123456789012345678901234567890123456789012345678901234567890123456789012345678901234"
         "5678901",
         "at most 107 bytes"},
    };
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        CLEANUP(buf_release) struct buf error = {0};
        const struct bus_kind *kind = NULL;
        assert_int_equal(bus_choose(bad[i].text, &kind, &error), ERR_INVALID);
        assert_non_null(strstr(buf_cstr(&error), bad[i].why));
        assert_null(strstr(buf_cstr(&error), "secret"));
    }
}

static void what_people_write_names_its_kind(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        const struct bus_kind *kind;
    } good[] = {
        {"notify", &bus_postgres}, {"none", NULL}, {"redis://db", &bus_redis}, {"unix:/run/redis.sock", &bus_redis}};
    for (size_t i = 0; i < ARRAY_LEN(good); i++) {
        CLEANUP(buf_release) struct buf error = {0};
        const struct bus_kind *kind = NULL;
        assert_int_equal(bus_choose(good[i].text, &kind, &error), 0);
        assert_ptr_equal(kind, good[i].kind);
    }
}

static void a_login_is_a_line_of_a_file(void **state)
{
    (void)state;
    static const struct {
        const char *content, *user, *password; // no password: it is refused
    } cases[] = {
        {"secret\n", "", "secret"}, {"ann:secret:er", "ann", "secret:er"},
        {":secret", "", "secret"},  {"", NULL, NULL},
        {"\n\n", NULL, NULL},       {"ann:\n", NULL, NULL},
        {"one\ntwo\n", NULL, NULL},
    };
    char path[] = "/tmp/runnel-login-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    close(fd);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        CLEANUP(redis_login_release) struct redis_login login;
        CLEANUP(buf_release) struct buf error = {0};
        assert_int_equal(file_write_atomic(path, cases[i].content, strlen(cases[i].content), 0600), 0);
        int err = redis_login_read(path, &login, &error);
        assert_int_equal(err, cases[i].password ? 0 : ERR_INVALID);
        assert_int_equal(error.len > 0, err != 0);
        if (err)
            continue;
        assert_str(login.user, cases[i].user);
        assert_str(login.password, cases[i].password);
    }
    unlink(path);
    CLEANUP(redis_login_release) struct redis_login none;
    CLEANUP(buf_release) struct buf error = {0};
    assert_int_equal(redis_login_read(path, &none, &error), ERR_INVALID);
    assert_non_null(strstr(buf_cstr(&error), "bus_credentials cannot be read"));
    assert_int_equal(redis_login_read("", &none, &error), 0);
    assert_int_equal(none.password.len, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_address_is_a_host_or_a_socket),
        cmocka_unit_test(a_wrong_address_is_refused_and_not_repeated),
        cmocka_unit_test(what_people_write_names_its_kind),
        cmocka_unit_test(a_login_is_a_line_of_a_file),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
