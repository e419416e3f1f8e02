// Runners that take one job after the other, and what confines a job.
#include "runner/test_job_support.h"

struct word { // of a runner whose job is over
    bool stays, clean, group;
};

// Waits for the end of the job; empty: its runner has ended, too.
static struct word hear_end(const struct one *one)
{
    for (;;) {
        char text[1024];
        struct pollfd fd = {.fd = one->control, .events = POLLIN};
        assert_int_equal(poll(&fd, 1, PATIENCE_MS), 1);
        ssize_t len = recv(one->control, text, sizeof(text), 0);
        json_t *root = len > 0 ? json_loadb(text, (size_t)len, 0, NULL) : NULL;
        const char *type = json_string_value(json_object_get(root, "type"));
        bool over = !type || strcmp(type, "ended") == 0;
        struct word word = {json_is_true(json_object_get(root, "stays")), json_is_true(json_object_get(root, "clean")),
                            json_object_get(root, "cgroup") != NULL};
        json_decref(root);
        if (over)
            return word;
    }
}

static json_t *staying(const char *script)
{
    json_t *root = shell(script);
    json_object_set_new(root, "stays", json_true());
    return root;
}

static void say_run(const struct one *one, const char *dir, bool again)
{
    CLEANUP(free_ptr)
    char *text = xasprintf("{\"type\":\"run\",\"dir\":\"%s\",\"again\":%s}", dir, again ? "true" : "false");
    say(one, text);
}

// The next job, in a folder of its own, by the runner of `one`.
static struct one start_next(struct fixture *fixture, const struct one *one, json_t *root)
{
    struct one next = {.dir = xasprintf("%s/%u", fixture->root, fixture->count++), .control = one->control};
    assert_int_equal(mkdir(next.dir, 0711), 0);
    next.dir_fd = open(next.dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_int_equal(job_file_save(next.dir_fd, root), 0);
    json_decref(root);
    say_run(one, next.dir, false);
    return next;
}

// The next job, in the folder of `one`, which gets another name.
static void start_again(struct fixture *fixture, struct one *one, json_t *root)
{
    char *name = xasprintf("%s/%u", fixture->root, fixture->count++);
    assert_int_equal(unlinkat(one->dir_fd, "spool", 0), 0);
    assert_int_equal(job_file_save(one->dir_fd, root), 0);
    json_decref(root);
    assert_int_equal(rename(one->dir, name), 0);
    free(one->dir);
    one->dir = name;
    say_run(one, one->dir, true);
}

static void a_runner_that_stays_takes_one_job_after_the_other(void **state)
{
    struct fixture *fixture = *state;
    struct one one = start(fixture, staying("echo one $PPID; exit 3"));
    struct word word = hear_end(&one);
    CLEANUP(ended_release) struct ended first = look(&one);
    assert_true(word.stays && word.clean && first.run.ended);
    assert_int_equal(first.run.exit_code, 3);
    struct one next = start_next(fixture, &one, staying("echo two $PPID; echo x > here; exit 4"));
    word = hear_end(&next);
    assert_true(word.stays && !word.clean); // something is left in its folder
    CLEANUP(ended_release) struct ended second = look(&next);
    assert_int_equal(second.run.exit_code, 4);
    assert_int_equal(pid_in(second.log.data, "out:two "), pid_in(first.log.data, "out:one "));
    pid_t runner = pid_in(first.log.data, "out:one ");
    close_fd(&one.control);
    for (int i = 0; i < PATIENCE_MS && is_alive(runner); i++)
        poll(NULL, 0, 1);
    assert_false(is_alive(runner)); // it ends with its worker
    next.control = -1;
    one_release(&one);
    one_release(&next);
}

static void a_job_in_the_folder_of_the_one_before_finds_it_as_new(void **state)
{
    struct fixture *fixture = *state;
    struct one one = start(fixture, staying("echo x > here; rm here; sleep 0.3"));
    assert_true(hear_end(&one).clean);
    for (int i = 0; i < 3; i++) {
        json_t *root = staying("ls -A; ls -A $RUNNEL_OUTPUTS; pwd; test -S $RUNNEL_SOCKET && echo voice; exit 5");
        json_object_set_new(root, "producer", json_string("job-2"));
        start_again(fixture, &one, root);
        assert_true(hear_end(&one).clean);
        CLEANUP(ended_release) struct ended ended = look(&one);
        CLEANUP(free_ptr) char *expected = xasprintf("out:%s/work\nout:voice\n", one.dir);
        assert_string_equal(ended.log.data, expected);
        assert_int_equal(ended.run.exit_code, 5);
        assert_string_equal(ended.run.producer, "job-2");
        // What it used is its own: the one before it has slept for longer, and used no more.
        assert_true(json_integer_value(json_object_get(ended.details, "peak_memory_bytes")) > 100000);
    }
    one_release(&one);
}

static void a_folder_that_was_changed_is_not_for_the_next_job(void **state)
{
    static const char *const scripts[] = {
        "mkdir ../work/left",
        "touch .hidden",
        "echo x > $RUNNEL_OUTPUTS/file",
        "chmod 0755 .",
        "chmod 1700 $RUNNEL_OUTPUTS",
        "rmdir $RUNNEL_OUTPUTS",
        "rmdir $RUNNEL_OUTPUTS && ln -s /tmp $RUNNEL_OUTPUTS",
    };
    for (size_t i = 0; i < ARRAY_LEN(scripts); i++) {
        struct one one = start(*state, staying(scripts[i]));
        struct word word = hear_end(&one);
        assert_true(word.stays);
        assert_false(word.clean);
        one_release(&one);
    }
}

static void an_attribute_of_a_folder_is_not_for_the_next_job(void **state)
{
    json_t *root =
        job_of((const char *const[]){"/usr/bin/python3", "-c", "import os; os.setxattr('.', 'user.left', b'x')", NULL});
    json_object_set_new(root, "stays", json_true());
    struct one one = start(*state, root);
    struct word word = hear_end(&one);
    CLEANUP(ended_release) struct ended ended = look(&one);
    assert_int_equal(word.clean, ended.run.exit_code != 0); // where the file system has none, it fails
    one_release(&one);
}

static void a_runner_does_not_stay_after_a_job_with_secrets(void **state)
{
    json_t *values = json_pack("{s:s}", "PW", "hunter2");
    int fd = -1;
    assert_int_equal(job_secrets_pass(values, &fd), 0);
    json_decref(values);
    struct one one = start_with(*state, staying("echo $PW"), fd);
    char type[32];
    assert_false(hear_end(&one).stays);
    hear(&one, type);
    assert_string_equal(type, ""); // it has ended
    CLEANUP(ended_release) struct ended ended = look(&one);
    assert_string_equal(ended.log.data, "out:***\n");
    one_release(&one);
}

// A runner that is killed while it writes how its job ended has left a part of that line.
static void half_of_an_outcome_is_none(void **state)
{
    struct fixture *fixture = *state;
    CLEANUP(free_ptr) char *path = xasprintf("%s/job.json", fixture->root);
    CLEANUP(close_fd) int dir_fd = open(fixture->root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    json_t *root = shell("true");
    json_object_set_new(root, "boot", json_string("this one"));
    json_object_set_new(root, "cgroup", json_string("/its/group"));
    assert_int_equal(job_file_save(dir_fd, root), 0);
    json_decref(root);
    struct run_file outcome = {.execution_id = xstrdup("exec_1"),
                               .url = xstrdup("http://127.0.0.1:1"),
                               .producer = xstrdup("job-1"),
                               .ended = true,
                               .has_exit_code = true,
                               .exit_code = 9};
    struct stat whole;
    struct stat begun;
    assert_int_equal(stat(path, &begun), 0);
    assert_int_equal(run_file_append(&outcome, dir_fd), 0);
    assert_int_equal(stat(path, &whole), 0);
    for (off_t len = whole.st_size; len >= begun.st_size; len--) {
        CLEANUP(run_file_release) struct run_file run = {0};
        CLEANUP(job_file_release) struct job_file file = {0};
        assert_int_equal(truncate(path, len), 0);
        assert_int_equal(run_file_load(fixture->root, &run), 0);
        assert_int_equal(run.ended, len == whole.st_size);
        assert_string_equal(run.producer, "job-1");
        if (!run.ended) {
            assert_int_equal(run.epoch, 7);
            assert_true(run.registered && run.existed && !run.has_exit_code);
            assert_string_equal(run.boot, "this one");
            assert_string_equal(run.cgroup, "/its/group");
        }
        assert_int_equal(job_file_load(dir_fd, &file), 0); // what was to be run is known all the same
        assert_string_equal(file.argv[2], "true");
    }
    run_file_release(&outcome);
}

static void what_was_said_to_the_job_before_is_not_for_the_next(void **state)
{
    struct fixture *fixture = *state;
    struct one one = start(fixture, staying("echo one"));
    assert_true(hear_end(&one).stays);
    say(&one, "{\"type\":\"cancel\",\"reason\":\"too late\",\"grace_ms\":0}");
    say(&one, "{\"type\":\"acked\",\"counter\":1}");
    struct one next = start_next(fixture, &one, staying("echo two"));
    assert_true(hear_end(&next).stays);
    CLEANUP(ended_release) struct ended ended = look(&next);
    assert_string_equal(ended.run.status, "");
    assert_string_equal(ended.log.data, "out:two\n");
    one.control = -1;
    one_release(&one);
    one_release(&next);
}

static void a_confined_job_sees_nothing_of_the_one_before_it(void **state)
{
    struct fixture *fixture = *state;
    const char *const hidden[CONFINE_PATHS_MAX] = {fixture->root};
    if (!confine_available())
        skip();
    spawner_stop(&fixture->spawner);
    assert_int_equal(spawner_start(hidden, &fixture->spawner), 0);
    struct one one = start(fixture, staying("true"));
    assert_true(hear_end(&one).clean);
    CLEANUP(free_ptr) char *other = xasprintf("%s/admin.key", fixture->root);
    assert_int_equal(file_write_atomic(other, "secret\n", 7, 0644), 0);
    for (int i = 0; i < 3; i++) {
        CLEANUP(free_ptr)
        char *script =
            xasprintf("cat %s; cat ../job.json; ls ..; echo x > here && cat here && rm here; echo over", other);
        json_t *root = staying(script);
        json_object_set_new(root, "hidden", json_pack("[s]", fixture->root));
        start_again(fixture, &one, root);
        assert_true(hear_end(&one).clean);
        CLEANUP(ended_release) struct ended ended = look(&one);
        assert_null(strstr(ended.log.data, "secret"));
        assert_null(strstr(ended.log.data, "execution_id"));
        assert_said(&ended, "out:x\nout:over\n");
    }
    one_release(&one);
}

// Of the file that its job has said the inode of.
static uint64_t inode_said(const struct one *one)
{
    CLEANUP(ended_release) struct ended ended = look(one);
    assert_has(ended.log.data, "out:inode ");
    return strtoull(strstr(ended.log.data, "out:inode ") + strlen("out:inode "), NULL, 10);
}

static void a_voice_is_kept_for_the_next_job_only_as_it_was_made(void **state)
{
    struct fixture *fixture = *state;
    const char *look_script = "stat -c 'inode %i\nmode %a' $RUNNEL_SOCKET";
    struct one one = start(fixture, staying(look_script));
    assert_true(hear_end(&one).clean);
    uint64_t first = inode_said(&one);
    start_again(fixture, &one, staying("stat -c 'inode %i' $RUNNEL_SOCKET; chmod 0777 $RUNNEL_SOCKET"));
    assert_true(hear_end(&one).clean);
    assert_int_equal(inode_said(&one), first);
    start_again(fixture, &one, staying(look_script));
    assert_true(hear_end(&one).clean);
    assert_true(inode_said(&one) != first);
    CLEANUP(ended_release) struct ended ended = look(&one);
    assert_has(ended.log.data, "out:mode 700\n");
    one_release(&one);
}

static void who_speaks_between_two_jobs_is_not_in_the_log_of_the_next(void **state)
{
    static const char stray[] = "{\"message\":\"stray\"}\n";
    struct fixture *fixture = *state;
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    CLEANUP(close_fd) int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct one one = start(fixture, staying("true"));
    assert_true(hear_end(&one).clean);
    snprintf(address.sun_path, sizeof(address.sun_path), "/proc/self/fd/%d/" JOB_VOICE, one.dir_fd);
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(send(fd, stray, strlen(stray), MSG_NOSIGNAL), strlen(stray));
    start_again(fixture, &one, staying("echo mine"));
    assert_true(hear_end(&one).clean);
    CLEANUP(ended_release) struct ended ended = look(&one);
    assert_string_equal(ended.log.data, "out:mine\n");
    char answer[16];
    assert_true(recv(fd, answer, sizeof(answer), 0) <= 0);
    one_release(&one);
}

// --- Limits and users

static void limits_hold_where_there_is_no_control_group(void **state)
{
    json_t *root = shell("ulimit -d; echo");
    json_object_set_new(root, "limits", json_pack("{s:i}", "memory", 64 * 1024 * 1024));
    CLEANUP(ended_release) struct ended ended = run(*state, root);
    assert_has(ended.log.data, "out:65536\n");
}

static void a_control_group_holds_all_of_a_job_and_is_gone_with_it(void **state)
{
    CLEANUP(free_ptr) char *base = NULL;
    if (cgroup_base("/proc/self", &base) < 0)
        skip();
    json_t *root = shell("setsid sh -c 'trap \"\" TERM; echo pid $$; while :; do sleep 100; done' & "
                         "grep ^0:: /proc/self/cgroup; wait");
    CLEANUP(free_ptr) char *group = xasprintf("%s/runnel-job-%d", base, getpid());
    json_object_set_new(root, "cgroup", json_string(group));
    struct one one = start(*state, root);
    wait_for(&one, "out:pid ");
    wait_for(&one, "/runnel-job-");
    CLEANUP(run_file_release) struct run_file run = {0};
    assert_int_equal(run_file_load(one.dir, &run), 0);
    assert_int_equal(access(run.cgroup, F_OK), 0);
    say(&one, "{\"type\":\"cancel\",\"grace_ms\":50}");
    CLEANUP(ended_release) struct ended ended = finish(&one);
    assert_false(is_alive(pid_in(ended.log.data, "out:pid ")));
    assert_string_equal(ended.run.status, "cancelled");
    assert_int_equal(access(run.cgroup, F_OK), -1);
}

// What is charged for memory cannot be had anew.
static bool groups_charge_memory(const char *base)
{
    CLEANUP(free_ptr) char *group = xasprintf("%s/runnel-probe-%d", base, getpid());
    CLEANUP(free_ptr) char *file = xasprintf("%s/memory.current", group);
    assert_int_equal(mkdir(group, 0755), 0);
    bool none = access(file, F_OK) < 0;
    return rmdir(group) == 0 && !none;
}

static json_t *in_group(const struct fixture *fixture, const char *script, const char *group)
{
    CLEANUP(free_ptr) char *whole = xasprintf("%s; stat -c 'inode %%i' %s", script, group);
    json_t *root = staying(whole);
    json_object_set_new(root, "cgroup", json_string(group));
    json_object_set_new(root, "hidden", json_pack("[s]", fixture->root));
    return root;
}

static json_int_t cpu_ms(const struct one *one)
{
    CLEANUP(ended_release) struct ended ended = look(one);
    return json_integer_value(json_object_get(ended.details, "cpu_time_ms"));
}

static void a_control_group_is_kept_for_a_job_without_limits_which_is_not_charged_for_the_one_before(void **state)
{
    struct fixture *fixture = *state;
    CLEANUP(free_ptr) char *base = NULL;
    if (cgroup_base("/proc/self", &base) < 0 || !confine_available())
        skip();
    bool keeps = !groups_charge_memory(base);
    CLEANUP(free_ptr) char *group = xasprintf("%s/runnel-job-kept-%d", base, getpid());
    const char *busy = "i=0; while [ $i -lt 400000 ]; do i=$((i+1)); done";
    struct one one = start(fixture, in_group(fixture, busy, group));
    assert_int_equal(hear_end(&one).group, keeps);
    uint64_t first = inode_said(&one);
    json_int_t used = cpu_ms(&one);
    start_again(fixture, &one, in_group(fixture, "true", group));
    assert_int_equal(hear_end(&one).group, keeps);
    assert_int_equal(inode_said(&one) == first, keeps);
    assert_true(cpu_ms(&one) < used);

    json_t *limited = in_group(fixture, "true", group);
    json_object_set_new(limited, "limits", json_pack("{s:i}", "processes", 100));
    start_again(fixture, &one, limited);
    assert_false(hear_end(&one).group);
    assert_true(inode_said(&one) != first);
    assert_int_equal(access(group, F_OK), -1);

    json_t *unconfined = in_group(fixture, "true", group); // it may have written there
    json_object_del(unconfined, "hidden");
    start_again(fixture, &one, unconfined);
    assert_false(hear_end(&one).group);
    start_again(fixture, &one, in_group(fixture, "true", group));
    assert_int_equal(hear_end(&one).group, keeps);
    close_fd(&one.control);
    for (int i = 0; i < PATIENCE_MS && access(group, F_OK) == 0; i++)
        poll(NULL, 0, 1);
    assert_int_equal(access(group, F_OK), -1); // it ends with its runner
    one_release(&one);
}

static void a_confined_job_sees_its_own_folders_and_none_of_the_others(void **state)
{
    struct fixture *fixture = *state;
    if (!confine_available())
        skip();
    CLEANUP(free_ptr) char *other = xasprintf("%s/admin.key", fixture->root);
    CLEANUP(free_ptr)
    char *script =
        xasprintf("cat %s; ls %s; cat ../job.json; ls ..; ls -d /etc; echo x > here && echo y > $RUNNEL_OUTPUTS/there "
                  "&& cat here; echo z > /dev/null && echo null; test -S $RUNNEL_SOCKET && echo voice",
                  other, fixture->root);
    assert_int_equal(file_write_atomic(other, "secret\n", 7, 0644), 0);
    json_t *root = shell(script);
    json_object_set_new(root, "hidden", json_pack("[s]", fixture->root));
    CLEANUP(ended_release) struct ended ended = run(fixture, root);
    assert_null(strstr(ended.log.data, "secret"));
    assert_null(strstr(ended.log.data, "execution_id"));
    assert_said(&ended, "out:/etc\nout:x\nout:null\nout:voice\n");
    assert_has(ended.log.data, "Permission denied");
}

static void a_job_runs_as_the_user_that_it_is_given(void **state)
{
    if (geteuid() != 0)
        skip();
    json_t *root = shell("id -u; id -g; touch here \"$RUNNEL_OUTPUTS\"/there && echo made; cat ../job.json; ls ..");
    json_object_set_new(root, "user", json_pack("{s:i, s:i, s:[i]}", "uid", 65534, "gid", 65533, "groups", 65533));
    CLEANUP(ended_release) struct ended ended = run(*state, root);
    assert_has(ended.log.data, "out:65534\nout:65533\nout:made\n");
    assert_has(ended.log.data, "job.json: Permission denied");
}

#define CASE(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(a_runner_that_stays_takes_one_job_after_the_other),
        CASE(a_job_in_the_folder_of_the_one_before_finds_it_as_new),
        CASE(a_folder_that_was_changed_is_not_for_the_next_job),
        CASE(an_attribute_of_a_folder_is_not_for_the_next_job),
        CASE(a_runner_does_not_stay_after_a_job_with_secrets),
        CASE(half_of_an_outcome_is_none),
        CASE(what_was_said_to_the_job_before_is_not_for_the_next),
        CASE(a_confined_job_sees_nothing_of_the_one_before_it),
        CASE(a_voice_is_kept_for_the_next_job_only_as_it_was_made),
        CASE(who_speaks_between_two_jobs_is_not_in_the_log_of_the_next),
        CASE(limits_hold_where_there_is_no_control_group),
        CASE(a_control_group_holds_all_of_a_job_and_is_gone_with_it),
        CASE(a_control_group_is_kept_for_a_job_without_limits_which_is_not_charged_for_the_one_before),
        CASE(a_confined_job_sees_its_own_folders_and_none_of_the_others),
        CASE(a_job_runs_as_the_user_that_it_is_given),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
