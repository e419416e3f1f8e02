#include "runner/resume.h"
#include "runner/run_file.h"
#include "runner/spool_private.h"
#include "runner/test_server.h"
#include "util/file.h"

#include <endian.h>
#include <fcntl.h>
#include <unistd.h>
#include <xxhash.h>

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

static void note_left(void *arg, const char *execution_id, const char *reason, bool discarded)
{
    assert_false(discarded);
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

// --- What a newer version has recorded

static void read_spool(const struct fixture *fixture, const char *id, const char *name, struct buf *ret)
{
    CLEANUP(free_ptr) char *path = xasprintf("%s/spool/%s/%s", fixture->state, id, name);
    buf_reset(ret);
    assert_int_equal(file_read_all(path, 1 << 20, ret), 0);
}

static void write_spool(const struct fixture *fixture, const char *id, const char *name, const struct buf *content)
{
    CLEANUP(free_ptr) char *path = xasprintf("%s/spool/%s/%s", fixture->state, id, name);
    CLEANUP(close_fd) int fd = open(path, O_WRONLY | O_TRUNC | O_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(file_write_full(fd, content->data, content->len), 0);
}

static void with_newer_head(struct buf *spool)
{
    memcpy(spool->data, "RNLSPL\0\2", 8);
    memset(spool->data + SPOOL_DATA_START, 0x5a, spool->len - SPOOL_DATA_START);
}

// A flag that has to be understood, in a chunk and a frame that are sound otherwise (docs/internals/chunk.md).
static void with_newer_flag(struct buf *spool)
{
    char *head = spool->data + SPOOL_DATA_START, *chunk = head + FRAME_HEAD_LEN;
    struct frame frame;
    frame_head_decode((uint8_t *)head, &frame);
    chunk[11] |= 8;
    uint64_t seed = (uint8_t)chunk[0] | (uint64_t)(uint8_t)chunk[1] << 8 | (uint64_t)(uint8_t)chunk[2] << 16;
    uint64_t sum = htole64(XXH3_64bits_withSeed(chunk + 11, frame.len - 11, seed));
    memcpy(chunk + 3, &sum, sizeof(sum));
    sum = htole64(frame_checksum((uint8_t *)head, chunk, frame.len));
    memcpy(chunk + frame.len, &sum, sizeof(sum));
}

static void with_newer_run(struct buf *run)
{
    char *version = strstr(run->data, "\"version\":1");
    assert_non_null(version);
    version[10] = '2';
}

// It is said, and stays byte by byte; who knows it still has everything of it.
static void stays_and_is_said(struct fixture *fixture, const char *file, void (*change)(struct buf *content),
                              bool ended)
{
    CLEANUP(buf_release) struct buf before = {0}, changed = {0}, after = {0};
    leave_dead(fixture, "exec_newer", fixture->server.url, ended, ended);
    read_spool(fixture, "exec_newer", file, &before);
    buf_append(&changed, before.data, before.len);
    change(&changed);
    write_spool(fixture, "exec_newer", file, &changed);
    struct runner_resumed counts = resume_all_left(fixture);
    assert_int_equal(counts.left, 1);
    assert_int_equal(counts.delivered, 0);
    assert_string_equal(fixture->left, "exec_newer");
    assert_string_equal(fixture->reason, "a newer runnel recorded it; deliver it with that one");
    read_spool(fixture, "exec_newer", file, &after);
    assert_true(str_eq(buf_str(&after), buf_str(&changed)));
    assert_int_equal(fixture->server.log.len + fixture->server.complete.len, 0);

    write_spool(fixture, "exec_newer", file, &before);
    assert_int_equal(resume_all_left(fixture).delivered, 1);
    assert_int_equal(strncmp(buf_cstr(&fixture->server.log), "out:exec_newer\n", 15), 0);
    assert_false(is_there(fixture, "exec_newer"));
}

static void a_spool_with_a_newer_head_stays_and_is_said(void **state)
{
    stays_and_is_said(*state, "spool", with_newer_head, true);
}

static void a_spool_with_newer_chunks_stays_and_is_said(void **state)
{
    stays_and_is_said(*state, "spool", with_newer_flag, true);
}

static void an_interrupted_spool_with_newer_chunks_stays_and_is_said(void **state)
{
    stays_and_is_said(*state, "spool", with_newer_flag, false);
}

static void others_are_delivered_beside_what_is_too_new(void **state)
{
    struct fixture *fixture = *state;
    CLEANUP(buf_release) struct buf spool = {0};
    leave_dead(fixture, "exec_newer", fixture->server.url, true, 1);
    read_spool(fixture, "exec_newer", "spool", &spool);
    with_newer_head(&spool);
    write_spool(fixture, "exec_newer", "spool", &spool);
    leave_dead(fixture, "exec_ours", fixture->server.url, true, 1);
    struct runner_resumed counts = resume_all_left(fixture);
    assert_int_equal(counts.left, 1);
    assert_int_equal(counts.delivered, 1);
    assert_string_equal(buf_cstr(&fixture->server.log), "out:exec_ours\n");
}

static void a_run_file_of_a_newer_version_stays_and_is_said(void **state)
{
    stays_and_is_said(*state, "run.json", with_newer_run, true);
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
        TEST(a_spool_with_a_newer_head_stays_and_is_said),
        TEST(a_spool_with_newer_chunks_stays_and_is_said),
        TEST(an_interrupted_spool_with_newer_chunks_stays_and_is_said),
        TEST(a_run_file_of_a_newer_version_stays_and_is_said),
        TEST(others_are_delivered_beside_what_is_too_new),
        TEST(a_name_that_is_no_run_is_said),
        TEST(a_server_that_is_away_is_asked_for_the_first_alone),
        TEST(beside_a_run_it_is_waited_for_and_stopped_in_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
