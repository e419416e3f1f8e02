#include "bus/redis_fixture.h"

#include "util/file.h"
#include "util/testing.h"

#include <fcntl.h>
#include <hiredis/hiredis.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define START_DEADLINE_MS 60000

struct redis_fixture {
    char folder[64];
    char *socket, *address;
    pid_t server; // 0: it does not run
};

static void run(const struct redis_fixture *it, int output)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (dup2(output, STDOUT_FILENO) < 0 || chdir(it->folder) < 0)
        _exit(126);
    execlp("redis-server", "redis-server", "--port", "0", "--unixsocket", it->socket, "--save", "", (char *)NULL);
    _exit(127);
}

static void await_ready(int output)
{
    CLEANUP(buf_release) struct buf said = {0};
    while (!strstr(buf_cstr(&said), "ready to accept connections")) {
        char part[1024];
        assert_int_equal(poll(&(struct pollfd){.fd = output, .events = POLLIN}, 1, START_DEADLINE_MS), 1);
        ssize_t len = read(output, part, sizeof(part));
        if (len <= 0)
            fail_msg("Redis does not start: %s", buf_cstr(&said));
        buf_append(&said, part, (size_t)len);
    }
}

void redis_fixture_start(struct redis_fixture *it)
{
    int ends[2];
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    it->server = fork();
    assert_true(it->server >= 0);
    if (it->server == 0)
        run(it, ends[1]);
    close(ends[1]);
    await_ready(ends[0]);
    close(ends[0]); // it ignores SIGPIPE
}

struct redis_fixture *redis_fixture_new(const char **ret_missing)
{
    if (system("command -v redis-server >/dev/null") != 0) {
        *ret_missing = "Redis is not installed here (apt install redis-server)";
        return NULL;
    }
    struct redis_fixture *it = xcalloc(1, sizeof(*it));
    snprintf(it->folder, sizeof(it->folder), "/tmp/runnel-redis-XXXXXX");
    assert_non_null(mkdtemp(it->folder));
    it->socket = xasprintf("%s/redis.sock", it->folder);
    it->address = xasprintf("unix:%s", it->socket);
    redis_fixture_start(it);
    return it;
}

void redis_fixture_kill(struct redis_fixture *it)
{
    redis_fixture_signal(it, SIGKILL);
    waitpid(it->server, NULL, 0);
    it->server = 0;
}

void redis_fixture_free(struct redis_fixture **fixture)
{
    struct redis_fixture *it = TAKE_PTR(*fixture);
    if (!it)
        return;
    if (it->server > 0)
        redis_fixture_kill(it);
    dir_remove_all(it->folder);
    free(it->socket);
    free(it->address);
    free(it);
}

const char *redis_fixture_address(const struct redis_fixture *it)
{
    return it->address;
}

void redis_fixture_signal(struct redis_fixture *it, int number)
{
    assert_true(it->server > 0);
    assert_int_equal(kill(it->server, number), 0);
}

void redis_fixture_command(struct redis_fixture *it, const char *command)
{
    redisContext *context = redisConnectUnix(it->socket);
    assert_non_null(context);
    assert_int_equal(context->err, 0);
    redisReply *reply = redisCommand(context, command);
    assert_non_null(reply);
    if (reply->type == REDIS_REPLY_ERROR)
        fail_msg("%s: %s", command, reply->str);
    freeReplyObject(reply);
    redisFree(context);
}
