#include "server/hangup.h"
#include "util/testing.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#define FRESH_MS 200

enum { CHILD_FINE, CHILD_EARLY, CHILD_NOT_SEEN, CHILD_STILL_FRESH, CHILD_NO_TERMINAL };

struct child {
    struct loop *loop;
    struct hangup *hangup;
    bool at_once; // what was said when SIGHUP came
};

static void caught(void *arg, int signum)
{
    struct child *child = arg;
    (void)signum;
    child->at_once = hangup_is_the_terminals(child->hangup);
    loop_stop(child->loop);
}

static void stop(void *arg)
{
    loop_stop(arg);
}

// The leader of a session whose terminal is hung up by its parent, once it has written a byte.
static int run_child(const char *terminal, int tell)
{
    struct child child = {0};
    signal(SIGHUP, SIG_DFL); // whoever runs the tests may ignore it, as nohup does
    setsid();
    int fd = open(terminal, O_RDWR);
    if (fd < 0 || ioctl(fd, TIOCSCTTY, 0) < 0 || dup2(fd, STDIN_FILENO) < 0)
        return CHILD_NO_TERMINAL;
    loop_new(&child.loop);
    child.hangup = hangup_new(child.loop, FRESH_MS);
    struct signal_watch *watch = signal_watch_new(child.loop, SIGHUP, caught, &child);
    if (hangup_is_the_terminals(child.hangup))
        return CHILD_EARLY;
    if (write(tell, "x", 1) != 1)
        return CHILD_NO_TERMINAL;
    loop_run(child.loop);
    if (!child.at_once)
        return CHILD_NOT_SEEN;
    // The next look comes within a second; so much later a SIGHUP asks for a reload.
    struct timer *timer = timer_new(child.loop, stop, child.loop);
    timer_start(timer, 1000 + 2 * FRESH_MS);
    loop_run(child.loop);
    bool later = hangup_is_the_terminals(child.hangup);
    timer_free(&timer);
    signal_watch_free(&watch);
    hangup_free(&child.hangup);
    loop_free(&child.loop);
    return later ? CHILD_STILL_FRESH : CHILD_FINE;
}

static void a_sighup_is_the_terminals_as_long_as_the_hang_up_is_fresh(void **state)
{
    (void)state;
    int told[2], status, master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
    char byte;
    assert_true(master >= 0 && grantpt(master) == 0 && unlockpt(master) == 0);
    CLEANUP(free_ptr) char *terminal = xstrdup(ptsname(master));
    assert_int_equal(pipe2(told, O_CLOEXEC), 0);
    pid_t pid = fork();
    if (pid == 0) {
        close(master);
        _exit(run_child(terminal, told[1]));
    }
    close(told[1]);
    assert_int_equal(read(told[0], &byte, 1), 1);
    close(master);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    close(told[0]);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), CHILD_FINE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_sighup_is_the_terminals_as_long_as_the_hang_up_is_fresh),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
