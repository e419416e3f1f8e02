// What a killed process, and a disk that fails to sync, leave of what was acknowledged.
#include "store/sqlite/sqlite_fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define CRASHES  25
#define CRASHERS 6
#define NODES    5

struct acknowledged {
    int64_t row;
    uint64_t next;
};

struct crasher {
    struct store_append append;
    struct fixture *fixture;
    uint64_t random;
    int report_fd;
    bool structured;
};

// Records of a run: each belongs to the node of its number, and says as much as others do.
static struct chunk *events(uint64_t first, uint32_t count)
{
    CLEANUP(chunk_builder_free) struct chunk_builder *builder = chunk_builder_new();
    CLEANUP(chunk_unref) struct chunk *lines = fixture_chunk(first, count, 60, 1000);
    for (uint32_t i = 0; i < count; i++) {
        struct record record;
        char extra[100];
        chunk_record(lines, i, &record);
        snprintf(extra, sizeof(extra), "\"event_type\":\"node_progress\",\"node_id\":\"n%u\"",
                 (unsigned)((first + i) % NODES));
        record.extra = str_of(extra);
        assert_int_equal(chunk_builder_add(builder, &record), 0);
    }
    return chunk_builder_finish(builder, 1);
}

static void crasher_next(struct crasher *crasher)
{
    chunk_unref(&crasher->append.chunk);
    uint32_t count =
        (uint32_t)(1 + test_random(&crasher->random) % (test_random(&crasher->random) % 10 == 0 ? 3000 : 12));
    crasher->append.chunk = crasher->structured ? events(crasher->append.first, count)
                                                : fixture_chunk(crasher->append.first, count, 60, 1000);
    store_submit(crasher->fixture->store, &crasher->append.op);
}

static void crasher_done(struct store_op *op)
{
    struct store_append *append = CONTAINER_OF(op, struct store_append, op);
    struct crasher *crasher = CONTAINER_OF(append, struct crasher, append);
    const struct acknowledged report = {append->row, append->ret_next};
    if (op->err != 0 || append->ret_first_sequence != append->first ||
        write(crasher->report_fd, &report, sizeof(report)) != sizeof(report))
        _exit(3);
    append->first = append->ret_next;
    crasher_next(crasher);
}

// Appends to several executions at once and reports what was acknowledged, until it is killed.
static NORETURN void crash_child(const char *folder, const struct acknowledged *begin, uint64_t seed, int report_fd)
{
    struct fixture fixture = {.adapter = &fixture_merging};
    struct crasher crashers[CRASHERS] = {0};
    if (loop_new(&fixture.loop) < 0 || fixture_merging.open(folder, &fixture.now_ms, &fixture.store) < 0)
        _exit(2);
    for (size_t i = 0; i < CRASHERS; i++) {
        struct store_append append = {
            .op = {.kind = STORE_APPEND, .reply_to = fixture.loop, .done = crasher_done},
            .row = begin[i].row,
            .producer = STR("p"),
            .first = begin[i].next,
        };
        crashers[i] = (struct crasher){append, &fixture, seed + i, report_fd, i % 2 == 1};
        crasher_next(&crashers[i]);
    }
    loop_run(fixture.loop);
    _exit(4);
}

static void read_reports(int fd, struct acknowledged *ends)
{
    struct acknowledged report;
    while (read(fd, &report, sizeof(report)) == sizeof(report)) {
        for (size_t i = 0; i < CRASHERS; i++) {
            if (ends[i].row == report.row)
                ends[i].next = report.next;
        }
    }
}

static void crash_once(struct fixture *fixture, struct acknowledged *ends, uint64_t seed)
{
    int fds[2];
    assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0)
        crash_child(fixture->folder, ends, seed, fds[1]);
    close(fds[1]);
    // Wait until it works, then let it go on for a random while.
    struct pollfd first = {.fd = fds[0], .events = POLLIN};
    assert_int_equal(poll(&first, 1, 20000), 1);
    poll(NULL, 0, (int)(test_random(&seed) % 40));
    kill(child, SIGKILL);
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status));
    read_reports(fds[0], ends);
    close(fds[0]);
}

// Every record counts once, however often the process ended while summaries were stored.
static void assert_counted(struct fixture *fixture, int64_t row, uint64_t next, bool structured)
{
    struct store_summary query = {.op.kind = STORE_SUMMARY, .row = row};
    const struct summary *summary = &query.ret_summary;
    do {
        assert_int_equal(fixture_run(fixture, &query.op), 0);
    } while (query.ret_more);
    assert_int_equal(summary->next, next);
    assert_int_equal(summary_records(summary), next);
    assert_int_equal(summary_untyped(summary), structured ? 0 : next);
    for (size_t i = 0; i < summary->node_count; i++)
        assert_int_equal(summary->nodes[i].records, (next + NODES - 1 - i) / NODES);
    store_op_release(&query.op);
}

static void what_was_acknowledged_survives_kill(void **state)
{
    struct fixture *fixture = *state;
    int64_t account = fixture_account(fixture, "a");
    struct acknowledged ends[CRASHERS] = {0};
    for (int i = 0; i < CRASHERS; i++) {
        CLEANUP(free_ptr) char *id = xasprintf("e%d", i);
        ends[i].row = fixture_create(fixture, account, id, STATUS_RUNNING);
    }
    for (uint64_t crash = 0; crash < CRASHES; crash++) {
        // No thread may be alive in a process that forks.
        store_free(&fixture->store);
        loop_free(&fixture->loop);
        crash_once(fixture, ends, crash * 100);
        assert_int_equal(loop_new(&fixture->loop), 0);
        assert_int_equal(fixture->adapter->open(fixture->folder, &fixture->now_ms, &fixture->store), 0);
        for (size_t i = 0; i < CRASHERS; i++) {
            uint64_t next = fixture_read(fixture, ends[i].row, 0, 1 << 20, fixture_check_record, NULL);
            assert_true(next >= ends[i].next);
            struct store_producer known = {.op.kind = STORE_PRODUCER, .row = ends[i].row, .producer = STR("p")};
            assert_int_equal(fixture_run(fixture, &known.op), 0);
            assert_int_equal(known.ret_producer.next, next);
            assert_int_equal(known.ret_execution.next_sequence, next);
            store_op_release(&known.op);
            ends[i].next = next;
            assert_counted(fixture, ends[i].row, next, i % 2 == 1);
        }
    }
    for (size_t i = 0; i < CRASHERS; i++)
        fixture_complete_with_digest(fixture, ends[i].row, ends[i].next);
}

// From here on every sync of this process fails as on a broken disk, on all of its threads.
static void break_syncs(void)
{
    struct sock_filter filter[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_fsync, 2, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_fdatasync, 1, 0),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EIO),
    };
    const struct sock_fprog program = {.len = ARRAY_LEN(filter), .filter = filter};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
        syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, &program) != 0)
        _exit(5);
}

static NORETURN void sync_child(const char *folder, int64_t row)
{
    struct fixture fixture = {.adapter = &fixture_plain};
    CLEANUP(chunk_unref) struct chunk *chunk = fixture_chunk(0, 10, 60, 1000);
    signal(SIGABRT, SIG_DFL); // cmocka catches it
    if (loop_new(&fixture.loop) < 0 || fixture_plain.open(folder, &fixture.now_ms, &fixture.store) < 0)
        _exit(2);
    break_syncs();
    fixture_append(&fixture, row, "p", 0, chunk);
    _exit(3); // it was answered
}

static void a_failed_fsync_ends_the_process_before_any_answer(void **state)
{
    struct fixture *fixture = *state;
    int64_t row = fixture_create(fixture, fixture_account(fixture, "a"), "e", STATUS_RUNNING);
    store_free(&fixture->store);
    loop_free(&fixture->loop);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0)
        sync_child(fixture->folder, row);
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), SIGABRT);
    assert_int_equal(loop_new(&fixture->loop), 0);
    assert_int_equal(fixture->adapter->open(fixture->folder, &fixture->now_ms, &fixture->store), 0);
    // It may have reached the disk or not; it is whole either way.
    uint64_t next = fixture_read(fixture, row, 0, 1 << 20, fixture_check_record, NULL);
    assert_true(next == 0 || next == 10);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        MERGING(what_was_acknowledged_survives_kill),
        PLAIN(a_failed_fsync_ends_the_process_before_any_answer),
    };
    cmocka_set_test_filter(getenv("TEST_FILTER")); // for tests/mutants
    return cmocka_run_group_tests(tests, NULL, NULL);
}
