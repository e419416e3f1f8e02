// A PostgreSQL that stands still while something is sent to it, on a socket of its own machine, whose kernel finds
// nothing wrong with that.
#include "store/postgres/copy_rows.h"
#include "store/postgres/postgres_fixture.h"
#include "store/sql/postgres.h"
#include "util/error.h"

#include <signal.h>

#define ROW_BYTES 65536
#define ROWS      320 // more than goes to the server as one message, which it takes whole

// The process that writes the first row, which is empty, stops.
static const char table[] =
    "CREATE TABLE taken(body BYTEA NOT NULL);"
    "CREATE FUNCTION stop() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
    "COPY (SELECT 1) TO PROGRAM 'kill -STOP $PPID'; RETURN NEW; END $$;"
    "CREATE TRIGGER stops BEFORE INSERT ON taken FOR EACH ROW WHEN (NEW.body = '') EXECUTE FUNCTION stop()";

// Where the server waits for connections.
static char *socket_of(struct sql *sql)
{
    CLEANUP(sql_statement_free)
    struct sql_statement *find = sql_prepare(
        sql, "SELECT current_setting('unix_socket_directories') || '/.s.PGSQL.' || current_setting('port')");
    assert_int_equal(sql_row(find), 1);
    return sql_dup(find, 0);
}

static void add_rows(struct buf *out)
{
    CLEANUP(free_ptr) char *body = xcalloc(1, ROW_BYTES);
    for (int i = 0; i < ROWS; i++) {
        copy_row(out, 1);
        copy_bytes(out, str_n(body, i == 0 ? 0 : ROW_BYTES));
    }
}

static void who_takes_no_more_rows_is_given_up(void **state)
{
    (void)state;
    CLEANUP(sql_fixture_close) struct sql *sql = postgres_fixture_connect("still");
    CLEANUP(buf_release) struct buf rows = {0};
    CLEANUP(free_ptr) char *path = socket_of(sql);
    CLEANUP(free_ptr) char *hidden = xasprintf("%s.hidden", path);
    pid_t server = (pid_t)fixture_number(sql, "SELECT pg_backend_pid()");
    assert_int_equal(sql_exec(sql, table), 0);
    add_rows(&rows);
    assert_int_equal(rename(path, hidden), 0); // nobody answers there any more, as if all of it stood still
    int err = sql_postgres_copy(sql, "COPY taken FROM STDIN (FORMAT binary)", buf_str(&rows));
    assert_int_equal(rename(hidden, path), 0);
    kill(server, SIGCONT);
    assert_int_equal(err, ERR_UNAVAILABLE);
    assert_int_equal(sql_postgres_connection(sql), 0);
    assert_int_equal(sql_begin(sql, SQL_WRITE), 0); // on a new one
    sql_rollback(sql);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_takes_no_more_rows_is_given_up),
    };
    return POSTGRES_FIXTURE_RUN(tests);
}
