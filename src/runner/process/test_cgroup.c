#include "runner/process/cgroup.h"
#include "util/testing.h"

#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static const struct cgroup_limits unlimited;

static pid_t start_in(const struct cgroup *cgroup)
{
    CLEANUP(free_ptr) char *procs = xasprintf("%s/cgroup.procs", cgroup->path);
    pid_t pid = fork();
    if (pid == 0) {
        pause();
        _exit(0);
    }
    FILE *file = fopen(procs, "we");
    assert_non_null(file);
    assert_true(fprintf(file, "%d", (int)pid) > 0);
    assert_int_equal(fclose(file), 0);
    return pid;
}

static struct cgroup make(const char *base, const char *name)
{
    struct cgroup ret;
    struct cgroup_result result;
    CLEANUP(free_ptr) char *path = xasprintf("%s/%s", base, name);
    assert_int_equal(cgroup_make(path, &unlimited, &ret, &result), 0);
    return ret;
}

static bool is_there(const struct cgroup *cgroup)
{
    return access(cgroup->path, F_OK) == 0;
}

static void a_sweep_removes_old_groups_of_that_name_in_which_nothing_is(void **state)
{
    (void)state;
    CLEANUP(free_ptr) char *own = NULL;
    if (cgroup_base("/proc/self", &own) < 0)
        skip(); // no control groups may be made here
    CLEANUP(free_ptr) char *base = xasprintf("%s/runnel-sweep-%d", own, (int)getpid());
    assert_int_equal(mkdir(base, 0755), 0);
    struct cgroup left = make(base, "runnel-job-left"), used = make(base, "runnel-job-used"),
                  other = make(base, "somebodys");
    pid_t pid = start_in(&used);
    assert_int_equal(cgroup_sweep(base, "runnel-job-", 3600000), 0);
    assert_true(is_there(&left));
    assert_int_equal(cgroup_sweep(base, "runnel-job-", 0), 1);
    assert_true(!is_there(&left) && is_there(&used) && is_there(&other));
    kill(pid, SIGKILL);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    assert_int_equal(cgroup_sweep(base, "runnel-job-", 0), 1);
    cgroup_remove(&left);
    cgroup_remove(&used);
    cgroup_remove(&other);
    assert_int_equal(rmdir(base), 0);
}

static void where_there_are_no_groups_nothing_is_removed(void **state)
{
    (void)state;
    assert_int_equal(cgroup_sweep("/nowhere", "runnel-job-", 0), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_sweep_removes_old_groups_of_that_name_in_which_nothing_is),
        cmocka_unit_test(where_there_are_no_groups_nothing_is_removed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
