// Whose a WAL is: each case of the table in docs/internals/store.md; and that the scan of a WAL agrees with SQLite.
#include "store/sqlite/file/wal_check.h"
#include "util/testing.h"

#include <fcntl.h>
#include <ftw.h>
#include <sqlite3.h>
#include <unistd.h>

#define OURS   "01m8gd76gkjerbed3st2fcrktx"
#define OTHERS "01m8gd79c845e4e2tetdgzzzt9"

static const struct wal_salts salts = {{1, 2}}, former = {{3, 4}}, strange = {{5, 6}};

// A store that was killed with 9,000 bytes of WAL, which follow on generation 6.
static struct wal_facts killed(void)
{
    return (struct wal_facts){
        .database = true,
        .known = true,
        .incarnation = OURS,
        .generation = 6,
        .wal_bytes = 12000,
        .wal_header = true,
        .salts = salts,
        .wal_committed = 9000,
        .marked = true,
        .claim = {.incarnation = OURS, .base = 6, .last = 7, .salts = salts, .former = former, .committed = 9000},
    };
}

static void expect(const struct wal_facts *facts, enum wal_verdict verdict, uint64_t lost)
{
    struct wal_judgement judgement = wal_judge(facts);
    assert_int_equal(judgement.verdict, verdict);
    assert_int_equal(judgement.lost, lost);
}

static void the_marked_log_beside_its_database_is_its_own(void **state)
{
    (void)state;
    struct wal_facts facts = killed();
    expect(&facts, WAL_OWN, 0);
    facts.generation = 7; // a checkpoint was interrupted
    expect(&facts, WAL_OWN, 0);
    facts.known = false;
    facts.generation = 0;
    expect(&facts, WAL_OWN, 0);
    facts = killed();
    facts.claim.committed = 100; // the power failed, and the mark is behind
    expect(&facts, WAL_OWN, 0);
    facts.salts = former; // the header of the new one did not reach the disk
    facts.claim.committed = 0;
    expect(&facts, WAL_OWN, 0);
}

static void a_log_of_another_database_or_time_is_set_aside(void **state)
{
    (void)state;
    struct wal_facts facts = killed();
    facts.rollback_mode = true;
    expect(&facts, WAL_OTHERS, 0);
    facts.marked = false;
    expect(&facts, WAL_OTHERS, 0);
    facts = killed();
    facts.database = facts.known = false;
    expect(&facts, WAL_OTHERS, 0);
    facts = killed();
    facts.generation = 5; // the file as it was a checkpoint before
    expect(&facts, WAL_OTHERS, 0);
    facts.generation = 8;
    expect(&facts, WAL_OTHERS, 0);
    facts = killed();
    snprintf(facts.incarnation, sizeof(facts.incarnation), OTHERS);
    expect(&facts, WAL_OTHERS, 0);
}

static void a_log_without_a_mark_is_adopted_and_one_that_no_mark_names_is_not(void **state)
{
    (void)state;
    struct wal_facts facts = killed();
    facts.marked = false;
    facts.claim = (struct wal_claim){0};
    expect(&facts, WAL_ADOPTED, 0);
    facts = killed();
    facts.salts = strange;
    expect(&facts, WAL_UNKNOWN, 0);
}

static void what_is_less_than_was_committed_is_lost(void **state)
{
    (void)state;
    struct wal_facts facts = killed();
    facts.wal_committed = 5000;
    expect(&facts, WAL_OWN, 4000);
    facts.salts = former; // nothing of the new one
    expect(&facts, WAL_OWN, 9000);
    facts = killed();
    facts.wal_header = false;
    expect(&facts, WAL_OTHERS, 9000);
    facts.wal_bytes = 0;
    expect(&facts, WAL_NONE, 9000);
    facts.known = false;
    expect(&facts, WAL_NONE, 9000);
    facts = killed();
    facts.claim.lost = 77; // an earlier start found it and did not come to the end
    expect(&facts, WAL_OWN, 77);
}

static void a_log_that_is_gone_once_all_is_moved_is_no_loss(void **state)
{
    (void)state;
    struct wal_facts facts = killed();
    facts.wal_header = false;
    facts.wal_bytes = 0;
    facts.generation = 7; // another program has moved it
    expect(&facts, WAL_NONE, 0);
    facts.generation = 6;
    facts.claim.committed = 0; // we have
    expect(&facts, WAL_NONE, 0);
    facts.wal_bytes = 500; // the rest of a header that was not synced
    expect(&facts, WAL_NONE, 0);
    facts = killed();
    facts.wal_bytes = 0;
    facts.rollback_mode = true; // a backup was put in place, and the log removed
    expect(&facts, WAL_NONE, 0);
    facts = killed();
    facts.wal_bytes = 0;
    facts.marked = false;
    facts.claim = (struct wal_claim){0};
    expect(&facts, WAL_NONE, 0);
}

// --- The scan

struct wal_files {
    char folder[32];
    char *path, *copy;
    sqlite3 *handle;
};

static int remove_one(const char *path, const struct stat *status, int kind, struct FTW *at)
{
    (void)status;
    (void)kind;
    (void)at;
    return remove(path);
}

static void execute(sqlite3 *handle, const char *sql)
{
    assert_int_equal(sqlite3_exec(handle, sql, NULL, NULL, NULL), SQLITE_OK);
}

static void copy_file(const char *from, const char *to, size_t max)
{
    CLEANUP(close_fd) int in = open(from, O_RDONLY | O_CLOEXEC);
    CLEANUP(close_fd) int out = open(to, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    char block[4096];
    ssize_t got;
    while (max > 0 && (got = read(in, block, MIN(max, sizeof(block)))) > 0) {
        assert_int_equal(write(out, block, (size_t)got), got);
        max -= (size_t)got;
    }
}

static int64_t rows_of(const char *path)
{
    sqlite3 *handle = NULL;
    sqlite3_stmt *count = NULL;
    assert_int_equal(sqlite3_open(path, &handle), SQLITE_OK);
    assert_int_equal(sqlite3_prepare_v2(handle, "SELECT count(*) FROM t", -1, &count, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_step(count), SQLITE_ROW);
    int64_t rows = sqlite3_column_int64(count, 0);
    sqlite3_finalize(count);
    sqlite3_close(handle);
    return rows;
}

static void files_make(struct wal_files *files)
{
    snprintf(files->folder, sizeof(files->folder), "/tmp/runnel-wal-XXXXXX");
    assert_non_null(mkdtemp(files->folder));
    files->path = xasprintf("%s/a%%20?.db", files->folder); // a name that a URI would not take as it is
    files->copy = xasprintf("%s/b.db", files->folder);
    assert_int_equal(sqlite3_open(files->path, &files->handle), SQLITE_OK);
    execute(files->handle, "PRAGMA journal_mode = WAL; PRAGMA wal_autocheckpoint = 0;"
                           "CREATE TABLE t(x); CREATE TABLE meta(name TEXT PRIMARY KEY, value);"
                           "INSERT INTO meta VALUES('incarnation', '" OURS "'), ('wal_generation', 4);"
                           "PRAGMA wal_checkpoint(TRUNCATE);"
                           "UPDATE meta SET value = 5 WHERE name = 'wal_generation'");
}

static void files_free(struct wal_files *files)
{
    sqlite3_close(files->handle);
    nftw(files->folder, remove_one, 8, FTW_DEPTH | FTW_PHYS);
    free(files->path);
    free(files->copy);
}

// A WAL cut at each of its frames, and within: as many commits are found as SQLite finds.
static void the_scan_finds_the_commits_that_sqlite_finds(void **state)
{
    (void)state;
    struct wal_files files;
    struct wal_facts facts;
    uint64_t ends[8];
    files_make(&files);
    CLEANUP(free_ptr) char *wal = xasprintf("%s-wal", files.path), *wal_copy = xasprintf("%s-wal", files.copy);
    for (int i = 0; i < 8; i++) {
        execute(files.handle, "INSERT INTO t VALUES(hex(randomblob(6000)))"); // several frames
        assert_int_equal(wal_facts_read(files.path, &facts), 0);
        assert_true(facts.known && facts.wal_header);
        assert_int_equal(facts.wal_committed, facts.wal_bytes);
        ends[i] = facts.wal_committed;
    }
    assert_string_equal(facts.incarnation, OURS);
    assert_int_equal(facts.generation, 4); // without the WAL
    for (uint64_t cut = 0; cut <= facts.wal_bytes; cut += 2060) {
        copy_file(files.path, files.copy, SIZE_MAX);
        copy_file(wal, wal_copy, cut);
        struct wal_facts found;
        assert_int_equal(wal_facts_read(files.copy, &found), 0);
        int64_t commits = 0;
        while (commits < 8 && ends[commits] <= found.wal_committed)
            commits++;
        assert_int_equal(rows_of(files.copy), commits);
    }
    files_free(&files);
}

static void a_flipped_bit_ends_the_scan_before_its_frame(void **state)
{
    (void)state;
    struct wal_files files;
    struct wal_facts facts;
    files_make(&files);
    CLEANUP(free_ptr) char *wal = xasprintf("%s-wal", files.path);
    execute(files.handle, "INSERT INTO t VALUES(1)");
    assert_int_equal(wal_facts_read(files.path, &facts), 0);
    uint64_t good = facts.wal_committed;
    execute(files.handle, "INSERT INTO t VALUES(2)");
    CLEANUP(close_fd) int fd = open(wal, O_RDWR | O_CLOEXEC);
    char byte;
    assert_int_equal(pread(fd, &byte, 1, (off_t)good + 2000), 1);
    byte ^= 4;
    assert_int_equal(pwrite(fd, &byte, 1, (off_t)good + 2000), 1);
    assert_int_equal(wal_facts_read(files.path, &facts), 0);
    assert_int_equal(facts.wal_committed, good);
    files_free(&files);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_marked_log_beside_its_database_is_its_own),
        cmocka_unit_test(a_log_of_another_database_or_time_is_set_aside),
        cmocka_unit_test(a_log_without_a_mark_is_adopted_and_one_that_no_mark_names_is_not),
        cmocka_unit_test(what_is_less_than_was_committed_is_lost),
        cmocka_unit_test(a_log_that_is_gone_once_all_is_moved_is_no_loss),
        cmocka_unit_test(the_scan_finds_the_commits_that_sqlite_finds),
        cmocka_unit_test(a_flipped_bit_ends_the_scan_before_its_frame),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
