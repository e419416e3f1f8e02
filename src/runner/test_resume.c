#include "runner/resume.h"
#include "runner/run_file.h"
#include "runner/test_server.h"

#define INTERRUPTED "event:The runner was interrupted: what the job wrote after this, if anything, was not recorded.\n"

struct fixture {
    struct test_server server;
    char *state;
    struct runner_options options;
    char left[64], reason[256]; // the last that was told
};

static int set_up(void **state)
{
    struct fixture *fixture = xcalloc(1, sizeof(*fixture));
    fixture->state = xasprintf("%s/runnel-resume-XXXXXX", getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp");
    assert_non_null(mkdtemp(fixture->state));
    test_server_start(&fixture->server);
    fixture->options = (struct runner_options){
        .server.url = fixture->server.url, .state_dir = fixture->state, .deliver_wait_ms = 20000, .quiet = true};
    *state = fixture;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;
    CLEANUP(free_ptr) char *command = xasprintf("rm -rf '%s'", fixture->state);
    assert_int_equal(system(command), 0);
    test_server_end(&fixture->server);
    free(fixture->state);
    free(fixture);
    return 0;
}

static char *folder_of(const struct fixture *fixture, const char *id)
{
    return xasprintf("%s/spool/%s", fixture->state, id);
}

// A spool of one line, as a run for `url` leaves it; the caller holds it, or lets it go.
static struct spool *leave_behind(const struct fixture *fixture, const char *id, const char *url, bool ended,
                                  uint64_t records)
{
    CLEANUP(free_ptr) char *dir = folder_of(fixture, id);
    CLEANUP(run_file_release)
    struct run_file run = {.execution_id = xstrdup(id), .url = xstrdup(url), .producer = xstrdup(id), .ended = ended};
    run.has_exit_code = ended;
    run.exit_code = 6;
    run.records = records;
    struct spool *spool = NULL;
    assert_int_equal(spool_create(&(struct spool_options){.dir = dir, .bytes_max = 1 << 24}, &spool), 0);
    assert_int_equal(run_file_save(&run, dir, false), 0);
    struct chunk_builder *builder = chunk_builder_new();
    struct record record = {.time_ms = 1763202615123, .stream = STREAM_STDOUT, .message = str_of(id)};
    assert_int_equal(chunk_builder_add(builder, &record), 0);
    CLEANUP(chunk_unref) struct chunk *chunk = chunk_builder_finish(builder, 0);
    chunk_builder_free(&builder);
    assert_int_equal(spool_append(spool, chunk), 0);
    return spool;
}

static void leave_dead(const struct fixture *fixture, const char *id, const char *url, bool ended, uint64_t records)
{
    struct spool *spool = leave_behind(fixture, id, url, ended, records);
    spool_free(&spool);
}

static void note_left(void *arg, const char *execution_id, const char *reason)
{
    struct fixture *fixture = arg;
    snprintf(fixture->left, sizeof(fixture->left), "%s", execution_id);
    snprintf(fixture->reason, sizeof(fixture->reason), "%s", reason);
}

static struct runner_resumed resume_all_left(struct fixture *fixture)
{
    struct runner_resumed counts;
    assert_int_equal(runner_resume(&fixture->options, NULL, note_left, fixture, &counts), 0);
    return counts;
}

static bool is_there(const struct fixture *fixture, const char *id)
{
    CLEANUP(free_ptr) char *dir = folder_of(fixture, id);
    return access(dir, F_OK) == 0;
}

static void assert_complete_has(struct fixture *fixture, const char *part)
{
    if (!strstr(buf_cstr(&fixture->server.complete), part))
        fail_msg("%s lacks %s", buf_cstr(&fixture->server.complete), part);
}

static void a_run_whose_job_had_ended_is_completed_as_it_ended(void **state)
{
    struct fixture *fixture = *state;
    leave_dead(fixture, "exec_ended", fixture->server.url, true, 1);
    struct runner_resumed counts = resume_all_left(fixture);
    assert_int_equal(counts.delivered, 1);
    assert_int_equal(counts.left + counts.held, 0);
    assert_string_equal(buf_cstr(&fixture->server.log), "out:exec_ended\n");
    assert_complete_has(fixture, "\"exit_code\":6");
    assert_false(is_there(fixture, "exec_ended"));
}

static void an_interrupted_run_gets_its_event_and_ends_as_lost(void **state)
{
    struct fixture *fixture = *state;
    leave_dead(fixture, "exec_cut", fixture->server.url, false, 0);
    assert_int_equal(resume_all_left(fixture).delivered, 1);
    assert_string_equal(buf_cstr(&fixture->server.log), "out:exec_cut\n" INTERRUPTED);
    assert_complete_has(fixture, "\"status\":\"lost\"");
    assert_string_equal(fixture->server.producers[1], "exec_cut.resumed");
    assert_false(is_there(fixture, "exec_cut"));
}

// Its run file says more records than the spool has: it went down with the machine, so nobody knows its end.
static void a_spool_that_lacks_its_last_records_is_an_interrupted_one(void **state)
{
    struct fixture *fixture = *state;
    leave_dead(fixture, "exec_torn", fixture->server.url, true, 2);
    assert_int_equal(resume_all_left(fixture).delivered, 1);
    assert_string_equal(buf_cstr(&fixture->server.log), "out:exec_torn\n" INTERRUPTED);
    assert_complete_has(fixture, "\"status\":\"lost\"");
}

static void a_run_that_lives_is_left_alone(void **state)
{
    struct fixture *fixture = *state;
    struct spool *spool = leave_behind(fixture, "exec_alive", fixture->server.url, true, 1);
    struct runner_resumed counts = resume_all_left(fixture);
    assert_int_equal(counts.held, 1);
    assert_int_equal(counts.delivered + counts.left, 0);
    assert_int_equal(runner_resume(&fixture->options, "exec_alive", NULL, NULL, &counts), ERR_HELD);
    assert_int_equal(fixture->server.connections, 0);
    spool_free(&spool);
}

static void what_is_for_another_server_stays_unless_it_is_named(void **state)
{
    struct fixture *fixture = *state;
    leave_dead(fixture, "exec_other", "http://elsewhere.example", true, 1);
    struct runner_resumed counts = resume_all_left(fixture);
    assert_int_equal(counts.left, 1);
    assert_string_equal(fixture->left, "exec_other");
    assert_non_null(strstr(fixture->reason, "http://elsewhere.example"));
    assert_true(is_there(fixture, "exec_other"));
    assert_int_equal(runner_resume(&fixture->options, "exec_other", note_left, fixture, &counts), 0);
    assert_int_equal(counts.delivered, 1);
    assert_false(is_there(fixture, "exec_other"));
}

static void a_name_that_is_no_run_is_said(void **state)
{
    struct fixture *fixture = *state;
    struct runner_resumed counts;
    assert_int_equal(runner_resume(&fixture->options, "exec_nobody", NULL, NULL, &counts), ERR_NOT_FOUND);
    assert_int_equal(runner_resume(&fixture->options, "../exec", NULL, NULL, &counts), ERR_INVALID);
}

static void a_server_that_is_away_is_asked_for_the_first_alone(void **state)
{
    struct fixture *fixture = *state;
    fixture->server.away = true;
    fixture->options.deliver_wait_ms = 300;
    leave_dead(fixture, "exec_1", fixture->server.url, true, 1);
    leave_dead(fixture, "exec_2", fixture->server.url, true, 1);
    struct runner_resumed counts = resume_all_left(fixture);
    assert_int_equal(counts.left, 2);
    assert_string_equal(fixture->left, "exec_2");
    assert_string_equal(fixture->reason, "the server was not reached for the one before");
    assert_true(is_there(fixture, "exec_1"));
    assert_true(is_there(fixture, "exec_2"));
}

static void beside_a_run_it_is_waited_for_and_stopped_in_time(void **state)
{
    struct fixture *fixture = *state;
    leave_dead(fixture, "exec_beside", fixture->server.url, true, 1);
    struct resume *resume = resume_start(&fixture->options);
    resume_finish(&resume, 20000);
    assert_null(resume);
    assert_false(is_there(fixture, "exec_beside"));
    leave_dead(fixture, "exec_late", fixture->server.url, true, 1);
    fixture->server.away = true;
    resume = resume_start(&fixture->options);
    resume_finish(&resume, 100);
    assert_true(is_there(fixture, "exec_late"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_run_whose_job_had_ended_is_completed_as_it_ended),
        TEST(an_interrupted_run_gets_its_event_and_ends_as_lost),
        TEST(a_spool_that_lacks_its_last_records_is_an_interrupted_one),
        TEST(a_run_that_lives_is_left_alone),
        TEST(what_is_for_another_server_stays_unless_it_is_named),
        TEST(a_name_that_is_no_run_is_said),
        TEST(a_server_that_is_away_is_asked_for_the_first_alone),
        TEST(beside_a_run_it_is_waited_for_and_stopped_in_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
