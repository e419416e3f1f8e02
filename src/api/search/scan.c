#include "api/search/scan.h"

#include "util/clock.h"

#define READ_BYTES   ((size_t)1024 * 1024) // of closed chunks in one slice
#define PARALLEL_MAX 8u
#define QUEUED_MAX   64u // ranges that are under way or wait for those before them

// One range that is under way, or that waits for those before it.
struct task {
    struct list_node node;
    struct store_read read;
    struct scan *scan;
    struct scan_range range;
    struct search *search;
    uint64_t steps;
    bool alone; // it may use the reader that is left for short queries
    bool whole; // the next slice is read with all payloads
    bool ended, done;
    int err;
};

struct scan {
    struct call *call;
    const struct scan_handler *handler;
    void *arg;
    struct scan_limits limits;
    uint64_t began_ns, bytes;
    struct list_node tasks; // in order
    unsigned queued, under_way, parallel;
    bool alone_taken;
    bool stopped; // no more ranges are wanted
    int err;
};

static void task_free(struct task *task)
{
    task->scan->queued--;
    list_remove(&task->node);
    search_free(&task->search);
    free(task);
}

// --- On the reader's thread

static int look_through(struct task *task, struct filter_run *run)
{
    struct store_read *read = &task->read;
    struct search *search = task->search;
    int err = 0;
    search_skip(search, read->ret_first_sequence);
    for (size_t i = 0; i < read->ret_count && err == 0 && !search_done(search); i++) {
        struct store_segment *segment = &read->ret_segments[i];
        if (segment->first + chunk_count(segment->chunk) > search_next(search))
            err = search_feed(search, run, &segment->chunk, segment->first);
    }
    task->whole = err == SEARCH_WANTS_ALL;
    if (task->whole)
        return 0;
    if (err == 0 && !search_done(search) && search_next(search) >= read->ret_next) {
        err = search_end(search, run);
        task->ended = err == 0;
    }
    return err;
}

static void task_process(struct store_op *op)
{
    struct task *task = CONTAINER_OF(op, struct task, read.op);
    struct filter_run run;
    if (op->err)
        return;
    uint64_t before = search_next(task->search);
    filter_run_init(&run, task->range.ask.filter, task->steps);
    op->err = look_through(task, &run);
    filter_run_release(&run);
    bool moved = search_next(task->search) > before;
    // When the steps are spent, the next slice has new ones. Only a line that needs all steps alone cannot be read.
    if (op->err == ERR_INVALID && moved)
        op->err = 0;
    if (op->err == 0 && !moved && !task->whole && !task->ended && !search_done(task->search))
        op->err = ERR_CORRUPT;
    store_read_forget(&task->read);
}

// --- On the loop

static void task_read(struct task *task);
static void scan_go_on(struct scan *scan);

static bool has_client(const struct scan *scan)
{
    return scan->call->request && !http_peer_ended(scan->call->request);
}

static bool is_wanted(const struct scan *scan)
{
    return has_client(scan) && !scan->err && !scan->stopped;
}

// Also if nobody takes it any more.
static void count_found(const struct scan *scan, const struct search_found *found)
{
    const struct api_options *options = &scan->call->api->options;
    metrics_add(options->metrics, options->shard, METRIC_search_scanned_bytes_total, (int64_t)found->scanned);
    metrics_add(options->metrics, options->shard, METRIC_search_skipped_bytes_total, (int64_t)found->skipped);
}

static void task_done(struct store_op *op)
{
    struct task *task = CONTAINER_OF(op, struct task, read.op);
    struct scan *scan = task->scan;
    task->err = op->err;
    store_op_release(op);
    if (task->err == 0 && !task->ended && !search_done(task->search) && is_wanted(scan)) {
        task_read(task);
        return;
    }
    const struct search_found *found = search_found(task->search);
    scan->bytes += found->scanned + found->skipped;
    count_found(scan, found);
    task->done = true;
    scan->under_way--;
    scan->alone_taken &= !task->alone;
    scan_go_on(scan);
}

static void task_read(struct task *task)
{
    struct call *call = task->scan->call;
    const struct filter *filter = task->range.ask.filter;
    task->read = (struct store_read){
        .op = {.kind = STORE_READ,
               .reply_to = call->api->options.loop,
               .done = task_done,
               .process = task_process,
               .account = call->principal.account,
               .scan = !task->alone},
        .row = task->range.row,
        .from = search_next(task->search),
        .max_bytes = READ_BYTES,
        .closed = true,
        .skim = task->whole || filter_has_rules(filter) ? NULL : filter,
    };
    store_submit(call->api->options.store, &task->read.op);
}

// Returns false if there is no range to begin.
static bool task_begin(struct scan *scan)
{
    struct scan_range range = {0};
    if (!scan->handler->next(scan->arg, &range))
        return false;
    struct task *task = xcalloc(1, sizeof(*task));
    task->scan = scan;
    task->range = range;
    task->search = search_new(&range.ask, range.log_first);
    task->steps = scan->call->api->limits->regex_steps;
    task->alone = !scan->alone_taken;
    scan->alone_taken = true;
    scan->under_way++;
    scan->queued++;
    list_push_back(&scan->tasks, &task->node);
    task_read(task);
    return true;
}

static bool over_limits(const struct scan *scan)
{
    return scan->bytes >= scan->limits.bytes || clock_mono_ns() - scan->began_ns >= scan->limits.ns;
}

static const char *reason_of(int err)
{
    return err == ERR_INVALID ? "the regular expression takes too many steps for one line; make it simpler" : NULL;
}

static void scan_end(struct scan *scan)
{
    struct call *call = scan->call;
    const struct scan_handler *handler = scan->handler;
    void *arg = scan->arg;
    int err = scan->err;
    LIST_FOR_EACH_SAFE(it, next, &scan->tasks)
        task_free(CONTAINER_OF(it, struct task, node));
    free(scan);
    handler->done(arg, err, reason_of(err));
    call_unref(call);
}

// What one log alone has.
static bool is_of_log(int err)
{
    return err == ERR_EXPIRED || err == ERR_NOT_FOUND || err == ERR_CORRUPT || err == ERR_TOO_NEW || err == ERR_COLD;
}

static bool is_fault(const struct scan *scan, int err)
{
    return err != 0 && (scan->limits.whole || !is_of_log(err));
}

// Hands over what is complete, in order.
static void take_done(struct scan *scan)
{
    while (!list_empty(&scan->tasks) && !scan->err && !scan->stopped) {
        struct task *task = CONTAINER_OF(scan->tasks.next, struct task, node);
        if (!task->done)
            return;
        struct search_found *found = search_found(task->search);
        if (is_fault(scan, task->err))
            scan->err = task->err;
        // A range that was left because the client has gone is not complete; nobody will see it.
        else if (has_client(scan) && !scan->handler->took(scan->arg, &task->range, found, task->err))
            scan->stopped = true;
        task_free(task);
    }
}

static void scan_go_on(struct scan *scan)
{
    take_done(scan);
    while (is_wanted(scan) && scan->under_way < scan->parallel && scan->queued < QUEUED_MAX && !over_limits(scan) &&
           task_begin(scan)) {
    }
    if (scan->under_way == 0)
        scan_end(scan);
}

void scan_start(struct call *call, const struct scan_limits *limits, const struct scan_handler *handler, void *arg)
{
    struct scan *scan = xcalloc(1, sizeof(*scan));
    *scan = (struct scan){
        .call = call,
        .handler = handler,
        .arg = arg,
        .limits = *limits,
        .began_ns = clock_mono_ns(),
        .parallel = MIN(MAX(call->api->options.readers, 1u), PARALLEL_MAX),
    };
    list_init(&scan->tasks);
    call_ref(call);
    scan_go_on(scan);
}
