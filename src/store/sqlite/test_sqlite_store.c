// What belongs to the SQLite adapter alone: merging, crashes, a full disk, versions, the lock.
#include "store/sqlite/merge/merge_job.h"
#include "store/sqlite/sqlite_store.h"
#include "store/store_fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdatomic.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define RESERVE         (20u * 1024 * 1024) // more than the WAL between two checkpoints
#define RESTING_RESERVE (1024u * 1024)
#define RESTING_WAL     (512u * 1024)

static int64_t test_clock(void *arg)
{
    return atomic_load((_Atomic int64_t *)arg);
}

static int open_tuned(const char *folder, struct sqlite_tuning tuning, struct buf *ret_error, struct store **ret)
{
    CLEANUP(free_ptr) char *path = xasprintf("%s/runnel.db", folder);
    return sqlite_store_open(&(struct sqlite_options){.path = path, .readers = 4, .tuning = &tuning}, ret_error, ret);
}

static int open_plain(const char *folder, _Atomic int64_t *now_ms, struct store **ret)
{
    CLEANUP(buf_release) struct buf error = {0};
    return open_tuned(folder, (struct sqlite_tuning){.now_ms = test_clock, .now_arg = now_ms}, &error, ret);
}

static int open_merging(const char *folder, _Atomic int64_t *now_ms, struct store **ret)
{
    CLEANUP(buf_release) struct buf error = {0};
    const struct sqlite_tuning tuning = {
        .now_ms = test_clock, .now_arg = now_ms, .hot_pieces = 20, .merge_after_ms = 5, .reserve_bytes = RESERVE};
    return open_tuned(folder, tuning, &error, ret);
}

static const struct fixture_adapter plain = {"sqlite", open_plain}, merging = {"sqlite, merging", open_merging};

static int set_up_plain(void **state)
{
    *state = fixture_new(&plain);
    return 0;
}

static int set_up_merging(void **state)
{
    *state = fixture_new(&merging);
    return 0;
}

static int tear_down(void **state)
{
    fixture_free((struct fixture **)state);
    return 0;
}

// The records of these tests come from one producer, so that each names its own sequence number.
static void check_record(void *arg, uint64_t sequence, const struct record *record)
{
    (void)arg;
    char expected[40];
    int len = snprintf(expected, sizeof(expected), "line %llu ", (unsigned long long)sequence);
    assert_true(record->message.len >= (size_t)len);
    assert_memory_equal(record->message.data, expected, (size_t)len);
}

static void add_to_digest(void *arg, uint64_t sequence, const struct record *record)
{
    (void)sequence;
    uint64_t *digest = arg;
    *digest = record_digest_next(*digest, record);
}

// Reads the log and ends it: the store's own digest must be that of what it gives back.
static void complete_with_digest(struct fixture *fixture, int64_t row, uint64_t count)
{
    struct store_complete end = {
        .op.kind = STORE_COMPLETE,
        .row = row,
        .producer = STR("p"),
        .has_final = true,
        .final = (int64_t)count - 1,
        .has_digest = true,
        .status = STATUS_COMPLETED,
    };
    fixture_read(fixture, row, 0, 1 << 20, add_to_digest, &end.digest);
    assert_int_equal(fixture_run(fixture, &end.op), 0);
    assert_int_equal(end.ret_execution.next_sequence, count);
    store_op_release(&end.op);
}

static void append_next(struct fixture *fixture, int64_t row, uint64_t *next, uint32_t count, size_t size)
{
    CLEANUP(chunk_unref) struct chunk *chunk = fixture_chunk(*next, count, size, 1000);
    struct store_append appended = fixture_append(fixture, row, "p", *next, chunk);
    assert_int_equal(appended.op.err, 0);
    assert_int_equal(appended.ret_first_sequence, *next);
    *next += count;
}

static int64_t query_path(const char *path, const char *sql)
{
    sqlite3 *db = NULL;
    sqlite3_stmt *statement = NULL;
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &statement, NULL), SQLITE_OK);
    int64_t value = sqlite3_step(statement) == SQLITE_ROW ? sqlite3_column_int64(statement, 0) : 0;
    sqlite3_finalize(statement);
    sqlite3_close(db);
    return value;
}

static int64_t query_file(const struct fixture *fixture, const char *sql)
{
    CLEANUP(free_ptr) char *path = xasprintf("%s/runnel.db", fixture->folder);
    return query_path(path, sql);
}

static void wait_until_merged(struct fixture *fixture)
{
    // Each query takes a turn of the writer's queue as well, so this waits for commits, not for time alone.
    while (query_file(fixture, "SELECT count(*) FROM hot") > 0)
        fixture_account(fixture, "turn");
}

// --- Merging

#define EXECUTIONS 30

static void random_appends_with_merges_give_exactly_the_sequences(void **state)
{
    struct fixture *fixture = *state;
    uint64_t random = 42, next[EXECUTIONS] = {0};
    int64_t account = fixture_account(fixture, "a"), rows[EXECUTIONS];
    for (int i = 0; i < EXECUTIONS; i++) {
        CLEANUP(free_ptr) char *id = xasprintf("e%d", i);
        rows[i] = fixture_create(fixture, account, id, STATUS_RUNNING);
    }
    for (int step = 0; step < 1500; step++) {
        size_t i = test_random(&random) % EXECUTIONS;
        // Some chunks are large enough to go to their place at once, between others that do not.
        bool large = test_random(&random) % 16 == 0;
        append_next(fixture, rows[i], &next[i], (uint32_t)(1 + test_random(&random) % (large ? 3000 : 20)), 60);
        if (test_random(&random) % 8 == 0) {
            size_t j = test_random(&random) % EXECUTIONS;
            uint64_t from = next[j] > 0 ? test_random(&random) % next[j] : 0;
            assert_int_equal(
                fixture_read(fixture, rows[j], from, 1 + test_random(&random) % 100000, check_record, NULL), next[j]);
        }
        if (test_random(&random) % 400 == 0)
            fixture_reopen(fixture);
    }
    for (int pass = 0; pass < 2; pass++) {
        for (int i = 0; i < EXECUTIONS; i++)
            assert_int_equal(fixture_read(fixture, rows[i], 0, 1 << 20, check_record, NULL), next[i]);
        wait_until_merged(fixture);
    }
    assert_int_equal(query_file(fixture, "SELECT count(*) FROM meta WHERE name = 'merge_marker'"), 0);
    for (int i = 0; i < EXECUTIONS; i++)
        complete_with_digest(fixture, rows[i], next[i]);
}

static void small_chunks_become_few_large_ones(void **state)
{
    struct fixture *fixture = *state;
    int64_t row = fixture_create(fixture, fixture_account(fixture, "a"), "e", STATUS_RUNNING);
    uint64_t next = 0;
    for (int i = 0; i < 1000; i++)
        append_next(fixture, row, &next, 10, 100);
    struct store_complete end = {.op.kind = STORE_COMPLETE, .row = row, .status = STATUS_COMPLETED};
    assert_int_equal(fixture_run(fixture, &end.op), 0);
    store_op_release(&end.op);
    wait_until_merged(fixture);
    // A megabyte: at best four of 256 KiB; rounds that end early leave somewhat smaller ones.
    assert_in_range(query_file(fixture, "SELECT count(*) FROM chunks"), 4, 40);
    assert_int_equal(fixture_read(fixture, row, 0, 1 << 20, check_record, NULL), next);
}

// Those that came whole, too, which are not merged with others.
static void merged_chunks_carry_what_searches_need(void **state)
{
    struct fixture *fixture = *state;
    int64_t row = fixture_create(fixture, fixture_account(fixture, "a"), "e", STATUS_RUNNING);
    uint64_t next = 0;
    append_next(fixture, row, &next, 2000, 100);
    for (int i = 0; i < 100; i++)
        append_next(fixture, row, &next, 10, 100);
    append_next(fixture, row, &next, 3000, 100);
    struct store_complete end = {.op.kind = STORE_COMPLETE, .row = row, .status = STATUS_COMPLETED};
    assert_int_equal(fixture_run(fixture, &end.op), 0);
    store_op_release(&end.op);
    wait_until_merged(fixture);
    struct store_read read = {.op.kind = STORE_READ, .row = row, .max_bytes = 1 << 20, .closed = true};
    assert_int_equal(fixture_run(fixture, &read.op), 0);
    unsigned whole = 0;
    for (size_t i = 0; i < read.ret_count; i++) {
        struct record record;
        struct store_segment *segment = &read.ret_segments[i];
        assert_false(chunk_is_open(segment->chunk));
        whole += chunk_count(segment->chunk) == 2000 || chunk_count(segment->chunk) == 3000;
        if (chunk_raw(segment->chunk) >= (size_t)64 * 1024)
            assert_true(chunk_tokens(segment->chunk).len > 0);
        assert_int_equal(chunk_open(&segment->chunk), 0);
        chunk_record(segment->chunk, 0, &record);
        check_record(NULL, segment->first, &record);
    }
    assert_int_equal(whole, 2);
    store_op_release(&read.op);
    assert_int_equal(fixture_read(fixture, row, 0, 1 << 20, check_record, NULL), next);
}

#define ROUND_OPS 64

// `before` records were committed when the read was asked for.
static void assert_whole_sequence(const struct store_read *read, uint64_t before)
{
    assert_int_equal(read->op.err, 0);
    assert_true(read->ret_next >= before);
    if (before > 0 && !read->backward)
        assert_true(read->ret_count > 0 && read->ret_segments[0].first <= read->from);
    for (size_t i = 0; i < read->ret_count; i++) {
        struct record record;
        const struct store_segment *segment = &read->ret_segments[i];
        chunk_record(segment->chunk, 0, &record);
        check_record(NULL, segment->first, &record);
        if (i > 0)
            assert_int_equal(segment->first, segment[-1].first + chunk_count(segment[-1].chunk));
    }
}

// Reads run on four threads while appends and merges go on.
static void readers_see_a_whole_sequence_during_merges(void **state)
{
    struct fixture *fixture = *state;
    int64_t account = fixture_account(fixture, "a"), rows[4];
    uint64_t next[4] = {0}, random = 7;
    for (int i = 0; i < 4; i++) {
        CLEANUP(free_ptr) char *id = xasprintf("e%d", i);
        rows[i] = fixture_create(fixture, account, id, STATUS_RUNNING);
    }
    struct store_append *appends = xcalloc(ROUND_OPS, sizeof(*appends));
    struct store_read *reads = xcalloc(ROUND_OPS, sizeof(*reads));
    for (int round = 0; round < 60; round++) {
        struct store_op *ops[2 * ROUND_OPS];
        uint64_t before[4];
        memcpy(before, next, sizeof(before));
        for (size_t i = 0; i < ROUND_OPS; i++) {
            size_t e = i % 4;
            uint32_t count = (uint32_t)(1 + test_random(&random) % 8);
            appends[i] = (struct store_append){.op.kind = STORE_APPEND,
                                               .row = rows[e],
                                               .producer = STR("p"),
                                               .first = next[e],
                                               .chunk = fixture_chunk(next[e], count, 60, 1000)};
            next[e] += count;
            reads[i] = (struct store_read){.op.kind = STORE_READ,
                                           .row = rows[e],
                                           .from = before[e] > 0 ? test_random(&random) % before[e] : 0,
                                           .max_bytes = 1 + test_random(&random) % 50000,
                                           .backward = test_random(&random) % 4 == 0};
            ops[2 * i] = &appends[i].op;
            ops[2 * i + 1] = &reads[i].op;
        }
        fixture_run_all(fixture, ops, ARRAY_LEN(ops));
        for (size_t i = 0; i < ROUND_OPS; i++) {
            assert_int_equal(appends[i].op.err, 0);
            chunk_unref(&appends[i].chunk);
            assert_whole_sequence(&reads[i], before[i % 4]);
            store_op_release(&reads[i].op);
        }
    }
    for (int i = 0; i < 4; i++)
        assert_int_equal(fixture_read(fixture, rows[i], 0, 1 << 20, check_record, NULL), next[i]);
    free(appends);
    free(reads);
}

static void purged_chunks_leave_the_file(void **state)
{
    struct fixture *fixture = *state;
    int64_t row = fixture_create(fixture, fixture_account(fixture, "a"), "e", STATUS_RUNNING);
    uint64_t next = 0;
    for (int i = 0; i < 40; i++)
        append_next(fixture, row, &next, 2000, 100);
    append_next(fixture, row, &next, 5, 100);
    struct store_complete end = {.op.kind = STORE_COMPLETE, .row = row, .status = STATUS_COMPLETED};
    fixture_run(fixture, &end.op);
    store_op_release(&end.op);
    struct store_purge purge = {.op.kind = STORE_PURGE, .row = row};
    assert_int_equal(fixture_run(fixture, &purge.op), 0);
    wait_until_merged(fixture);
    while (query_file(fixture, "SELECT count(*) FROM purging") > 0)
        fixture_account(fixture, "turn");
    assert_int_equal(query_file(fixture, "SELECT count(*) FROM chunks"), 0);
    assert_int_equal(query_file(fixture, "SELECT count(*) FROM producers"), 0);
}

static uint64_t file_bytes(struct fixture *fixture, const char *name)
{
    CLEANUP(free_ptr) char *path = xasprintf("%s/runnel.db%s", fixture->folder, name);
    struct stat info;
    return stat(path, &info) == 0 ? (uint64_t)info.st_size : 0;
}

// While other logs are appended to and read.
static void room_is_given_back_after_a_purge(void **state)
{
    struct fixture *fixture = *state;
    int64_t account = fixture_account(fixture, "a"), row = fixture_create(fixture, account, "e", STATUS_RUNNING);
    int64_t other = fixture_create(fixture, account, "other", STATUS_RUNNING);
    uint64_t next = 0, other_next = 0;
    for (int i = 0; i < 60; i++) {
        append_next(fixture, row, &next, 3000, 100);
        append_next(fixture, other, &other_next, 30, 100);
    }
    struct store_complete end = {.op.kind = STORE_COMPLETE, .row = row, .status = STATUS_COMPLETED};
    assert_int_equal(fixture_run(fixture, &end.op), 0);
    store_op_release(&end.op);
    wait_until_merged(fixture);
    store_free(&fixture->store); // all of it is in the file
    uint64_t before = file_bytes(fixture, "");
    assert_true(before > 4u * 1024 * 1024);
    fixture_reopen(fixture);
    struct store_purge purge = {.op.kind = STORE_PURGE, .row = row};
    assert_int_equal(fixture_run(fixture, &purge.op), 0);
    while (file_bytes(fixture, "") > before / 2) {
        if (other_next < 5000)
            append_next(fixture, other, &other_next, 1, 100);
        else
            assert_int_equal(fixture_read(fixture, other, other_next - 1, 1 << 20, check_record, NULL), other_next);
    }
    fixture_reopen(fixture);
    assert_int_equal(fixture_read(fixture, other, 0, 1 << 20, check_record, NULL), other_next);
    store_free(&fixture->store);
    assert_int_equal(query_file(fixture, "SELECT count(*) FROM pragma_integrity_check WHERE integrity_check = 'ok'"),
                     1);
    fixture_reopen(fixture);
}

// --- Crashes

#define CRASHES  25
#define CRASHERS 6

struct acknowledged {
    int64_t row;
    uint64_t next;
};

struct crasher {
    struct store_append append;
    struct fixture *fixture;
    uint64_t random;
    int report_fd;
};

static void crasher_next(struct crasher *crasher)
{
    chunk_unref(&crasher->append.chunk);
    uint32_t count =
        (uint32_t)(1 + test_random(&crasher->random) % (test_random(&crasher->random) % 10 == 0 ? 3000 : 12));
    crasher->append.chunk = fixture_chunk(crasher->append.first, count, 60, 1000);
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
    struct fixture fixture = {.adapter = &merging};
    struct crasher crashers[CRASHERS] = {0};
    if (loop_new(&fixture.loop) < 0 || merging.open(folder, &fixture.now_ms, &fixture.store) < 0)
        _exit(2);
    for (size_t i = 0; i < CRASHERS; i++) {
        struct store_append append = {
            .op = {.kind = STORE_APPEND, .reply_to = fixture.loop, .done = crasher_done},
            .row = begin[i].row,
            .producer = STR("p"),
            .first = begin[i].next,
        };
        crashers[i] = (struct crasher){append, &fixture, seed + i, report_fd};
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
            uint64_t next = fixture_read(fixture, ends[i].row, 0, 1 << 20, check_record, NULL);
            assert_true(next >= ends[i].next);
            struct store_producer known = {.op.kind = STORE_PRODUCER, .row = ends[i].row, .producer = STR("p")};
            assert_int_equal(fixture_run(fixture, &known.op), 0);
            assert_int_equal(known.ret_producer.next, next);
            assert_int_equal(known.ret_execution.next_sequence, next);
            store_op_release(&known.op);
            ends[i].next = next;
        }
    }
    for (size_t i = 0; i < CRASHERS; i++)
        complete_with_digest(fixture, ends[i].row, ends[i].next);
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
    struct fixture fixture = {.adapter = &plain};
    CLEANUP(chunk_unref) struct chunk *chunk = fixture_chunk(0, 10, 60, 1000);
    signal(SIGABRT, SIG_DFL); // cmocka catches it
    if (loop_new(&fixture.loop) < 0 || plain.open(folder, &fixture.now_ms, &fixture.store) < 0)
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
    uint64_t next = fixture_read(fixture, row, 0, 1 << 20, check_record, NULL);
    assert_true(next == 0 || next == 10);
}

// --- A full disk

// Asking is no load: until the WAL is cut and the reserve small.
static void await_rest(struct fixture *fixture, int64_t account, const char *execution_id)
{
    while (file_bytes(fixture, "-wal") > RESTING_WAL || file_bytes(fixture, ".reserve") > RESTING_RESERVE) {
        struct execution got = fixture_get(fixture, account, execution_id);
        execution_release(&got);
    }
}

static void the_reserve_covers_the_wal_and_both_are_small_without_load(void **state)
{
    struct fixture *fixture = *state;
    int64_t account = fixture_account(fixture, "a"), row = fixture_create(fixture, account, "e", STATUS_RUNNING);
    uint64_t next = 0, wal = 0;
    assert_int_equal(file_bytes(fixture, ".reserve"), RESTING_RESERVE);
    while (wal < 8 * 1024 * 1024) {
        append_next(fixture, row, &next, 3000, 100);
        wal = file_bytes(fixture, "-wal");
        assert_true(file_bytes(fixture, ".reserve") > wal);
    }
    await_rest(fixture, account, "e");
    append_next(fixture, row, &next, 10, 100); // no reason to grow
    assert_int_equal(file_bytes(fixture, ".reserve"), RESTING_RESERVE);
    store_free(&fixture->store);
    assert_int_equal(file_bytes(fixture, ".reserve"), RESTING_RESERVE);
    fixture_reopen(fixture);
    assert_int_equal(fixture_read(fixture, row, 0, 1 << 20, check_record, NULL), next);
}

static void full_disk(struct fixture *fixture, bool rested)
{
    int64_t account = fixture_account(fixture, "a");
    int64_t old = fixture_create(fixture, account, "old", STATUS_RUNNING);
    int64_t row = fixture_create(fixture, account, "e", STATUS_RUNNING);
    uint64_t old_next = 0, next = 0;
    while (old_next < 250 * 1000) // more, as stored, than what counts as room
        append_next(fixture, old, &old_next, 3000, 100);
    struct store_complete end = {.op.kind = STORE_COMPLETE, .row = old, .status = STATUS_COMPLETED};
    assert_int_equal(fixture_run(fixture, &end.op), 0);
    store_op_release(&end.op);

    if (rested)
        await_rest(fixture, account, "e");
    struct store_stats stats;
    store_stats(fixture->store, &stats);
    assert_int_equal(stats.write_error, 0);
    sqlite_store_limit(fixture->store, stats.bytes + 4 * 1024 * 1024);
    int err = 0;
    for (int i = 0; i < 200 && err == 0; i++) {
        CLEANUP(chunk_unref) struct chunk *chunk = fixture_chunk(next, 3000, 100, 1000);
        struct store_append append = fixture_append(fixture, row, "p", next, chunk);
        err = append.op.err;
        next += err == 0 ? 3000 : 0;
    }
    assert_int_equal(err, ERR_STORE_FULL);
    store_stats(fixture->store, &stats);
    assert_int_equal(stats.write_error, ERR_STORE_FULL);
    assert_int_equal(fixture_read(fixture, row, 0, 1 << 20, check_record, NULL), next); // nothing of what was refused
    struct store_create create = {.op.kind = STORE_CREATE, .execution = {.account = account, .status = STATUS_QUEUED}};
    struct store_update pause = {
        .op.kind = STORE_UPDATE, .row = row, .has_outcome = true, .outcome = {.status = STATUS_PAUSED}};
    CLEANUP(chunk_unref) struct chunk *chunk = fixture_chunk(next, 3000, 100, 1000);
    struct store_append refused = {
        .op.kind = STORE_APPEND, .row = row, .producer = STR("p"), .first = next, .chunk = chunk};
    struct store_op *ops[] = {&refused.op, &pause.op};
    fixture_run_all(fixture, ops, ARRAY_LEN(ops));
    assert_int_equal(refused.op.err, ERR_STORE_FULL);
    assert_int_equal(pause.op.err, 0); // in one group with what was refused
    store_op_release(&pause.op);

    struct store_purge purge = {.op.kind = STORE_PURGE, .row = old};
    assert_int_equal(fixture_run(fixture, &purge.op), 0);
    while (query_file(fixture, "SELECT count(*) FROM purging") > 0)
        fixture_account(fixture, "turn");
    // It looks for space by itself, and finds it within the file.
    do {
        fixture_account(fixture, "turn");
        store_stats(fixture->store, &stats);
    } while (stats.write_error != 0);
    append_next(fixture, row, &next, 3000, 100);
    assert_int_equal(fixture_read(fixture, row, 0, 1 << 20, check_record, NULL), next);
    sqlite_store_limit(fixture->store, 0);
    assert_int_equal(fixture_run(fixture, &create.op), 0);
    store_op_release(&create.op);
    fixture_reopen(fixture);
    assert_int_equal(fixture_read(fixture, row, 0, 1 << 20, check_record, NULL), next);
}

static void a_full_store_refuses_records_but_can_be_purged(void **state)
{
    full_disk(*state, false);
}

// The disk became full while little was kept aside.
static void a_store_that_was_at_rest_on_a_full_disk_can_be_purged(void **state)
{
    full_disk(*state, true);
}

// A small append that shares its transaction with what the disk has no room for.
static void what_was_rolled_back_is_not_shown(void **state)
{
    struct fixture *fixture = *state;
    int64_t account = fixture_account(fixture, "a"), row = fixture_create(fixture, account, "e", STATUS_RUNNING);
    uint64_t next = 0;
    append_next(fixture, row, &next, 10, 100);
    struct store_stats stats;
    store_stats(fixture->store, &stats);
    sqlite_store_limit(fixture->store, stats.bytes + 64u * 1024);
    int err = 0;
    for (int i = 0; i < 900 && err == 0; i++) {
        CLEANUP(chunk_unref) struct chunk *small = fixture_chunk(next, 10, 100, 1000);
        CLEANUP(chunk_unref) struct chunk *large = fixture_chunk(next + 10, 300, 100, 1000);
        struct store_append appends[2] = {
            {.op.kind = STORE_APPEND, .row = row, .producer = STR("p"), .first = next, .chunk = small},
            {.op.kind = STORE_APPEND, .row = row, .producer = STR("p"), .first = next + 10, .chunk = large},
        };
        struct store_op *ops[] = {&appends[0].op, &appends[1].op};
        fixture_run_all(fixture, ops, ARRAY_LEN(ops));
        next += appends[0].ret_appended * (appends[0].op.err == 0) + appends[1].ret_appended * (appends[1].op.err == 0);
        err = appends[1].op.err;
    }
    assert_int_equal(err, ERR_STORE_FULL);
    assert_int_equal(fixture_read(fixture, row, 0, 1 << 20, check_record, NULL), next);
    sqlite_store_limit(fixture->store, 0);
    do {
        fixture_account(fixture, "turn");
        store_stats(fixture->store, &stats);
    } while (stats.write_error != 0);
    for (int i = 0; i < 3; i++)
        append_next(fixture, row, &next, 7, 100); // of other lengths than those that were refused
    assert_int_equal(fixture_read(fixture, row, 0, 1 << 20, check_record, NULL), next);
    complete_with_digest(fixture, row, next);
}

// Executions that a full disk kept from being made are not among those that are open.
static void what_was_counted_in_a_failed_commit_does_not_count(void **state)
{
    struct fixture *fixture = *state;
    int64_t account = fixture_account(fixture, "a");
    fixture_create(fixture, account, "e", STATUS_RUNNING);
    struct store_stats stats;
    store_stats(fixture->store, &stats);
    sqlite_store_limit(fixture->store, stats.bytes);
    struct store_create create = {.op.kind = STORE_CREATE, .open_max = 1000};
    int err = 0;
    for (int i = 0; i < 900 && err == 0; i++) { // until what is free within the file is full too
        create.execution = (struct execution){.account = account, .status = STATUS_QUEUED};
        create.execution.metadata_json = xcalloc(1, 60001);
        snprintf(create.execution.metadata_json, 60001, "{\"k\":\"%059980d\"}", 0);
        err = fixture_run(fixture, &create.op);
        store_op_release(&create.op);
        assert_int_not_equal(err, ERR_RATE);
    }
    assert_int_equal(err, ERR_STORE_FULL);
    sqlite_store_limit(fixture->store, 0);
    do {
        fixture_account(fixture, "turn");
        store_stats(fixture->store, &stats);
    } while (stats.write_error != 0);
    struct store_count_open open = {.op.kind = STORE_COUNT_OPEN, .account = account};
    assert_int_equal(fixture_run(fixture, &open.op), 0);
    create.open_max = open.ret_count + 1;
    create.execution = (struct execution){.account = account, .status = STATUS_QUEUED};
    assert_int_equal(fixture_run(fixture, &create.op), 0);
    store_op_release(&create.op);
    create.execution = (struct execution){.account = account, .status = STATUS_QUEUED};
    assert_int_equal(fixture_run(fixture, &create.op), ERR_RATE);
    store_op_release(&create.op);
}

// The disk has room; it is descriptors that are lacking.
static void a_process_without_files_to_open_is_not_a_full_disk(void **state)
{
    struct fixture *fixture = *state;
    int64_t row = fixture_create(fixture, fixture_account(fixture, "a"), "e", STATUS_RUNNING);
    uint64_t next = 0;
    struct rlimit former, none;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &former), 0);
    none = (struct rlimit){.rlim_cur = 3, .rlim_max = former.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    while (file_bytes(fixture, "-wal") < 4u * RESTING_RESERVE) // the reserve grows with it
        append_next(fixture, row, &next, 3000, 100);
    CLEANUP(free_ptr) char *folder = xasprintf("%s/backups", fixture->folder);
    struct store_backup backup = {.op.kind = STORE_BACKUP, .folder = str_of(folder), .name = STR("copy.db")};
    int err = fixture_run(fixture, &backup.op);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &former), 0);
    assert_int_equal(err, ERR_NO_FILES);
    assert_non_null(strstr(backup.ret_reason, "limit of open files"));
    store_op_release(&backup.op);
    struct store_stats stats;
    store_stats(fixture->store, &stats);
    assert_int_equal(stats.write_error, 0);
    assert_int_equal(fixture_read(fixture, row, 0, 1 << 20, check_record, NULL), next);
}

// --- Opening

static void a_newer_schema_is_refused_and_left_alone(void **state)
{
    struct fixture *fixture = *state;
    store_free(&fixture->store);
    int64_t version = query_file(fixture, "PRAGMA user_version");
    query_file(fixture, "PRAGMA user_version = 99");
    CLEANUP(buf_release) struct buf error = {0};
    assert_int_equal(open_tuned(fixture->folder, (struct sqlite_tuning){0}, &error, &fixture->store), ERR_TOO_NEW);
    assert_non_null(strstr(buf_cstr(&error), "schema 99"));
    char known[48], back[48];
    snprintf(known, sizeof(known), "schemas up to %d", (int)version);
    assert_non_null(strstr(buf_cstr(&error), known));
    assert_int_equal(query_file(fixture, "PRAGMA user_version"), 99);
    snprintf(back, sizeof(back), "PRAGMA user_version = %d", (int)version);
    query_file(fixture, back);
    assert_int_equal(open_plain(fixture->folder, &fixture->now_ms, &fixture->store), 0);
}

static void a_store_is_opened_once(void **state)
{
    struct fixture *fixture = *state;
    struct store *second = NULL;
    CLEANUP(buf_release) struct buf error = {0};
    assert_int_equal(open_tuned(fixture->folder, (struct sqlite_tuning){0}, &error, &second), ERR_CONFLICT);
    assert_non_null(strstr(buf_cstr(&error), "in use by another process"));
    assert_null(second);
}

static void execute_file(const struct fixture *fixture, const char *sql)
{
    CLEANUP(free_ptr) char *path = xasprintf("%s/runnel.db", fixture->folder);
    sqlite3 *db = NULL;
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
}

static void a_damaged_pack_costs_its_records_alone_and_is_kept(void **state)
{
    struct fixture *fixture = *state;
    int64_t account = fixture_account(fixture, "a"), rows[2];
    uint64_t next[2] = {0};
    rows[0] = fixture_create(fixture, account, "damaged", STATUS_RUNNING);
    rows[1] = fixture_create(fixture, account, "whole", STATUS_RUNNING);
    append_next(fixture, rows[0], &next[0], 10, 100);
    append_next(fixture, rows[1], &next[1], 10, 100);
    store_free(&fixture->store);
    execute_file(fixture, "UPDATE hot SET body = substr(body, 1, 40) || x'00000000' || substr(body, 45) "
                          "WHERE id = (SELECT min(id) FROM hot)");
    fixture->adapter = &merging;
    assert_int_equal(merging.open(fixture->folder, &fixture->now_ms, &fixture->store), 0);
    wait_until_merged(fixture);
    assert_int_equal(query_file(fixture, "SELECT count(*) FROM damaged"), 1);
    assert_int_equal(fixture_read(fixture, rows[1], 0, 1 << 20, check_record, NULL), next[1]);
    struct store_read read = {.op.kind = STORE_READ, .row = rows[0], .max_bytes = 1 << 20};
    assert_int_equal(fixture_run(fixture, &read.op), ERR_CORRUPT);
    store_op_release(&read.op);
}

static void damage_last_pack(const struct fixture *fixture)
{
    execute_file(fixture, "UPDATE hot SET body = substr(body, 1, 40) || x'00000000' || substr(body, 45) "
                          "WHERE id = (SELECT max(id) FROM hot)");
}

static int read_from(struct fixture *fixture, int64_t row, uint64_t from, uint64_t *ret_first)
{
    struct store_read read = {.op.kind = STORE_READ, .row = row, .from = from, .max_bytes = 1};
    int err = fixture_run(fixture, &read.op);
    if (err == 0 && read.ret_count > 0) {
        struct record record;
        *ret_first = read.ret_segments[0].first;
        chunk_record(read.ret_segments[0].chunk, 0, &record);
        check_record(NULL, *ret_first, &record);
    }
    store_op_release(&read.op);
    return err;
}

static void merge_all(struct fixture *fixture)
{
    store_free(&fixture->store);
    assert_int_equal(merging.open(fixture->folder, &fixture->now_ms, &fixture->store), 0);
    wait_until_merged(fixture);
    store_free(&fixture->store);
}

// Small chunks on both sides of what is damaged must not become one, whose numbers would be others'.
static void a_merge_leaves_a_hole_where_records_cannot_be_read(void **state)
{
    struct fixture *fixture = *state;
    int64_t row = fixture_create(fixture, fixture_account(fixture, "a"), "e", STATUS_RUNNING);
    uint64_t next = 0, first = 0;
    append_next(fixture, row, &next, 10, 100);
    merge_all(fixture);
    fixture_reopen(fixture);
    append_next(fixture, row, &next, 10, 100);
    store_free(&fixture->store);
    damage_last_pack(fixture);
    merge_all(fixture);
    fixture_reopen(fixture);
    append_next(fixture, row, &next, 10, 100);
    struct store_complete end = {.op.kind = STORE_COMPLETE, .row = row, .status = STATUS_COMPLETED};
    assert_int_equal(fixture_run(fixture, &end.op), 0); // so that all that can be merged is
    store_op_release(&end.op);
    merge_all(fixture);
    fixture_reopen(fixture);
    assert_int_equal(query_file(fixture, "SELECT count(*) FROM chunks"), 2);
    assert_int_equal(read_from(fixture, row, 0, &first), 0);
    assert_int_equal(first, 0);
    assert_int_equal(read_from(fixture, row, 10, &first), ERR_CORRUPT);
    assert_int_equal(read_from(fixture, row, 25, &first), 0);
    assert_int_equal(first, 20);
}

static void a_merge_of_chunks_that_are_not_there_is_given_up(void **state)
{
    struct fixture *fixture = *state;
    int64_t row = fixture_create(fixture, fixture_account(fixture, "a"), "e", STATUS_RUNNING);
    uint64_t next = 0;
    append_next(fixture, row, &next, 10, 100);
    merge_all(fixture);
    CLEANUP(free_ptr) char *path = xasprintf("%s/runnel.db", fixture->folder);
    CLEANUP(chunk_unref) struct chunk *chunk = fixture_chunk(0, 10, 100, 1000);
    uint64_t first = 0;
    struct db db;
    assert_int_equal(db_open(&db, path, NULL, DB_WRITER), 0);
    struct merge_job job = {.row = row, .chunks = &chunk, .firsts = &first, .chunk_count = 1, .replaced_count = 1};
    job.replaced[0] = query_path(path, "SELECT id FROM chunks") + 1;
    assert_int_equal(merge_job_apply(&job, &db), ERR_CONFLICT);
    job.replaced[0]--;
    assert_int_equal(merge_job_apply(&job, &db), 0);
    job.replaced[0]++; // the new one
    assert_int_equal(merge_job_apply(&job, &db), 0);
    db_close(&db);
    fixture_reopen(fixture);
    assert_int_equal(fixture_read(fixture, row, 0, 1 << 20, check_record, NULL), next);
}

static int open_giving_up(const char *folder, _Atomic int64_t *now_ms, struct store **ret)
{
    CLEANUP(buf_release) struct buf error = {0};
    const struct sqlite_tuning tuning = {
        .now_ms = test_clock, .now_arg = now_ms, .hot_pieces = 2, .merge_after_ms = 1, .merge_tries = 1};
    return open_tuned(folder, tuning, &error, ret);
}

// The chain of pages of a large value leads nowhere.
static void break_last_value(const struct fixture *fixture)
{
    CLEANUP(free_ptr) char *path = xasprintf("%s/runnel.db", fixture->folder);
    CLEANUP(close_fd) int fd = open(path, O_RDWR | O_CLOEXEC);
    struct stat info;
    assert_int_equal(fstat(fd, &info), 0);
    assert_int_equal(pwrite(fd, "\xff\xff\xff\xff", 4, info.st_size - 3 * 4096), 4);
}

static void what_sqlite_cannot_read_stops_merging_and_nothing_else(void **state)
{
    struct fixture *fixture = *state;
    int64_t account = fixture_account(fixture, "a"), rows[2];
    uint64_t next[2] = {0};
    rows[0] = fixture_create(fixture, account, "damaged", STATUS_RUNNING);
    rows[1] = fixture_create(fixture, account, "whole", STATUS_RUNNING);
    append_next(fixture, rows[0], &next[0], 400, 100);
    store_free(&fixture->store);
    break_last_value(fixture);
    assert_int_equal(open_giving_up(fixture->folder, &fixture->now_ms, &fixture->store), 0);
    // More than would wait for the merger if it still tried.
    for (int i = 0; i < 50; i++)
        append_next(fixture, rows[1], &next[1], 10, 100);
    assert_int_equal(fixture_read(fixture, rows[1], 0, 1 << 20, check_record, NULL), next[1]);
    struct store_read read = {.op.kind = STORE_READ, .row = rows[0], .max_bytes = 1 << 20};
    assert_true(fixture_run(fixture, &read.op) < 0);
    store_op_release(&read.op);
}

static void a_store_of_the_preview_is_refused_and_left_alone(void **state)
{
    struct fixture *fixture = *state;
    store_free(&fixture->store);
    execute_file(fixture, "PRAGMA application_id = 0x526e6c31");
    CLEANUP(buf_release) struct buf error = {0};
    assert_int_equal(open_tuned(fixture->folder, (struct sqlite_tuning){0}, &error, &fixture->store), ERR_CONFLICT);
    assert_non_null(strstr(buf_cstr(&error), "preview"));
    assert_int_equal(query_file(fixture, "PRAGMA application_id"), 0x526e6c31);
}

#define PLAIN(name)   cmocka_unit_test_setup_teardown(name, set_up_plain, tear_down)
#define MERGING(name) cmocka_unit_test_setup_teardown(name, set_up_merging, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        MERGING(random_appends_with_merges_give_exactly_the_sequences),
        MERGING(small_chunks_become_few_large_ones),
        MERGING(merged_chunks_carry_what_searches_need),
        MERGING(readers_see_a_whole_sequence_during_merges),
        MERGING(purged_chunks_leave_the_file),
        MERGING(room_is_given_back_after_a_purge),
        MERGING(what_was_acknowledged_survives_kill),
        PLAIN(a_failed_fsync_ends_the_process_before_any_answer),
        PLAIN(the_reserve_covers_the_wal_and_both_are_small_without_load),
        MERGING(a_full_store_refuses_records_but_can_be_purged),
        MERGING(a_store_that_was_at_rest_on_a_full_disk_can_be_purged),
        PLAIN(a_process_without_files_to_open_is_not_a_full_disk),
        PLAIN(a_newer_schema_is_refused_and_left_alone),
        PLAIN(a_store_of_the_preview_is_refused_and_left_alone),
        PLAIN(a_damaged_pack_costs_its_records_alone_and_is_kept),
        PLAIN(a_merge_leaves_a_hole_where_records_cannot_be_read),
        PLAIN(a_merge_of_chunks_that_are_not_there_is_given_up),
        PLAIN(what_was_rolled_back_is_not_shown),
        PLAIN(what_was_counted_in_a_failed_commit_does_not_count),
        PLAIN(what_sqlite_cannot_read_stops_merging_and_nothing_else),
        PLAIN(a_store_is_opened_once),
    };
    cmocka_set_test_filter(getenv("TEST_FILTER")); // for tests/mutants
    return cmocka_run_group_tests(tests, NULL, NULL);
}
