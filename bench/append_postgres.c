// bench-append-postgres chunks|rows CONNINFO LOGS IN_FLIGHT LINES_PER_CHUNK SECONDS THREADS
// The reference for the store on PostgreSQL: ready chunks, appended by libpq alone, with nothing else to do. Each
// transaction of each thread copies its share of the chunks in flight into a table as the store's, and moves the heads
// of their logs on, if they stand where they should. `rows`: the same lines, a row each. Prints figures as one JSON
// object.
#include "bench_chunk.h"
#include "store/postgres/copy_rows.h"
#include "util/clock.h"
#include "util/error.h"

#include <libpq-fe.h>
#include <pthread.h>
#include <stdlib.h>

#define VARIANTS 8
#define CHUNKS   "COPY bare_chunks FROM STDIN (FORMAT binary)"
#define ROWS     "COPY bare_lines FROM STDIN (FORMAT binary)"
#define MOVE                                                                                                        \
    "UPDATE bare_logs SET next = x.next, digest = x.next FROM unnest($1::bigint[], $2::bigint[], $3::bigint[]) AS " \
    "x(id, was, next) WHERE bare_logs.id = x.id AND bare_logs.next = x.was"

static struct chunk *chunks[VARIANTS];
static uint64_t until_ns;
static bool row_per_line;

struct writer {
    pthread_t thread;
    const char *conninfo;
    uint64_t first_log, logs, at, a_group;
    uint64_t *next; // of each log
    uint64_t lines, commits;
};

static NORETURN void fail(const char *what, const char *why)
{
    fprintf(stderr, "%s: %s\n", what, why);
    exit(1);
}

static void done(PGconn *db, PGresult *result, ExecStatusType expected)
{
    if (PQresultStatus(result) != expected)
        fail("append", PQerrorMessage(db));
    PQclear(result);
}

static void run(PGconn *db, const char *sql)
{
    done(db, PQexec(db, sql), PGRES_COMMAND_OK);
}

static void copy(PGconn *db, const struct buf *rows)
{
    done(db, PQexec(db, row_per_line ? ROWS : CHUNKS), PGRES_COPY_IN);
    if (PQputCopyData(db, rows->data, (int)rows->len) != 1 || PQputCopyEnd(db, NULL) != 1)
        fail("copy", PQerrorMessage(db));
    done(db, PQgetResult(db), PGRES_COMMAND_OK);
    PQclear(PQgetResult(db));
}

static void list(struct buf *array, uint64_t value)
{
    buf_append_byte(array, array->len == 0 ? '{' : ',');
    buf_append_i64(array, (int64_t)value);
}

static void add_lines(struct buf *rows, uint64_t log, uint64_t first, const struct chunk *chunk)
{
    for (uint32_t i = 0; i < chunk_count(chunk); i++) {
        struct record record;
        chunk_record(chunk, i, &record);
        copy_row(rows, 5);
        copy_int8(rows, log);
        copy_int8(rows, first + i);
        copy_int8(rows, (uint64_t)record.time_ms);
        copy_bytes(rows, STR("stdout"));
        copy_bytes(rows, record.message);
    }
}

static void add_chunk(struct buf *rows, uint64_t log, uint64_t first, const struct chunk *chunk)
{
    copy_row(rows, 8);
    copy_int8(rows, log);
    copy_int8(rows, first);
    copy_int4(rows, chunk_count(chunk));
    copy_int8(rows, (uint64_t)chunk_time_min(chunk));
    copy_int8(rows, (uint64_t)chunk_time_max(chunk));
    copy_int8(rows, chunk_raw(chunk));
    copy_bytes(rows, STR("\0"));
    copy_bytes(rows, chunk_encoded(chunk));
}

static uint64_t after(const struct writer *writer, uint64_t log)
{
    return log + 1 < writer->logs ? log + 1 : 0;
}

// A group: so many chunks, each for the next log in turn; of a log that comes again its head moves once.
static void append_group(struct writer *writer, PGconn *db, struct buf *rows, struct buf arrays[3])
{
    static const char signature[] = "PGCOPY\n\377\r\n\0\0\0\0\0\0\0\0\0";
    uint64_t heads = MIN(writer->a_group, writer->logs), at = writer->at;
    buf_reset(rows);
    buf_append(rows, signature, 19);
    for (int i = 0; i < 3; i++)
        buf_reset(&arrays[i]);
    for (uint64_t i = 0; i < heads; i++, at = after(writer, at)) {
        list(&arrays[0], writer->first_log + at);
        list(&arrays[1], writer->next[at]);
    }
    uint64_t from = writer->at;
    for (uint64_t i = 0; i < writer->a_group; i++, writer->at = after(writer, writer->at)) {
        const struct chunk *chunk = chunks[writer->at % VARIANTS];
        (row_per_line ? add_lines : add_chunk)(rows, writer->first_log + writer->at, writer->next[writer->at], chunk);
        writer->next[writer->at] += chunk_count(chunk);
        writer->lines += chunk_count(chunk);
    }
    buf_append(rows, "\377\377", 2);
    for (uint64_t i = 0; i < heads; i++, from = after(writer, from))
        list(&arrays[2], writer->next[from]);
    const char *values[3];
    for (int i = 0; i < 3; i++) {
        buf_append_byte(&arrays[i], '}');
        values[i] = buf_cstr(&arrays[i]);
    }
    run(db, "BEGIN");
    copy(db, rows);
    PGresult *moved = PQexecPrepared(db, "move", 3, values, NULL, NULL, 0);
    if (strtoull(PQcmdTuples(moved), NULL, 10) != heads)
        fail("move", "a head does not stand where it should");
    done(db, moved, PGRES_COMMAND_OK);
    run(db, "COMMIT");
    writer->commits++;
}

static void *write_all(void *arg)
{
    struct writer *writer = arg;
    struct buf rows = {0}, arrays[3] = {{0}};
    PGconn *db = PQconnectdb(writer->conninfo);
    if (PQstatus(db) != CONNECTION_OK)
        fail("connect", PQerrorMessage(db));
    done(db, PQprepare(db, "move", MOVE, 3, NULL), PGRES_COMMAND_OK);
    while (clock_mono_ns() < until_ns)
        append_group(writer, db, &rows, arrays);
    PQfinish(db);
    buf_release(&rows);
    for (int i = 0; i < 3; i++)
        buf_release(&arrays[i]);
    return NULL;
}

static void make_tables(const char *conninfo, uint64_t logs)
{
    CLEANUP(free_ptr)
    char *fill = xasprintf("INSERT INTO bare_logs SELECT i, 0, 0, repeat('x', 200) FROM generate_series(0, %llu) AS i",
                           (unsigned long long)logs - 1);
    PGconn *db = PQconnectdb(conninfo);
    if (PQstatus(db) != CONNECTION_OK)
        fail("connect", PQerrorMessage(db));
    run(db, "DROP TABLE IF EXISTS bare_chunks, bare_lines, bare_logs");
    run(db, "CREATE TABLE bare_lines(execution BIGINT NOT NULL, sequence BIGINT NOT NULL, time_ms BIGINT NOT NULL, "
            "stream TEXT NOT NULL, message TEXT NOT NULL, PRIMARY KEY(execution, sequence))");
    run(db, "CREATE TABLE bare_chunks(execution BIGINT NOT NULL, first BIGINT NOT NULL, count INTEGER NOT NULL, "
            "time_min BIGINT NOT NULL, time_max BIGINT NOT NULL, raw BIGINT NOT NULL, merged BOOLEAN NOT NULL, "
            "body BYTEA NOT NULL, PRIMARY KEY(execution, first))");
    run(db, "ALTER TABLE bare_chunks ALTER COLUMN body SET STORAGE EXTERNAL");
    run(db, "CREATE TABLE bare_logs(id BIGINT PRIMARY KEY, next BIGINT NOT NULL, digest BIGINT NOT NULL, "
            "others TEXT NOT NULL) WITH (fillfactor = 70)");
    run(db, fill);
    run(db, "CHECKPOINT");
    PQfinish(db);
}

static uint64_t argument(char **argv, int index)
{
    uint64_t value = 0;
    if (!str_to_u64(str_of(argv[index]), &value) || value == 0)
        fail(argv[index], "is no number above 0");
    return value;
}

int main(int argc, char **argv)
{
    if (argc != 8) {
        fprintf(stderr, "bench-append-postgres chunks|rows CONNINFO LOGS IN_FLIGHT LINES_PER_CHUNK SECONDS THREADS\n");
        return 2;
    }
    row_per_line = strcmp(argv[1], "rows") == 0;
    uint64_t logs = argument(argv, 3), in_flight = argument(argv, 4), seconds = argument(argv, 6);
    uint64_t threads = MIN(argument(argv, 7), MIN(logs, in_flight)), lines = 0, commits = 0;
    struct writer *writers = xcalloc(threads, sizeof(*writers));
    make_tables(argv[2], logs);
    for (unsigned i = 0; i < VARIANTS; i++)
        chunks[i] = bench_chunk(i, (uint32_t)argument(argv, 5));
    uint64_t start_ns = clock_mono_ns();
    until_ns = start_ns + seconds * 1000000000;
    for (uint64_t i = 0; i < threads; i++) {
        uint64_t share = logs / threads;
        writers[i] = (struct writer){.conninfo = argv[2],
                                     .first_log = i * share,
                                     .logs = share,
                                     .a_group = in_flight / threads,
                                     .next = xcalloc(share, sizeof(uint64_t))};
        if (pthread_create(&writers[i].thread, NULL, write_all, &writers[i]) != 0)
            fail("thread", "cannot be started");
    }
    for (uint64_t i = 0; i < threads; i++) {
        pthread_join(writers[i].thread, NULL);
        lines += writers[i].lines;
        commits += writers[i].commits;
        free(writers[i].next);
    }
    double passed = (double)(clock_mono_ns() - start_ns) / 1e9;
    printf("{\"lines_per_second\":%.0f,\"commits_per_second\":%.0f}\n", (double)lines / passed,
           (double)commits / passed);
    for (unsigned i = 0; i < VARIANTS; i++)
        chunk_unref(&chunks[i]);
    free(writers);
    return 0;
}
