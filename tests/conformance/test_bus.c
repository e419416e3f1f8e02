// What carries hints between servers (bus/bus.h): PostgreSQL's NOTIFY and Redis, each a real one.
#include "bus/bus.h"
#include "bus/kind.h"
#include "bus/redis_fixture.h"
#include "store/sql_fixture.h"
#include "util/clock.h"
#include "util/file.h"
#include "util/log.h"

#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define DEADLINE_S 60
#define TEXTS_MAX  512

// --- The engines

static struct sql_fixture *postgres;
static struct redis_fixture *redis;

static void end_postgres_connections(void)
{
    static const char text[] =
        "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE application_name = 'runnel bus'";
    CLEANUP(sql_fixture_close) struct sql *sql = sql_fixture_connect(postgres);
    struct sql_statement *end = sql_prepare(sql, text);
    int64_t count = 0;
    assert_int_equal(sql_number(end, &count), 0);
    sql_statement_free(&end);
}

static void end_redis_connections(void)
{
    redis_fixture_command(redis, "CLIENT KILL TYPE pubsub");
    redis_fixture_command(redis, "CLIENT KILL TYPE normal SKIPME yes");
}

static bool start_postgres(const char **ret_missing)
{
    return (postgres = sql_fixture_new(SQL_POSTGRES, ret_missing)) != NULL;
}

static bool start_redis(const char **ret_missing)
{
    return (redis = redis_fixture_new(ret_missing)) != NULL;
}

static void stop_postgres(void)
{
    sql_fixture_free(&postgres);
}

static void stop_redis(void)
{
    redis_fixture_free(&redis);
}

static char *postgres_address(void)
{
    return sql_fixture_database(postgres, "bus");
}

static char *redis_address(void)
{
    return xstrdup(redis_fixture_address(redis));
}

static const struct carrier {
    const char *name;
    const struct bus_kind *kind;
    bool (*start)(const char **ret_missing);
    void (*stop)(void);
    char *(*address)(void);
    void (*end_connections)(void);
} carriers[] = {
    {"NOTIFY", &bus_postgres, start_postgres, stop_postgres, postgres_address, end_postgres_connections},
    {"Redis", &bus_redis, start_redis, stop_redis, redis_address, end_redis_connections},
};
static const struct carrier *carrier; // the one under test

// --- A server at the bus

struct member {
    struct bus *bus;
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    char *says[TEXTS_MAX], *heard[TEXTS_MAX];
    struct logger logger;
    size_t say_from, say_count, heard_count, joined;
};

static bool take(void *arg, struct buf *out)
{
    struct member *it = arg;
    pthread_mutex_lock(&it->mutex);
    bool more = it->say_from < it->say_count;
    if (more)
        buf_append_text(out, it->says[it->say_from++]);
    pthread_mutex_unlock(&it->mutex);
    return more;
}

static void hear(void *arg, struct str message)
{
    struct member *it = arg;
    pthread_mutex_lock(&it->mutex);
    assert_true(it->heard_count < TEXTS_MAX);
    it->heard[it->heard_count++] = str_dup(message);
    pthread_cond_signal(&it->changed);
    pthread_mutex_unlock(&it->mutex);
}

static void joined(void *arg)
{
    struct member *it = arg;
    pthread_mutex_lock(&it->mutex);
    it->joined++;
    pthread_cond_signal(&it->changed);
    pthread_mutex_unlock(&it->mutex);
}

static void await(struct member *it, const size_t *counter, size_t least)
{
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += DEADLINE_S;
    pthread_mutex_lock(&it->mutex);
    int err = 0;
    while (*counter < least && err == 0)
        err = pthread_cond_timedwait(&it->changed, &it->mutex, &until);
    pthread_mutex_unlock(&it->mutex);
    assert_int_equal(err, 0);
}

static struct member *begin_at(const char *address, const char *channel, const char *credentials)
{
    struct member *it = xcalloc(1, sizeof(*it));
    pthread_mutex_init(&it->mutex, NULL);
    pthread_cond_init(&it->changed, NULL);
    it->logger = (struct logger){.fd = memfd_create("log", MFD_CLOEXEC), .min_level = LOG_INFO};
    assert_true(it->logger.fd >= 0);
    const struct bus_options options = {
        .kind = carrier->kind,
        .address = address,
        .credentials = credentials,
        .channel = channel,
        .logger = &it->logger,
        .take = take,
        .hear = hear,
        .joined = joined,
        .arg = it,
    };
    assert_int_equal(bus_start(&options, &it->bus), 0);
    return it;
}

static struct member *begin(const char *channel, const char *credentials)
{
    CLEANUP(free_ptr) char *address = carrier->address();
    return begin_at(address, channel, credentials);
}

static struct member *join(const char *channel)
{
    struct member *it = begin(channel, NULL);
    await(it, &it->joined, 1);
    return it;
}

static void leave(struct member **member)
{
    struct member *it = TAKE_PTR(*member);
    if (!it)
        return;
    bus_free(&it->bus);
    close(it->logger.fd);
    for (size_t i = 0; i < it->say_count; i++)
        free(it->says[i]);
    for (size_t i = 0; i < it->heard_count; i++)
        free(it->heard[i]);
    free(it);
}

static void say(struct member *it, const char *text)
{
    pthread_mutex_lock(&it->mutex);
    assert_true(it->say_count < TEXTS_MAX);
    it->says[it->say_count++] = xstrdup(text);
    pthread_mutex_unlock(&it->mutex);
    bus_wake(it->bus);
}

static size_t times_heard(struct member *it, const char *text)
{
    size_t count = 0;
    pthread_mutex_lock(&it->mutex);
    for (size_t i = 0; i < it->heard_count; i++)
        count += strcmp(it->heard[i], text) == 0;
    pthread_mutex_unlock(&it->mutex);
    return count;
}

// Until one that was said is heard, after losses that may have taken some.
static void say_until_heard(struct member *from, struct member *to, const char *text)
{
    for (uint64_t until_ms = clock_mono_ms() + DEADLINE_S * 1000; times_heard(to, text) == 0; usleep(20000)) {
        say(from, text);
        assert_true(clock_mono_ms() < until_ms);
    }
}

static void await_away(struct member *it, bool away)
{
    for (uint64_t until_ms = clock_mono_ms() + DEADLINE_S * 1000; (bus_away(it->bus) != NULL) != away; usleep(5000))
        assert_true(clock_mono_ms() < until_ms);
}

static void read_log(const struct member *it, struct buf *ret)
{
    char path[64];
    snprintf(path, sizeof(path), "/proc/self/fd/%d", it->logger.fd);
    assert_int_equal(file_read_all(path, 1 << 20, ret), 0);
}

static void await_logged(const struct member *it, const char *text)
{
    CLEANUP(buf_release) struct buf log = {0};
    for (uint64_t until_ms = clock_mono_ms() + DEADLINE_S * 1000; !strstr(buf_cstr(&log), text); usleep(5000)) {
        assert_true(clock_mono_ms() < until_ms);
        buf_reset(&log);
        read_log(it, &log);
    }
    assert_null(strstr(buf_cstr(&log), "secret"));
}

static int lines_logged(const struct member *it)
{
    CLEANUP(buf_release) struct buf log = {0};
    read_log(it, &log);
    int count = 0;
    for (const char *at = buf_cstr(&log); (at = strchr(at, '\n')); at++)
        count++;
    return count;
}

// --- All of them

static void what_one_says_all_hear_in_order(void **state)
{
    (void)state;
    CLEANUP(leave) struct member *one = join("runnel_order");
    CLEANUP(leave) struct member *other = join("runnel_order");
    for (int i = 0; i < 300; i++) {
        char text[32];
        snprintf(text, sizeof(text), "message %d", i);
        say(one, text);
    }
    struct member *all[] = {one, other};
    for (size_t k = 0; k < ARRAY_LEN(all); k++) {
        await(all[k], &all[k]->heard_count, 300);
        for (int i = 0; i < 300; i++) {
            char text[32];
            snprintf(text, sizeof(text), "message %d", i);
            assert_string_equal(all[k]->heard[i], text);
        }
        assert_null(bus_away(all[k]->bus));
    }
}

static void a_message_may_be_any_text_of_the_size(void **state)
{
    (void)state;
    CLEANUP(leave) struct member *one = join("runnel_texts");
    CLEANUP(leave) struct member *other = join("runnel_texts");
    char large[BUS_MESSAGE_MAX + 1];
    memset(large, 'x', BUS_MESSAGE_MAX);
    large[BUS_MESSAGE_MAX] = 0;
    const char *const texts[] = {"'); DROP TABLE x; --\r\n\"%s %b\\ä€😀\r\n$5\r\n", large, " ", "last"};
    for (size_t i = 0; i < ARRAY_LEN(texts); i++)
        say(one, texts[i]);
    await(other, &other->heard_count, ARRAY_LEN(texts));
    for (size_t i = 0; i < ARRAY_LEN(texts); i++)
        assert_string_equal(other->heard[i], texts[i]);
}

static void another_store_is_not_heard(void **state)
{
    (void)state;
    CLEANUP(leave) struct member *one = join("runnel_a");
    CLEANUP(leave) struct member *other = join("runnel_b");
    say(one, "of a");
    await(one, &one->heard_count, 1); // it was carried
    say(other, "of b");
    await(other, &other->heard_count, 1);
    assert_string_equal(other->heard[0], "of b");
}

static void whoever_has_lost_its_connection_joins_again(void **state)
{
    (void)state;
    CLEANUP(leave) struct member *one = join("runnel_ended");
    CLEANUP(leave) struct member *other = join("runnel_ended");
    carrier->end_connections();
    await(one, &one->joined, 2);
    await(other, &other->joined, 2);
    say_until_heard(one, other, "again");
    await_away(one, false);
}

// --- Redis

static void a_redis_that_was_killed_is_away_until_it_is_back(void **state)
{
    (void)state;
    CLEANUP(leave) struct member *one = join("runnel_killed");
    CLEANUP(leave) struct member *other = join("runnel_killed");
    redis_fixture_kill(redis);
    await_away(one, true);
    assert_string_equal(bus_away(one->bus), "Redis cannot be reached, or refuses");
    say(one, "lost");
    CLEANUP(leave) struct member *late = begin("runnel_killed", NULL); // one that starts meanwhile
    await_away(late, true);
    redis_fixture_start(redis);
    await(late, &late->joined, 1);
    await(other, &other->joined, 2);
    say_until_heard(one, other, "back");
    assert_int_equal(lines_logged(late), 2); // away, and heard again
    say_until_heard(late, one, "late");
}

// It takes what is sent to it, and answers nothing.
static void a_redis_that_stands_still_is_given_up(void **state)
{
    (void)state;
    CLEANUP(leave) struct member *one = join("runnel_still");
    redis_fixture_signal(redis, SIGSTOP);
    say(one, "lost");
    await_away(one, true);
    redis_fixture_signal(redis, SIGCONT);
    await(one, &one->joined, 2);
    say_until_heard(one, one, "back");
}

static void a_connection_for_telling_that_has_ended_costs_no_message(void **state)
{
    (void)state;
    CLEANUP(leave) struct member *one = join("runnel_telling");
    for (size_t i = 0; i < 10; i++) {
        redis_fixture_command(redis, "CLIENT KILL TYPE normal SKIPME yes");
        say(one, "told");
        await(one, &one->heard_count, i + 1);
    }
    assert_int_equal(one->joined, 1);
}

// --- One that is none, or has gone mad

struct mad {
    char path[64];
    int listener, listening, telling;
};

static void mad_start(struct mad *it)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(it->path, sizeof(it->path), "/tmp/runnel-mad-%d.sock", (int)getpid());
    snprintf(address.sun_path, sizeof(address.sun_path), "%s", it->path);
    it->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    it->listening = it->telling = -1;
    assert_int_equal(bind(it->listener, (const struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(listen(it->listener, 8), 0);
}

static void mad_stop(struct mad *it)
{
    close(it->listening);
    close(it->telling);
    close(it->listener);
    unlink(it->path);
}

static void await_readable(int fd)
{
    assert_int_equal(poll(&(struct pollfd){.fd = fd, .events = POLLIN}, 1, DEADLINE_S * 1000), 1);
}

static int accept_from(struct mad *it)
{
    await_readable(it->listener);
    int fd = accept4(it->listener, NULL, NULL, SOCK_CLOEXEC);
    assert_true(fd >= 0);
    return fd;
}

static void answer(int fd, const char *text)
{
    char command[256];
    await_readable(fd);
    assert_true(read(fd, command, sizeof(command)) > 0);
    assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
}

static void await_end(int fd)
{
    char byte;
    await_readable(fd);
    assert_int_equal(read(fd, &byte, 1), 0);
}

static void who_announces_more_than_a_message_is_given_up(void **state)
{
    (void)state;
    static const char *const floods[] = {"*4\r\n", "*2147483647\r\n", "*3\r\n*3\r\n"};
    for (size_t i = 0; i < ARRAY_LEN(floods); i++) {
        CLEANUP(mad_stop) struct mad mad;
        mad_start(&mad);
        CLEANUP(free_ptr) char *address = xasprintf("unix:%s", mad.path);
        CLEANUP(leave) struct member *it = begin_at(address, "runnel_mad", NULL);
        mad.listening = accept_from(&mad);
        mad.telling = accept_from(&mad);
        answer(mad.listening, "*3\r\n$9\r\nsubscribe\r\n$10\r\nrunnel_mad\r\n:1\r\n");
        answer(mad.telling, ":0\r\n");
        await(it, &it->joined, 1);
        assert_int_equal(write(mad.listening, floods[i], strlen(floods[i])), (ssize_t)strlen(floods[i]));
        await_end(mad.listening);
        await_end(mad.telling); // and was not asked first whether it is still there
    }
}

static char *file_of(const char *text)
{
    char path[] = "/tmp/runnel-login-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    close(fd);
    return xstrdup(path);
}

static void remove_file(char **path)
{
    unlink(*path);
    free_ptr(path);
}

static void a_password_is_told_to_redis_and_to_nobody_else(void **state)
{
    (void)state;
    redis_fixture_command(redis, "ACL SETUSER ann on >hersecret &runnel_login +publish +subscribe");
    redis_fixture_command(redis, "ACL SETUSER deaf on >hersecret &other +publish +subscribe");
    redis_fixture_command(redis, "ACL SETUSER default on resetpass >verysecret"); // from now on it asks us too
    CLEANUP(remove_file) char *plain = file_of("verysecret\n");
    CLEANUP(remove_file) char *named = file_of("ann:hersecret");
    CLEANUP(remove_file) char *bad = file_of("ann:notsecret");
    CLEANUP(remove_file) char *elsewhere = file_of("deaf:hersecret");
    const struct {
        const char *file, *says; // says: why it is away; NULL: it is not
    } cases[] = {
        {plain, NULL},    {named, NULL},         {bad, "bus_credentials: WRONGPASS"},
        {NULL, "NOAUTH"}, {elsewhere, "NOPERM"}, {"/nonexistent/file", "cannot be read"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        CLEANUP(leave) struct member *it = begin("runnel_login", cases[i].file);
        if (!cases[i].says) {
            say_until_heard(it, it, "in");
            continue;
        }
        await_away(it, true);
        await_logged(it, cases[i].says);
        assert_int_equal(it->joined, 0);
    }
}

// --- Running them

static const char *missing;

static void an_engine_that_is_not_here(void **state)
{
    (void)state;
    print_message("skipped: %s\n", missing);
    skip();
}

static int run_with(const struct carrier *it, const struct CMUnitTest *tests, size_t count)
{
    static const struct CMUnitTest none[] = {cmocka_unit_test(an_engine_that_is_not_here)};
    carrier = it;
    bool here = it->start(&missing);
    int failed = _cmocka_run_group_tests(it->name, here ? tests : none, here ? count : ARRAY_LEN(none), NULL, NULL);
    it->stop();
    return failed;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_one_says_all_hear_in_order),
        cmocka_unit_test(a_message_may_be_any_text_of_the_size),
        cmocka_unit_test(another_store_is_not_heard),
        cmocka_unit_test(whoever_has_lost_its_connection_joins_again),
    };
    const struct CMUnitTest of_redis[] = {
        cmocka_unit_test(a_redis_that_was_killed_is_away_until_it_is_back),
        cmocka_unit_test(a_redis_that_stands_still_is_given_up),
        cmocka_unit_test(a_connection_for_telling_that_has_ended_costs_no_message),
        cmocka_unit_test(who_announces_more_than_a_message_is_given_up),
        cmocka_unit_test(a_password_is_told_to_redis_and_to_nobody_else),
    };
    signal(SIGPIPE, SIG_IGN);
    int failed = 0;
    for (size_t i = 0; i < ARRAY_LEN(carriers); i++)
        failed += run_with(&carriers[i], tests, ARRAY_LEN(tests));
    return failed + run_with(&carriers[1], of_redis, ARRAY_LEN(of_redis));
}
