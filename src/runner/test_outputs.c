#include "client/test_content_server.h"
#include "model/artifact.h"
#include "runner/outputs.h"
#include "util/file.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

struct fixture {
    struct content_server server;
    struct client_options client;
    char *folder;
    int dir_fd, outputs_fd;
    struct outputs_upload upload;
    struct buf text;
    // Of an upload beside a loop:
    struct loop *loop;
    struct pool *pool;
    struct outputs *outputs;
    unsigned done, uploaded, missing;
    char reason[200];
};

static int set_up(void **state)
{
    struct fixture *fixture = xcalloc(1, sizeof(*fixture));
    content_server_start(&fixture->server);
    fixture->client = (struct client_options){.url = fixture->server.url};
    fixture->folder = xstrdup("/tmp/runnel-outputs-XXXXXX");
    assert_non_null(mkdtemp(fixture->folder));
    fixture->dir_fd = open(fixture->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_int_equal(mkdirat(fixture->dir_fd, OUTPUTS_FOLDER, 0700), 0);
    fixture->outputs_fd = openat(fixture->dir_fd, OUTPUTS_FOLDER, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_int_equal(loop_new(&fixture->loop), 0);
    assert_int_equal(pool_new(1, 4, &fixture->pool), 0);
    *state = fixture;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;
    outputs_free(&fixture->outputs);
    outputs_upload_release(&fixture->upload);
    pool_free(&fixture->pool);
    loop_free(&fixture->loop);
    content_server_stop(&fixture->server);
    dir_remove_all(fixture->folder);
    close_fd(&fixture->outputs_fd);
    close_fd(&fixture->dir_fd);
    buf_release(&fixture->text);
    free(fixture->folder);
    free(fixture);
    return 0;
}

static void put(const struct fixture *fixture, const char *name, const char *text, mode_t mode)
{
    CLEANUP(close_fd) int fd = openat(fixture->outputs_fd, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(file_write_full(fd, text, strlen(text)), 0);
    assert_int_equal(fchmod(fd, mode), 0);
}

static struct outputs_options options_of(const struct fixture *fixture)
{
    return (struct outputs_options){
        .server = &fixture->client, .execution_id = "e", .run_dir_fd = fixture->dir_fd, .owner = UINT32_MAX};
}

static void begin(struct fixture *fixture)
{
    const struct outputs_options options = options_of(fixture);
    assert_int_equal(outputs_upload_init(&fixture->upload, &options), 0);
}

static int try(struct fixture *fixture)
{
    buf_reset(&fixture->text);
    return outputs_upload_try(&fixture->upload, &fixture->text);
}

static const char *why(const struct fixture *fixture, const char *name)
{
    const struct outputs_report *report = &fixture->upload.report;
    for (size_t i = 0; i < MIN(report->missing, (unsigned)OUTPUTS_TOLD_MAX); i++) {
        if (strcmp(report->told[i].name, name) == 0)
            return report->told[i].reason;
    }
    return "";
}

static void a_run_that_leaves_nothing_has_no_outputs(void **state)
{
    struct fixture *fixture = *state;
    assert_false(outputs_left(fixture->dir_fd));
    assert_false(outputs_left(fixture->dir_fd)); // the folder is gone
    assert_int_equal(faccessat(fixture->dir_fd, OUTPUTS_FOLDER, F_OK, 0), -1);
    const struct outputs_options options = options_of(fixture);
    assert_int_equal(outputs_upload_init(&fixture->upload, &options), -ENOENT);
}

static void each_regular_file_is_uploaded_with_its_name_and_mode(void **state)
{
    struct fixture *fixture = *state;
    put(fixture, "b.txt", "same", 0640);
    put(fixture, "a b.txt", "same", 0755);
    put(fixture, "empty", "", 0600);
    assert_int_equal(mkdirat(fixture->outputs_fd, "sub", 0700), 0);
    assert_int_equal(mkdirat(fixture->outputs_fd, "nothing", 0700), 0);
    put(fixture, "sub/größe", "x", 0600);
    assert_true(outputs_left(fixture->dir_fd));
    begin(fixture);
    assert_int_equal(try(fixture), 0);
    assert_int_equal(fixture->upload.report.uploaded, 4);
    assert_int_equal(fixture->upload.report.bytes, 9);
    assert_int_equal(fixture->upload.report.missing, 0);
    CLEANUP(free_ptr)
    char *expected = xasprintf("a%%20b.txt=%s %d}\nb.txt=%s %d}\nempty=%s %d}\nsub/gr%%C3%%B6%%C3%%9Fe=%s %d}\n",
                               "0967115f2813a3541eaef77de9d9d5773f1c0c04314b0bbfe4ff3b3b1c55b5d5", 0755,
                               "0967115f2813a3541eaef77de9d9d5773f1c0c04314b0bbfe4ff3b3b1c55b5d5", 0640,
                               "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855", 0600,
                               "2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881", 0600);
    assert_string_equal(buf_cstr(&fixture->server.names), expected);
}

static void links_and_what_is_no_file_are_told_and_not_followed(void **state)
{
    struct fixture *fixture = *state;
    put(fixture, "ok", "1", 0600);
    assert_int_equal(symlinkat("/etc/passwd", fixture->outputs_fd, "link"), 0);
    assert_int_equal(symlinkat("/etc", fixture->outputs_fd, "folder"), 0);
    assert_int_equal(symlinkat("ok", fixture->outputs_fd, "within"), 0);
    assert_int_equal(mkfifoat(fixture->outputs_fd, "pipe", 0600), 0);
    put(fixture, "new\nline", "1", 0600);
    begin(fixture);
    assert_int_equal(try(fixture), 0);
    assert_int_equal(fixture->upload.report.uploaded, 1);
    assert_int_equal(fixture->upload.report.missing, 5);
    assert_string_equal(why(fixture, "link"), "links are not followed");
    assert_string_equal(why(fixture, "folder"), "links are not followed");
    assert_string_equal(why(fixture, "within"), "links are not followed");
    assert_string_equal(why(fixture, "pipe"), "it is no regular file");
    assert_string_equal(why(fixture, "new\nline"), "its name must not have control characters");
}

// As root reads for a job of another user, that user could have made a link to what only root may read.
static void another_users_file_with_several_names_is_not_taken(void **state)
{
    struct fixture *fixture = *state;
    put(fixture, "one", "1", 0600);
    put(fixture, "two", "2", 0600);
    assert_int_equal(linkat(fixture->outputs_fd, "two", fixture->dir_fd, "elsewhere", 0), 0);
    struct outputs_options options = options_of(fixture);
    options.owner = getuid() + 1;
    assert_int_equal(outputs_upload_init(&fixture->upload, &options), 0);
    assert_int_equal(try(fixture), 0);
    assert_int_equal(fixture->upload.report.uploaded, 1);
    assert_string_equal(why(fixture, "two"), "it is a link to a file of another user");
}

static void what_the_server_refuses_is_told_and_the_rest_is_uploaded(void **state)
{
    struct fixture *fixture = *state;
    put(fixture, "a", "1", 0600);
    fixture->server.refuse = 413;
    begin(fixture);
    assert_int_equal(try(fixture), 0);
    assert_int_equal(fixture->upload.report.missing, 1);
    assert_string_equal(why(fixture, "a"), "it says too_large");
    fixture->server.refuse = 0;
    assert_int_equal(try(fixture), 0);
    assert_int_equal(fixture->upload.report.uploaded, 1);
    assert_int_equal(fixture->upload.report.missing, 0);
}

static void another_try_goes_on_with_what_is_not_there_yet(void **state)
{
    struct fixture *fixture = *state;
    put(fixture, "a", "1", 0600);
    begin(fixture);
    assert_int_equal(try(fixture), 0);
    put(fixture, "b", "2", 0600);
    fixture->server.refuse = 503;
    assert_int_equal(try(fixture), ERR_UNAVAILABLE);
    assert_str(buf_str(&fixture->text), "it says unavailable");
    fixture->server.refuse = 0;
    assert_int_equal(try(fixture), 0);
    assert_int_equal(fixture->upload.report.uploaded, 2);
    assert_int_equal(fixture->upload.report.bytes, 2);
    assert_int_equal(fixture->server.bodies, 2);
    put(fixture, "c", "3", 0600);
    atomic_store(&fixture->upload.over, "it was cancelled"); // then only that is told
    assert_int_equal(try(fixture), 0);
    assert_int_equal(fixture->upload.report.uploaded, 2);
    assert_string_equal(why(fixture, "c"), "it was cancelled");
}

static void more_files_than_may_be_are_told(void **state)
{
    struct fixture *fixture = *state;
    for (int i = 0; i < ARTIFACTS_MAX + 25; i++) {
        char name[16];
        snprintf(name, sizeof(name), "%05d", i);
        put(fixture, name, "", 0600);
    }
    begin(fixture);
    assert_int_equal(try(fixture), 0);
    assert_int_equal(fixture->upload.report.uploaded, ARTIFACTS_MAX);
    assert_int_equal(fixture->upload.report.missing, 25);
    assert_string_equal(why(fixture, "01000"), "an execution may have 1000");
    assert_string_equal(why(fixture, "00999"), "");
}

static void the_log_says_what_is_missing(void **state)
{
    struct fixture *fixture = *state;
    struct outputs_report report = {.missing = OUTPUTS_TOLD_MAX + 3};
    CLEANUP(spool_free) struct spool *spool = NULL;
    CLEANUP(free_ptr) char *dir = xasprintf("%s/spool", fixture->folder);
    for (size_t i = 0; i < OUTPUTS_TOLD_MAX; i++)
        report.told[i] = (struct outputs_missing){xasprintf("f%zu\xff", i), xstrdup("it changed")};
    assert_int_equal(spool_create(&(struct spool_options){.dir = dir, .bytes_max = 1 << 20}, &spool), 0);
    assert_int_equal(outputs_tell(spool, &report), 0);
    assert_int_equal(spool_next(spool), OUTPUTS_TOLD_MAX + 1);
    CLEANUP(chunk_unref) struct chunk *chunk = NULL;
    uint64_t first;
    struct record record;
    assert_int_equal(spool_read(spool, 0, &first, &chunk), 0);
    chunk_record(chunk, 0, &record);
    assert_int_equal(record.stream, STREAM_EVENT);
    assert_int_equal(record.level, LEVEL_WARNING);
    assert_str(record.message, "The output f0\xef\xbf\xbd was not uploaded: it changed");
    assert_str(record.extra, "\"event_type\":\"artifact_missing\"");
    chunk_record(chunk, OUTPUTS_TOLD_MAX, &record);
    assert_str(record.message, "3 more outputs were not uploaded");
    outputs_report_release(&report);
    assert_int_equal(outputs_tell(spool, &report), 0); // nothing to tell
    assert_int_equal(spool_next(spool), OUTPUTS_TOLD_MAX + 1);
}

// --- Beside a loop

static void on_done(void *arg, const struct outputs_report *report)
{
    struct fixture *fixture = arg;
    fixture->done++;
    fixture->uploaded = report->uploaded;
    fixture->missing = report->missing;
    if (report->missing > 0)
        snprintf(fixture->reason, sizeof(fixture->reason), "%s", report->told[0].reason);
    outputs_free(&fixture->outputs);
    loop_stop(fixture->loop);
}

static void an_upload_is_tried_again_until_the_server_takes_it(void **state)
{
    struct fixture *fixture = *state;
    const struct outputs_options options = options_of(fixture);
    put(fixture, "a", "some bytes", 0600);
    fixture->server.cut_after = 3;
    fixture->outputs = outputs_new(&options, fixture->loop, fixture->pool, on_done, fixture);
    assert_non_null(fixture->outputs);
    loop_run(fixture->loop);
    assert_int_equal(fixture->done, 1);
    assert_int_equal(fixture->uploaded, 1);
    assert_int_equal(fixture->missing, 0);
}

static void give_up(void *arg)
{
    struct fixture *fixture = arg;
    outputs_give_up(fixture->outputs, "it was cancelled");
}

static void an_upload_that_is_given_up_is_told_as_missing(void **state)
{
    struct fixture *fixture = *state;
    const struct outputs_options options = options_of(fixture);
    struct timer *timer = timer_new(fixture->loop, give_up, fixture);
    put(fixture, "a", "some bytes", 0600);
    fixture->server.refuse = 503;
    fixture->outputs = outputs_new(&options, fixture->loop, fixture->pool, on_done, fixture);
    timer_start(timer, 50);
    loop_run(fixture->loop);
    assert_int_equal(fixture->done, 1);
    assert_int_equal(fixture->uploaded, 0);
    assert_int_equal(fixture->missing, 1);
    assert_string_equal(fixture->reason, "it was cancelled");
    timer_free(&timer);
}

static void an_upload_may_be_freed_while_it_is_under_way(void **state)
{
    struct fixture *fixture = *state;
    const struct outputs_options options = options_of(fixture);
    put(fixture, "a", "some bytes", 0600);
    fixture->outputs = outputs_new(&options, fixture->loop, fixture->pool, on_done, fixture);
    outputs_free(&fixture->outputs);
    pool_free(&fixture->pool);
    loop_deliver(fixture->loop);
    assert_int_equal(fixture->done, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_run_that_leaves_nothing_has_no_outputs, set_up, tear_down),
        cmocka_unit_test_setup_teardown(each_regular_file_is_uploaded_with_its_name_and_mode, set_up, tear_down),
        cmocka_unit_test_setup_teardown(links_and_what_is_no_file_are_told_and_not_followed, set_up, tear_down),
        cmocka_unit_test_setup_teardown(another_users_file_with_several_names_is_not_taken, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_the_server_refuses_is_told_and_the_rest_is_uploaded, set_up, tear_down),
        cmocka_unit_test_setup_teardown(another_try_goes_on_with_what_is_not_there_yet, set_up, tear_down),
        cmocka_unit_test_setup_teardown(more_files_than_may_be_are_told, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_log_says_what_is_missing, set_up, tear_down),
        cmocka_unit_test_setup_teardown(an_upload_is_tried_again_until_the_server_takes_it, set_up, tear_down),
        cmocka_unit_test_setup_teardown(an_upload_that_is_given_up_is_told_as_missing, set_up, tear_down),
        cmocka_unit_test_setup_teardown(an_upload_may_be_freed_while_it_is_under_way, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
