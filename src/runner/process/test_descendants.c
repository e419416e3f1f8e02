#include "runner/process/descendants.h"
#include "util/testing.h"

#include <errno.h>
#include <linux/sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define CHILDREN 100
#define LOWEST   300 // the kernel gives out no number below it again

static volatile sig_atomic_t told;

static void note_signal(int signum)
{
    (void)signum;
    told = 1;
}

// A child with a number below its parent's, as there are once numbers have begun again. -1 with errno where that is not
// allowed.
static pid_t fork_below(pid_t *tried)
{
    pid_t pid = -1;
    do {
        pid_t wanted = ++*tried;
        struct clone_args args = {.exit_signal = SIGCHLD, .set_tid = (uintptr_t)&wanted, .set_tid_size = 1};
        pid = (pid_t)syscall(SYS_clone3, &args, sizeof(args));
    } while (pid < 0 && errno == EEXIST && *tried < getpid());
    return pid;
}

// As a shell that waits for its commands: exits with 0 if it had been told by the time the first of them was gone.
static void wait_as_a_shell(int ready)
{
    pid_t tried = LOWEST;
    struct sigaction action = {.sa_handler = note_signal};
    sigaction(SIGTERM, &action, NULL);
    for (int i = 0; i < CHILDREN; i++) {
        pid_t pid = fork_below(&tried);
        if (pid == 0) {
            signal(SIGTERM, SIG_DFL);
            pause();
            _exit(0);
        }
        if (pid < 0)
            _exit(errno == EPERM ? 77 : 78);
    }
    (void)!write(ready, "!", 1);
    while (!told && waitpid(-1, NULL, 0) < 0 && errno == EINTR)
        ;
    _exit(told ? 0 : 1);
}

static void a_parent_has_the_signal_before_its_children(void **state)
{
    (void)state;
    int fds[2], status;
    char ready = 0;
    assert_int_equal(prctl(PR_SET_CHILD_SUBREAPER, 1), 0);
    assert_int_equal(pipe(fds), 0);
    pid_t shell = fork();
    if (shell == 0) {
        close(fds[0]);
        wait_as_a_shell(fds[1]);
    }
    close(fds[1]);
    bool began = read(fds[0], &ready, 1) == 1;
    close(fds[0]);
    if (began)
        assert_int_equal(descendants_signal(SIGTERM), CHILDREN + 1);
    assert_int_equal(waitpid(shell, &status, 0), shell);
    descendants_signal(SIGKILL);
    while (waitpid(-1, NULL, 0) > 0)
        ;
    assert_false(descendants_left());
    if (WIFEXITED(status) && WEXITSTATUS(status) == 77)
        skip(); // numbers may be chosen by root alone
    assert_true(began && WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_parent_has_the_signal_before_its_children),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
