#include "blob/s3/s3_fixture.h"

#include "util/file.h"
#include "util/testing.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

#define START_DEADLINE_MS 60000

struct s3_fixture {
    char *endpoint;
    char folder[64];
    pid_t server; // 0: it is somebody else's
    int input;    // the server ends with it
};

static pid_t start(const char *program, const char *folder, int input, int output)
{
    pid_t child = fork();
    assert_true(child >= 0);
    if (child > 0)
        return child;
    if (dup2(input, STDIN_FILENO) < 0 || dup2(output, STDOUT_FILENO) < 0)
        _exit(126);
    // It draws marks of places in lists with a cipher that OpenSSL has put aside.
    execlp("node", "node", "--openssl-legacy-provider", "--no-warnings", program, folder, "runnel", (char *)NULL);
    _exit(127);
}

static unsigned await_port(int output)
{
    CLEANUP(buf_release) struct buf said = {0};
    uint64_t port;
    while (!strchr(buf_cstr(&said), '\n')) {
        char part[256];
        assert_int_equal(poll(&(struct pollfd){.fd = output, .events = POLLIN}, 1, START_DEADLINE_MS), 1);
        ssize_t len = read(output, part, sizeof(part));
        if (len <= 0)
            fail_msg("s3rver does not start: %s", buf_cstr(&said));
        buf_append(&said, part, (size_t)len);
    }
    struct str line = buf_str(&said), first = str_split(&line, '\n');
    str_split(&first, ' ');
    assert_true(str_to_u64(first, &port));
    return (unsigned)port;
}

static void start_s3rver(struct s3_fixture *it, const char *program)
{
    int inputs[2], outputs[2];
    snprintf(it->folder, sizeof(it->folder), "/tmp/s3-test-XXXXXX");
    assert_non_null(mkdtemp(it->folder));
    assert_int_equal(pipe2(inputs, O_CLOEXEC), 0);
    assert_int_equal(pipe2(outputs, O_CLOEXEC), 0);
    it->server = start(program, it->folder, inputs[0], outputs[1]);
    it->input = inputs[1];
    close(inputs[0]);
    close(outputs[1]);
    it->endpoint = xasprintf("http://127.0.0.1:%u", await_port(outputs[0]));
    close(outputs[0]);
    setenv("AWS_ACCESS_KEY_ID", "S3RVER", 1);
    setenv("AWS_SECRET_ACCESS_KEY", "S3RVER", 1);
}

struct s3_fixture *s3_fixture_new(const char **ret_missing)
{
    const char *other = getenv("RUNNEL_TEST_S3"), *npm = getenv("RUNNEL_TESTS_NPM");
    CLEANUP(free_ptr) char *program = xasprintf("%s/s3.mjs", npm ? npm : "");
    CLEANUP(free_ptr) char *module = xasprintf("%s/node_modules/s3rver", npm ? npm : "");
    struct s3_fixture *it = xcalloc(1, sizeof(*it));
    it->input = -1;
    if (other) {
        it->endpoint = xstrdup(other);
    } else if (npm && access(module, F_OK) == 0 && system("command -v node >/dev/null") == 0) {
        start_s3rver(it, program);
    } else {
        *ret_missing = "s3rver is not installed (npm --prefix tests/npm ci --ignore-scripts)";
        s3_fixture_free(&it);
    }
    return it;
}

void s3_fixture_free(struct s3_fixture **fixture)
{
    struct s3_fixture *it = TAKE_PTR(*fixture);
    if (!it)
        return;
    close_fd(&it->input);
    if (it->server > 0)
        waitpid(it->server, NULL, 0);
    if (it->folder[0])
        dir_remove_all(it->folder);
    free(it->endpoint);
    free(it);
}

int s3_fixture_open(struct s3_fixture *fixture, const char *name, size_t part_size, struct blob_store **ret)
{
    static struct logger quiet = {.fd = -1, .min_level = LOG_ERROR};
    CLEANUP(free_ptr) char *url = xasprintf("s3://runnel/%s", name);
    CLEANUP(buf_release) struct buf error = {0};
    const struct blob_s3_options options = {
        .url = url,
        .endpoint = fixture->endpoint,
        .region = "us-east-1",
        .path_style = true,
        .ca_file = "",
        .credentials_file = "",
        .profile = "",
        .connections = 4,
        .timeout_ms = 30000,
        .memory_max = (uint64_t)256 * 1024 * 1024,
        .part_size =
            fixture->server ? part_size : MAX(part_size, (size_t)5 * 1024 * 1024), // others take no smaller one
        .logger = &quiet,
    };
    int err = blob_s3_open(&options, ret, &error);
    if (err)
        print_message("%s\n", buf_cstr(&error));
    return err;
}
