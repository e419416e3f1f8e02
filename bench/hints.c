// bench-hints postgres://… BUS COUNT PAUSE_MS [LOGS]
// Two servers of a store in one process. One appends a line to the next of so many logs, now and then; the other one
// hears of it by the bus, "notify" or a Redis. Prints how long after the answer for the append that was, and how many
// it did not hear of within a second, as one JSON object. A commit that is heard of before it is answered counts as 0.
#include "bench_chunk.h"
#include "store/postgres/postgres_store.h"
#include "util/clock.h"

#include <pthread.h>
#include <signal.h>

#define WARM_UP 20

struct hearer {
    pthread_mutex_t mutex;
    pthread_cond_t more;
    int64_t row; // of which log it waits to hear
    uint64_t next, heard_ns;
};

struct bench {
    struct loop *loop;
    struct store *here, *there;
    struct chunk *chunk;
    struct hearer hearer;
    int64_t *rows;
    uint64_t *next;
    size_t log_count, made;
    uint64_t answered_ns, *late_ns;
    size_t count, lost;
};

static NORETURN void fail(const char *what, int err)
{
    fprintf(stderr, "bench-hints: %s: %s\n", what, error_text(err));
    exit(1);
}

static void hear(void *arg, const struct store_change *changes, size_t count)
{
    struct hearer *it = arg;
    pthread_mutex_lock(&it->mutex);
    for (size_t i = 0; i < count; i++) {
        if (!changes[i].elsewhere || changes[i].row != it->row || changes[i].next < it->next || it->heard_ns > 0)
            continue;
        it->heard_ns = clock_mono_ns();
        pthread_cond_signal(&it->more);
    }
    pthread_mutex_unlock(&it->mutex);
}

// 0: within a second it did not hear.
static uint64_t wait_heard(struct hearer *it)
{
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec++;
    pthread_mutex_lock(&it->mutex);
    while (it->heard_ns == 0 && pthread_cond_timedwait(&it->more, &it->mutex, &until) == 0) {
    }
    uint64_t heard_ns = it->heard_ns;
    pthread_mutex_unlock(&it->mutex);
    return heard_ns;
}

// --- Operations, one at a time

static void done(struct store_op *op)
{
    loop_stop(op->reply_to);
}

static void run(struct bench *bench, struct store_op *op, const char *what)
{
    op->reply_to = bench->loop;
    op->done = done;
    store_submit(bench->here, op);
    loop_run(bench->loop);
    bench->answered_ns = clock_mono_ns();
    if (op->err < 0)
        fail(what, op->err);
}

static void create(struct bench *bench)
{
    struct store_create create = {.op.kind = STORE_CREATE, .execution = {.account = 1, .status = STATUS_RUNNING}};
    run(bench, &create.op, "create");
    bench->rows[bench->made++] = create.execution.row;
    store_op_release(&create.op);
}

static void append(struct bench *bench, size_t log)
{
    struct store_append append = {.op.kind = STORE_APPEND,
                                  .producer = STR("bench"),
                                  .row = bench->rows[log],
                                  .first = bench->next[log],
                                  .chunk = bench->chunk};
    pthread_mutex_lock(&bench->hearer.mutex);
    bench->hearer.row = append.row;
    bench->hearer.next = ++bench->next[log];
    bench->hearer.heard_ns = 0;
    pthread_mutex_unlock(&bench->hearer.mutex);
    run(bench, &append.op, "append");
    store_op_release(&append.op);
}

static void sleep_ms(uint64_t ms)
{
    nanosleep(&(struct timespec){.tv_sec = (time_t)(ms / 1000), .tv_nsec = (long)(ms % 1000) * 1000000}, NULL);
}

static void measure(struct bench *bench, size_t turns, uint64_t pause_ms)
{
    for (size_t i = 0; i < turns; i++) {
        sleep_ms(pause_ms);
        append(bench, i % bench->log_count);
        uint64_t heard_ns = wait_heard(&bench->hearer);
        if (i < WARM_UP)
            continue;
        if (heard_ns == 0)
            bench->lost++;
        else
            bench->late_ns[bench->count++] = heard_ns - MIN(heard_ns, bench->answered_ns);
    }
}

static int compare(const void *a, const void *b)
{
    const uint64_t *left = a, *right = b;
    return *left < *right ? -1 : *left > *right;
}

static double at(const struct bench *bench, double share)
{
    size_t index = (size_t)(share * (double)bench->count);
    return bench->count ? (double)bench->late_ns[MIN(index, bench->count - 1)] / 1e6 : 0;
}

static struct store *open_store(const char *conninfo, const char *bus)
{
    struct store *store = NULL;
    CLEANUP(buf_release) struct buf reason = {0};
    const struct postgres_options options = {.conninfo = conninfo, .bus = bus, .readers = 1};
    int err = postgres_store_open(&options, &reason, &store);
    if (err < 0)
        fail(buf_cstr(&reason), err);
    return store;
}

static uint64_t argument(int argc, char **argv, int index, uint64_t otherwise)
{
    uint64_t value = otherwise;
    if (index < argc && (!str_to_u64(str_of(argv[index]), &value) || value == 0))
        fail(argv[index], ERR_MALFORMED);
    return value;
}

int main(int argc, char **argv)
{
    if (argc < 5) {
        fprintf(stderr, "bench-hints postgres://… BUS COUNT PAUSE_MS [LOGS]\n");
        return 2;
    }
    size_t count = argument(argc, argv, 3, 0);
    struct bench bench = {.log_count = argument(argc, argv, 5, 1), .chunk = bench_chunk(0, 1)};
    pthread_mutex_init(&bench.hearer.mutex, NULL);
    pthread_cond_init(&bench.hearer.more, NULL);
    bench.rows = xcalloc(bench.log_count, sizeof(*bench.rows));
    bench.next = xcalloc(bench.log_count, sizeof(*bench.next));
    bench.late_ns = xcalloc(count + WARM_UP, sizeof(*bench.late_ns));
    signal(SIGPIPE, SIG_IGN);
    loop_new(&bench.loop);
    bench.here = open_store(argv[1], argv[2]);
    bench.there = open_store(argv[1], argv[2]);
    int err = store_watch(bench.there, hear, &bench.hearer);
    if (err < 0)
        fail("watch", err);
    while (bench.made < bench.log_count)
        create(&bench);
    measure(&bench, count + WARM_UP, argument(argc, argv, 4, 1));
    qsort(bench.late_ns, bench.count, sizeof(*bench.late_ns), compare);
    printf("{\"heard\":%zu,\"lost\":%zu,\"p50_ms\":%.3f,\"p99_ms\":%.3f,\"max_ms\":%.3f}\n", bench.count, bench.lost,
           at(&bench, 0.5), at(&bench, 0.99), at(&bench, 1));
    store_free(&bench.there);
    store_free(&bench.here);
    loop_free(&bench.loop);
    chunk_unref(&bench.chunk);
    free(bench.rows);
    free(bench.next);
    free(bench.late_ns);
    return 0;
}
