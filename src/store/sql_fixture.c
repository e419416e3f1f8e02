#include "store/sql_fixture.h"

#include "store/catalogue/statements.h"
#include "store/schema/schema.h"
#include "store/sql/postgres.h"
#include "store/sqlite/db.h"
#include "util/error.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <glob.h>
#include <grp.h>
#include <poll.h>
#include <pwd.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/statvfs.h>
#include <sys/wait.h>
#include <unistd.h>

#define START_DEADLINE_MS 120000
#define NEEDED_BYTES      (1ULL << 30)

struct sql_fixture {
    enum sql_engine engine;
    char folder[64];
    char *programs; // folder of PostgreSQL's
    pid_t server;
    int log; // the server's, read until it is ready
};

// --- Processes

// The server refuses to run as root.
static void become_postgres(void)
{
    const struct passwd *user = geteuid() == 0 ? getpwnam("postgres") : NULL;
    if (user && (initgroups(user->pw_name, user->pw_gid) < 0 || setgid(user->pw_gid) < 0 || setuid(user->pw_uid) < 0))
        _exit(126);
    prctl(PR_SET_PDEATHSIG, SIGQUIT);
}

// Its standard output and error go to `output`.
static pid_t start(const char *const *arguments, int output)
{
    pid_t child = fork();
    assert_true(child >= 0);
    if (child > 0)
        return child;
    become_postgres();
    if (chdir("/") < 0 || dup2(output, STDOUT_FILENO) < 0 || dup2(output, STDERR_FILENO) < 0)
        _exit(126);
    execv(arguments[0], (char *const *)arguments);
    _exit(127);
}

static void await_success(pid_t child)
{
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

static void await_ready(struct sql_fixture *fixture)
{
    CLEANUP(buf_release) struct buf said = {0};
    while (!strstr(buf_cstr(&said), "ready to accept connections")) {
        char part[1024];
        assert_int_equal(poll(&(struct pollfd){.fd = fixture->log, .events = POLLIN}, 1, START_DEADLINE_MS), 1);
        ssize_t len = read(fixture->log, part, sizeof(part));
        if (len <= 0)
            fail_msg("PostgreSQL does not start: %s", buf_cstr(&said));
        buf_append(&said, part, (size_t)len);
    }
}

// --- PostgreSQL

// The newest that is installed where Debian puts them.
static char *find_programs(void)
{
    glob_t found;
    char *folder = NULL;
    if (glob("/usr/lib/postgresql/*/bin", 0, NULL, &found) == 0)
        folder = xstrdup(found.gl_pathv[found.gl_pathc - 1]);
    globfree(&found);
    return folder;
}

static void postgres_init(const struct sql_fixture *fixture, const char *data)
{
    CLEANUP(free_ptr) char *program = xasprintf("%s/initdb", fixture->programs);
    int nowhere = open("/dev/null", O_WRONLY | O_CLOEXEC);
    // Its order of text is not by bytes: who needs that must say so.
    const char *const arguments[] = {program,
                                     "-D",
                                     data,
                                     "-A",
                                     "trust",
                                     "-U",
                                     "postgres",
                                     "-E",
                                     "UTF8",
                                     "--no-sync",
                                     "--locale=C.UTF-8",
                                     "--locale-provider=icu",
                                     "--icu-locale=en",
                                     NULL};
    await_success(start(arguments, nowhere));
    close(nowhere);
}

static void postgres_start(struct sql_fixture *fixture, const char *data)
{
    CLEANUP(free_ptr) char *program = xasprintf("%s/postgres", fixture->programs);
    int ends[2];
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    const char *const arguments[] = {program,
                                     "-D",
                                     data,
                                     "-k",
                                     fixture->folder,
                                     "-c",
                                     "listen_addresses=",
                                     "-c",
                                     "fsync=off",
                                     "-c",
                                     "log_min_messages=log",
                                     "-c",
                                     "log_checkpoints=off",
                                     "-c",
                                     "deadlock_timeout=50ms",
                                     "-c",
                                     "dynamic_shared_memory_type=mmap", // in its folder, which goes with it
                                     "-c",
                                     "shared_buffers=32MB",
                                     NULL};
    fixture->server = start(arguments, ends[1]);
    close(ends[1]);
    fixture->log = ends[0];
    await_ready(fixture);
}

static void postgres_stop(struct sql_fixture *fixture)
{
    kill(fixture->server, SIGQUIT);
    waitpid(fixture->server, NULL, 0);
    close(fixture->log);
}

// --- The fixture

// In memory, where there is room: a database is some 300 files, and to make and remove them for each test takes a
// disk's file system longer than all else.
static const char *roomy_folder(void)
{
    struct statvfs memory;
    bool roomy = statvfs("/dev/shm", &memory) == 0 && (uint64_t)memory.f_bavail * memory.f_frsize >= NEEDED_BYTES;
    return roomy ? "/dev/shm" : "/tmp";
}

static int remove_one(const char *path, const struct stat *status, int kind, struct FTW *at)
{
    (void)status;
    (void)kind;
    (void)at;
    return remove(path);
}

#define FOLDER_NAME "runnel-sql-"

// What programs have left that were killed: their server has ended with them. The names have their numbers.
static void remove_left(const char *folder)
{
    CLEANUP(free_ptr) char *pattern = xasprintf("%s/" FOLDER_NAME "[0-9]*-*", folder);
    glob_t found = {0};
    if (glob(pattern, GLOB_NOSORT, NULL, &found) == 0)
        for (size_t i = 0; i < found.gl_pathc; i++) {
            const char *number = strstr(found.gl_pathv[i], FOLDER_NAME) + strlen(FOLDER_NAME);
            pid_t owner = (pid_t)strtol(number, NULL, 10);
            if (owner > 0 && kill(owner, 0) < 0 && errno == ESRCH)
                nftw(found.gl_pathv[i], remove_one, 8, FTW_DEPTH | FTW_PHYS);
        }
    globfree(&found);
}

struct sql_fixture *sql_fixture_new(enum sql_engine engine, const char **ret_reason)
{
    struct sql_fixture *fixture = xcalloc(1, sizeof(*fixture));
    fixture->engine = engine;
    fixture->programs = engine == SQL_POSTGRES ? find_programs() : NULL;
    if (engine == SQL_POSTGRES && !fixture->programs) {
        *ret_reason = "PostgreSQL is not installed here (apt install postgresql)";
        free(fixture);
        return NULL;
    }
    remove_left(roomy_folder());
    snprintf(fixture->folder, sizeof(fixture->folder), "%s/" FOLDER_NAME "%d-XXXXXX", roomy_folder(), (int)getpid());
    assert_non_null(mkdtemp(fixture->folder));
    if (engine != SQL_POSTGRES)
        return fixture;
    const struct passwd *user = geteuid() == 0 ? getpwnam("postgres") : NULL;
    if (user)
        assert_int_equal(chown(fixture->folder, user->pw_uid, user->pw_gid), 0);
    CLEANUP(free_ptr) char *data = xasprintf("%s/data", fixture->folder);
    postgres_init(fixture, data);
    postgres_start(fixture, data);
    return fixture;
}

void sql_fixture_restart(struct sql_fixture *fixture)
{
    CLEANUP(free_ptr) char *data = xasprintf("%s/data", fixture->folder);
    postgres_stop(fixture);
    postgres_start(fixture, data);
}

void sql_fixture_free(struct sql_fixture **fixture)
{
    struct sql_fixture *gone = TAKE_PTR(*fixture);
    if (!gone)
        return;
    if (gone->server > 0)
        postgres_stop(gone);
    nftw(gone->folder, remove_one, 8, FTW_DEPTH | FTW_PHYS);
    free(gone->programs);
    free(gone);
}

struct sql *sql_fixture_connect_to(const char *conninfo)
{
    CLEANUP(buf_release) struct buf reason = {0};
    struct sql *sql = NULL;
    if (sql_postgres_open(conninfo, catalogue_texts, &sql, &reason) < 0)
        fail_msg("cannot connect: %s", buf_cstr(&reason));
    return sql;
}

static struct sql *connect_postgres(const struct sql_fixture *fixture)
{
    CLEANUP(free_ptr) char *where = xasprintf("host=%s user=postgres dbname=postgres", fixture->folder);
    return sql_fixture_connect_to(where);
}

static struct sql *connect_sqlite(const struct sql_fixture *fixture)
{
    CLEANUP(free_ptr) char *path = xasprintf("%s/runnel.db", fixture->folder);
    sqlite3 *handle = NULL;
    assert_int_equal(sqlite3_open(path, &handle), SQLITE_OK);
    sqlite3_extended_result_codes(handle, 1);
    sqlite3_busy_timeout(handle, DB_BUSY_MS);
    assert_int_equal(sqlite3_exec(handle, "PRAGMA journal_mode = WAL; PRAGMA synchronous = OFF", NULL, NULL, NULL),
                     SQLITE_OK);
    return sql_sqlite_new(handle, catalogue_texts);
}

struct sql *sql_fixture_connect(struct sql_fixture *fixture)
{
    return fixture->engine == SQL_POSTGRES ? connect_postgres(fixture) : connect_sqlite(fixture);
}

void sql_fixture_close(struct sql **sql)
{
    sqlite3 *handle = *sql && sql_engine(*sql) == SQL_SQLITE ? sql_sqlite_handle(*sql) : NULL;
    sql_free(sql);
    if (handle)
        assert_int_equal(sqlite3_close(handle), SQLITE_OK);
}

void sql_fixture_empty(struct sql_fixture *fixture)
{
    static const char *const files[] = {"runnel.db", "runnel.db-wal", "runnel.db-shm"};
    for (size_t i = 0; i < ARRAY_LEN(files) && fixture->engine == SQL_SQLITE; i++) {
        CLEANUP(free_ptr) char *path = xasprintf("%s/%s", fixture->folder, files[i]);
        unlink(path);
    }
    CLEANUP(sql_fixture_close) struct sql *sql = sql_fixture_connect(fixture);
    if (fixture->engine == SQL_POSTGRES)
        assert_int_equal(
            sql_exec(sql, "DROP SCHEMA public CASCADE; CREATE SCHEMA public; DROP SCHEMA IF EXISTS runnel_sql CASCADE"),
            0);
    int version = -1;
    assert_int_equal(schema_version(sql, &version), 0);
    assert_int_equal(version, 0);
}

void sql_fixture_reset(struct sql_fixture *fixture)
{
    sql_fixture_empty(fixture);
    CLEANUP(sql_fixture_close) struct sql *sql = sql_fixture_connect(fixture);
    CLEANUP(buf_release) struct buf reason = {0};
    int version = -1;
    assert_int_equal(schema_migrate(sql, schema_newest(), &reason), 0);
    assert_int_equal(schema_version(sql, &version), 0);
    assert_int_equal(version, schema_newest());
}

static bool database_exists(struct sql *sql, const char *name)
{
    CLEANUP(free_ptr) char *text = xasprintf("SELECT count(*) FROM pg_database WHERE datname = '%s'", name);
    struct sql_statement *count = sql_prepare(sql, text);
    int64_t found = 0;
    assert_int_equal(sql_number(count, &found), 0);
    sql_statement_free(&count);
    return found > 0;
}

static void database_make(struct sql *sql, const char *name, const char *template)
{
    CLEANUP(free_ptr) char *text = xasprintf("CREATE DATABASE %s TEMPLATE %s", name, template);
    assert_int_equal(sql_exec(sql, text), 0);
}

char *sql_fixture_database(struct sql_fixture *fixture, const char *name)
{
    CLEANUP(sql_fixture_close) struct sql *sql = sql_fixture_connect(fixture);
    if (!database_exists(sql, "migrated")) { // migrating takes longer than copying
        CLEANUP(buf_release) struct buf reason = {0};
        CLEANUP(free_ptr) char *where = xasprintf("host=%s user=postgres dbname=migrated", fixture->folder);
        database_make(sql, "migrated", "template1");
        CLEANUP(sql_fixture_close) struct sql *migrated = sql_fixture_connect_to(where);
        assert_int_equal(schema_migrate(migrated, schema_newest(), &reason), 0);
    }
    if (!database_exists(sql, name))
        database_make(sql, name, "migrated");
    return xasprintf("host=%s user=postgres dbname=%s", fixture->folder, name);
}

int sql_fixture_connect_nowhere(struct sql **ret, struct buf *ret_reason)
{
    return sql_postgres_open("host=/nonexistent dbname=postgres", catalogue_texts, ret, ret_reason);
}

// --- Each engine

static const char *missing;

static void an_engine_that_is_not_here(void **state)
{
    (void)state;
    print_message("skipped: %s\n", missing);
    skip();
}

int sql_fixture_each(struct sql_fixture **ret_under_test, const struct CMUnitTest *tests, size_t count)
{
    static const char *const names[SQL_ENGINES] = {[SQL_SQLITE] = "sqlite", [SQL_POSTGRES] = "postgres"};
    static const struct CMUnitTest none[] = {cmocka_unit_test(an_engine_that_is_not_here)};
    int failed = 0;
    for (enum sql_engine engine = 0; engine < SQL_ENGINES; engine++) {
        *ret_under_test = sql_fixture_new(engine, &missing);
        failed += *ret_under_test ? _cmocka_run_group_tests(names[engine], tests, count, NULL, NULL)
                                  : _cmocka_run_group_tests(names[engine], none, ARRAY_LEN(none), NULL, NULL);
        sql_fixture_free(ret_under_test);
    }
    return failed;
}
