// bench-store FOLDER|postgres://… EXECUTIONS IN_FLIGHT LINES_PER_CHUNK SECONDS [PAGE_SIZE [HOT_PIECES]]
// Appends to one store in this process as fast as commits come back, then opens it again, and prints figures as one
// JSON object. docs/internals/store.md says what came of it.
#include "bench_chunk.h"
#include "store/postgres/postgres_store.h"
#include "store/sqlite/sqlite_private.h"
#include "util/clock.h"

#define VARIANTS 8

struct bench_log {
    int64_t row;
    uint64_t next;
};

struct bench {
    struct loop *loop;
    struct store *store;
    bool shared; // PostgreSQL
    struct chunk *chunks[VARIANTS];
    struct bench_log *logs;
    size_t log_count, log_at;
    size_t under_way;
    uint64_t until_ns;
    uint64_t lines, bytes;
};

struct appender {
    struct store_append append;
    struct bench *bench;
    struct bench_log *log;
};

static NORETURN void fail(const char *what, int err)
{
    fprintf(stderr, "%s: %s\n", what, error_text(err));
    exit(1);
}

static void append_next(struct appender *appender)
{
    struct bench *bench = appender->bench;
    if (clock_mono_ns() >= bench->until_ns) {
        if (--bench->under_way == 0)
            loop_stop(bench->loop);
        return;
    }
    appender->log = &bench->logs[bench->log_at];
    bench->log_at = (bench->log_at + 1) % bench->log_count;
    struct chunk *chunk = bench->chunks[bench->log_at % VARIANTS];
    appender->append.row = appender->log->row;
    appender->append.first = appender->log->next;
    appender->append.chunk = chunk;
    appender->log->next += chunk_count(chunk);
    store_submit(bench->store, &appender->append.op);
}

static void append_done(struct store_op *op)
{
    struct appender *appender = CONTAINER_OF(CONTAINER_OF(op, struct store_append, op), struct appender, append);
    if (op->err < 0)
        fail("append", op->err);
    appender->bench->lines += appender->append.ret_appended;
    appender->bench->bytes += chunk_message_bytes(appender->append.chunk);
    append_next(appender);
}

struct creator {
    struct store_create create;
    struct bench *bench;
};

static void create_done(struct store_op *op)
{
    struct store_create *create = CONTAINER_OF(op, struct store_create, op);
    struct creator *creator = CONTAINER_OF(create, struct creator, create);
    struct bench *bench = creator->bench;
    if (op->err < 0)
        fail("create", op->err);
    bench->logs[bench->log_at++].row = create->execution.row;
    store_op_release(op);
    free(creator);
    if (--bench->under_way == 0)
        loop_stop(bench->loop);
}

static void create_all(struct bench *bench)
{
    bench->logs = xcalloc(bench->log_count, sizeof(*bench->logs));
    bench->under_way = bench->log_count;
    for (size_t i = 0; i < bench->log_count; i++) {
        struct creator *creator = xcalloc(1, sizeof(*creator));
        creator->bench = bench;
        creator->create.op = (struct store_op){.kind = STORE_CREATE, .reply_to = bench->loop, .done = create_done};
        creator->create.execution = (struct execution){.account = 1, .status = STATUS_RUNNING};
        store_submit(bench->store, &creator->create.op);
    }
    loop_run(bench->loop);
}

static void append_all(struct bench *bench, size_t in_flight, uint64_t seconds)
{
    struct appender *appenders = xcalloc(in_flight, sizeof(*appenders));
    bench->log_at = 0;
    bench->under_way = in_flight;
    bench->until_ns = clock_mono_ns() + seconds * 1000000000;
    for (size_t i = 0; i < in_flight; i++) {
        appenders[i].bench = bench;
        appenders[i].append.op = (struct store_op){.kind = STORE_APPEND, .reply_to = bench->loop, .done = append_done};
        appenders[i].append.producer = STR("bench");
        append_next(&appenders[i]);
    }
    loop_run(bench->loop);
    free(appenders);
}

// The upper end of the bucket that holds the quantile.
static double quantile_ms(const uint64_t *buckets, double quantile)
{
    uint64_t total = 0, seen = 0;
    for (size_t i = 0; i < STORE_BUCKETS; i++)
        total += buckets[i];
    for (size_t i = 0; i < STORE_BUCKETS; i++) {
        seen += buckets[i];
        if ((double)seen >= quantile * (double)total)
            return (double)(64000ull << i) / 1e6;
    }
    return 0;
}

static void print_files(struct bench *bench, const struct vfs_stats *before, double commits)
{
    struct vfs_stats files;
    size_t hot_pieces;
    uint64_t hot_bytes;
    struct sqlite_store *store = sqlite_store_of(bench->store);
    vfs_stats(store->vfs, &files);
    hot_size(&store->hot, &hot_pieces, &hot_bytes);
    uint64_t wal = files.wal_written - before->wal_written, file = files.file_written - before->file_written;
    printf(",\"wal_bytes_per_commit\":%.0f,\"written_bytes_per_line\":%.2f,\"hot_pieces\":%zu,\"hot_bytes\":%llu",
           (double)wal / commits, (double)(wal + file) / (double)bench->lines, hot_pieces,
           (unsigned long long)hot_bytes);
}

static void print_figures(struct bench *bench, const struct store_stats *before, const struct vfs_stats *files_before,
                          double seconds)
{
    struct store_stats stats;
    store_stats(bench->store, &stats);
    double commits = (double)(stats.commits - before->commits);
    for (size_t i = 0; i < STORE_BUCKETS; i++) {
        stats.commit_buckets[i] -= before->commit_buckets[i];
        stats.fsync_buckets[i] -= before->fsync_buckets[i];
    }
    printf("{\"lines_per_second\":%.0f,\"mb_per_second\":%.1f,\"commits_per_second\":%.0f,"
           "\"operations_per_commit\":%.1f,\"message_bytes_per_line\":%.1f,\"commit_ms\":{\"p50\":%.3f,\"p99\":%.3f},"
           "\"fsync_ms\":{\"p50\":%.3f,\"p99\":%.3f},\"file_bytes\":%llu",
           (double)bench->lines / seconds, (double)bench->bytes / seconds / 1e6, commits / seconds,
           (double)(stats.mutations - before->mutations) / commits, (double)bench->bytes / (double)bench->lines,
           quantile_ms(stats.commit_buckets, 0.5), quantile_ms(stats.commit_buckets, 0.99),
           quantile_ms(stats.fsync_buckets, 0.5), quantile_ms(stats.fsync_buckets, 0.99),
           (unsigned long long)stats.bytes);
    if (!bench->shared)
        print_files(bench, files_before, commits);
}

static void open_store(struct bench *bench, const char *path, uint32_t page_size, uint32_t hot_pieces)
{
    const struct sqlite_tuning tuning = {
        .page_size = page_size, .hot_pieces = hot_pieces, .hot_bytes = hot_pieces ? UINT32_MAX : 0};
    CLEANUP(buf_release) struct buf reason = {0};
    int err = bench->shared ? postgres_store_open(&(struct postgres_options){.conninfo = path, .readers = 2}, &reason,
                                                  &bench->store)
                            : sqlite_store_open(&(struct sqlite_options){.path = path, .readers = 2, .tuning = &tuning},
                                                &reason, &bench->store);
    if (err < 0)
        fail(buf_cstr(&reason), err);
}

static uint64_t argument(int argc, char **argv, int index)
{
    uint64_t value = 0;
    if (index < argc && !str_to_u64(str_of(argv[index]), &value))
        fail(argv[index], ERR_MALFORMED);
    return value;
}

int main(int argc, char **argv)
{
    if (argc < 6) {
        fprintf(stderr, "bench-store FOLDER|postgres://… EXECUTIONS IN_FLIGHT LINES_PER_CHUNK SECONDS "
                        "[PAGE_SIZE [HOT_PIECES]]\n");
        return 2;
    }
    struct bench bench = {.log_count = (size_t)argument(argc, argv, 2)};
    uint32_t page_size = (uint32_t)argument(argc, argv, 6), hot_pieces = (uint32_t)argument(argc, argv, 7);
    bench.shared = strstr(argv[1], "://") != NULL;
    CLEANUP(free_ptr) char *path = bench.shared ? xasprintf("%s", argv[1]) : xasprintf("%s/runnel.db", argv[1]);
    loop_new(&bench.loop);
    open_store(&bench, path, page_size, hot_pieces);
    for (unsigned i = 0; i < VARIANTS; i++)
        bench.chunks[i] = bench_chunk(i, (uint32_t)argument(argc, argv, 4));
    create_all(&bench);

    struct store_stats before;
    struct vfs_stats files_before = {0};
    store_stats(bench.store, &before);
    if (!bench.shared)
        vfs_stats(sqlite_store_of(bench.store)->vfs, &files_before);
    uint64_t start_ns = clock_mono_ns();
    append_all(&bench, (size_t)argument(argc, argv, 3), argument(argc, argv, 5));
    print_figures(&bench, &before, &files_before, (double)(clock_mono_ns() - start_ns) / 1e9);

    store_free(&bench.store);
    start_ns = clock_mono_ns();
    open_store(&bench, path, page_size, hot_pieces);
    printf(",\"open_ms\":%.1f}\n", (double)(clock_mono_ns() - start_ns) / 1e6);
    store_free(&bench.store);
    loop_free(&bench.loop);
    for (unsigned i = 0; i < VARIANTS; i++)
        chunk_unref(&bench.chunks[i]);
    free(bench.logs);
    return 0;
}
