// bench-queue FOLDER JOBS
// Submits a batch of so many jobs in adds of 256, with other commits between, then claims, ends and settles them, and
// prints figures as one JSON object. docs/internals/jobs.md says what came of it.
#include "store/sqlite/sqlite_store.h"
#include "store/store.h"
#include "util/clock.h"

#define UNDER_WAY 64

static struct loop *loop;
static size_t left;

static NORETURN void fail(const char *what, int err)
{
    fprintf(stderr, "%s: %s\n", what, error_text(err));
    exit(1);
}

static void done(struct store_op *op)
{
    (void)op;
    if (--left == 0)
        loop_stop(loop);
}

static void run_all(struct store *store, const char *what, struct store_op **ops, size_t count)
{
    left = count;
    for (size_t i = 0; i < count; i++) {
        ops[i]->reply_to = loop;
        ops[i]->done = done;
        store_submit(store, ops[i]);
    }
    loop_run(loop);
    for (size_t i = 0; i < count; i++)
        if (ops[i]->err < 0)
            fail(what, ops[i]->err);
}

static void run(struct store *store, const char *what, struct store_op *op)
{
    run_all(store, what, &op, 1);
}

static int64_t make_account(struct store *store)
{
    struct store_account_ensure ensure = {.op.kind = STORE_ACCOUNT_ENSURE, .name = STR("a")};
    run(store, "account", &ensure.op);
    return ensure.ret_account;
}

// The execution that other commits change meanwhile.
static int64_t make_other(struct store *store, int64_t account)
{
    struct store_create create = {.op.kind = STORE_CREATE, .execution = {.account = account, .status = STATUS_QUEUED}};
    run(store, "create", &create.op);
    int64_t row = create.execution.row;
    store_op_release(&create.op);
    return row;
}

static void add(struct store *store, int64_t account, int64_t batch, int64_t other, uint32_t from, uint32_t count)
{
    static struct store_create creates[BATCH_ADD_MAX];
    static struct job_new jobs[BATCH_ADD_MAX];
    for (uint32_t i = 0; i < count; i++) {
        jobs[i] = (struct job_new){
            .demand = STR("process runtime=python:3.11"), .batch_index = from + i, .rate_micros = 860000};
        creates[i] = (struct store_create){
            .op.kind = STORE_CREATE,
            .execution = {.account = account,
                          .status = STATUS_QUEUED,
                          .batch_id = xstrdup("b"),
                          .spec_json = xstrdup("{\"command\":[\"python3\",\"job.py\",\"data/part-00001.csv\"]}"),
                          .metadata_json = xstrdup("{\"team\":\"x\"}")},
            .job = &jobs[i]};
    }
    struct store_batch_add adding = {
        .op.kind = STORE_BATCH_ADD, .row = batch, .jobs = creates, .count = count, .queued_max = 1000000};
    struct store_update update = {.op.kind = STORE_UPDATE, .row = other, .metadata_patch = STR("{\"n\":1}")};
    run(store, "add", &adding.op);
    run(store, "update", &update.op);
    store_op_release(&adding.op);
    store_op_release(&update.op);
}

static size_t first_ready(struct store *store, int64_t account, int64_t rows[static UNDER_WAY])
{
    static struct store_jobs_ready ready;
    ready = (struct store_jobs_ready){.op.kind = STORE_JOBS_READY,
                                      .account = account,
                                      .demand = STR("process runtime=python:3.11"),
                                      .limit = UNDER_WAY};
    run(store, "ready", &ready.op);
    for (size_t i = 0; i < ready.ret_count; i++)
        rows[i] = ready.ret_jobs[i].row;
    return ready.ret_count;
}

struct spent {
    uint64_t ready_ns, claim_ns, end_ns, settle_ns, jobs;
};

// Claims, ends and settles the next of the line.
static bool round_of(struct store *store, int64_t account, struct spent *spent)
{
    struct store_job_claim claims[UNDER_WAY];
    struct store_complete ends[UNDER_WAY];
    struct store_op *claim_ops[UNDER_WAY], *end_ops[UNDER_WAY];
    int64_t rows[UNDER_WAY];
    uint64_t at[5] = {clock_mono_ns()};
    size_t count = first_ready(store, account, rows);
    at[1] = clock_mono_ns();
    for (size_t i = 0; i < count; i++) {
        claims[i] = (struct store_job_claim){.op.kind = STORE_JOB_CLAIM, .row = rows[i], .worker_id = STR("w")};
        ends[i] = (struct store_complete){
            .op.kind = STORE_COMPLETE, .row = rows[i], .epoch = 1, .status = STATUS_COMPLETED, .has_exit_code = true};
        claim_ops[i] = &claims[i].op;
        end_ops[i] = &ends[i].op;
    }
    if (count == 0)
        return false;
    run_all(store, "claim", claim_ops, count);
    at[2] = clock_mono_ns();
    run_all(store, "end", end_ops, count);
    at[3] = clock_mono_ns();
    struct store_job_settle settle = {.op.kind = STORE_JOB_SETTLE};
    run(store, "settle", &settle.op);
    at[4] = clock_mono_ns();
    for (size_t i = 0; i < count; i++) {
        store_op_release(claim_ops[i]);
        store_op_release(end_ops[i]);
    }
    spent->ready_ns += at[1] - at[0];
    spent->claim_ns += at[2] - at[1];
    spent->end_ns += at[3] - at[2];
    spent->settle_ns += at[4] - at[3];
    spent->jobs += count;
    return true;
}

static double each_us(uint64_t ns, uint64_t jobs)
{
    return (double)ns / 1000 / (double)MAX(jobs, 1u);
}

int main(int argc, char **argv)
{
    CLEANUP(buf_release) struct buf error = {0};
    struct store *store = NULL;
    if (argc != 3)
        return 2;
    uint32_t jobs = (uint32_t)strtoul(argv[2], NULL, 10);
    CLEANUP(free_ptr) char *path = xasprintf("%s/runnel.db", argv[1]);
    int err = loop_new(&loop);
    if (err == 0)
        err = sqlite_store_open(&(struct sqlite_options){.path = path, .readers = 2}, &error, &store);
    if (err < 0)
        fail("open", err);
    int64_t account = make_account(store), other = make_other(store, account);
    struct store_batch_create made = {
        .op.kind = STORE_BATCH_CREATE,
        .batch = {.account = account, .batch_id = xstrdup("b"), .expected = jobs, .rate_micros = 860000}};
    run(store, "batch", &made.op);
    uint64_t start = clock_mono_ns();
    for (uint32_t from = 0; from < jobs; from += BATCH_ADD_MAX)
        add(store, account, made.batch.row, other, from, MIN(jobs - from, (uint32_t)BATCH_ADD_MAX));
    uint64_t submitted_ns = clock_mono_ns() - start, got_ns;
    struct store_batch_get get = {.op.kind = STORE_BATCH_GET, .row = made.batch.row};
    start = clock_mono_ns();
    run(store, "get", &get.op);
    got_ns = clock_mono_ns() - start;
    struct spent spent = {0};
    for (unsigned rounds = 0; rounds < 10000 / UNDER_WAY && round_of(store, account, &spent); rounds++)
        ;
    printf("{\"jobs\":%u,\"submitted_ms\":%.0f,\"batch_get_ms\":%.2f,\"run\":%llu,\"ready_us\":%.1f,\"claim_us\":%.1f,"
           "\"end_us\":%.1f,\"settle_us\":%.1f}\n",
           jobs, (double)submitted_ns / 1e6, (double)got_ns / 1e6, (unsigned long long)spent.jobs,
           each_us(spent.ready_ns, spent.jobs), each_us(spent.claim_ns, spent.jobs), each_us(spent.end_ns, spent.jobs),
           each_us(spent.settle_ns, spent.jobs));
    store_op_release(&made.op);
    store_op_release(&get.op);
    store_free(&store);
    loop_free(&loop);
    return 0;
}
