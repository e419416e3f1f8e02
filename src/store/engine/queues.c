#include "store/engine/queues.h"

#include "store/ops/record.h"
#include "store/store.h"
#include "util/clock.h"

#define GROUP_BYTES_MAX (16u * 1024 * 1024) // of chunks, encoded

// Scans leave one reader for short queries. While no scan is under way, at most so many short queries may pass a scan
// that waits.
#define PASSING_MAX 16

void queues_init(struct queues *queues)
{
    *queues = (struct queues){0};
    fair_queue_init(&queues->writer);
    fair_queue_init(&queues->reader);
    fair_queue_init(&queues->scan);
    pthread_mutex_init(&queues->mutex, NULL);
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&queues->writer_wake, &monotonic);
    pthread_cond_init(&queues->writer_pause, &monotonic);
    pthread_cond_init(&queues->reader_wake, NULL);
    pthread_condattr_destroy(&monotonic);
}

void queues_release(struct queues *queues)
{
    fair_queue_release(&queues->writer);
    fair_queue_release(&queues->reader);
    fair_queue_release(&queues->scan);
    pthread_cond_destroy(&queues->writer_wake);
    pthread_cond_destroy(&queues->writer_pause);
    pthread_cond_destroy(&queues->reader_wake);
    pthread_mutex_destroy(&queues->mutex);
}

bool queues_submit(struct queues *queues, struct store_op *op, bool commit)
{
    pthread_mutex_lock(&queues->mutex);
    if (queues->stopping) {
        pthread_mutex_unlock(&queues->mutex);
        return false;
    }
    struct fair_queue *queue = commit ? &queues->writer : op->scan ? &queues->scan : &queues->reader;
    fair_queue_push(queue, op->account, &op->node);
    bool whole = commit && queue->count == queues->gather.whole;
    pthread_mutex_unlock(&queues->mutex);
    if (whole)
        pthread_cond_signal(&queues->writer_pause);
    // Signalled after the mutex was released, so that the thread that wakes up finds it free.
    pthread_cond_signal(commit ? &queues->writer_wake : &queues->reader_wake);
    return true;
}

void queues_stop(struct queues *queues)
{
    pthread_mutex_lock(&queues->mutex);
    queues->stopping = true;
    pthread_cond_broadcast(&queues->writer_wake);
    pthread_cond_signal(&queues->writer_pause);
    pthread_cond_broadcast(&queues->reader_wake);
    pthread_mutex_unlock(&queues->mutex);
}

void queues_wake_writer(struct queues *queues)
{
    pthread_mutex_lock(&queues->mutex); // it must not look before that, and wait after it
    pthread_mutex_unlock(&queues->mutex);
    pthread_cond_signal(&queues->writer_wake);
}

// --- The writer

static size_t op_bytes(const struct store_op *op)
{
    if (op->kind != STORE_APPEND)
        return 0;
    return chunk_encoded(CONTAINER_OF(op, struct store_append, op)->chunk).len;
}

size_t queues_take(struct queues *queues, struct store_op **ops)
{
    size_t count = 0, bytes = 0;
    queues->taken_ns = clock_mono_ns();
    while (queues->writer.count && count < GROUP_OPS_MAX && bytes < GROUP_BYTES_MAX) {
        struct store_op *op = CONTAINER_OF(fair_queue_pop(&queues->writer), struct store_op, node);
        bytes += op_bytes(op);
        ops[count++] = op;
    }
    return count;
}

static void wait_until(struct queues *queues, pthread_cond_t *wake, uint64_t until_ns)
{
    struct timespec until = {.tv_sec = (time_t)(until_ns / 1000000000), .tv_nsec = (long)(until_ns % 1000000000)};
    pthread_cond_timedwait(wake, &queues->mutex, &until);
}

void queues_wait(struct queues *queues, uint64_t ms)
{
    queues->taken_ns = 0;
    if (ms == UINT64_MAX)
        pthread_cond_wait(&queues->writer_wake, &queues->mutex);
    else if (ms > 0)
        wait_until(queues, &queues->writer_wake, clock_mono_ns() + ms * 1000000);
}

// Only the submitter that completes the group wakes the writer from this.
void queues_gather(struct queues *queues)
{
    const struct gather *gather = &queues->gather;
    while (!queues->stopping && queues->writer.count < gather->whole && clock_mono_ns() < gather->until_ns)
        wait_until(queues, &queues->writer_pause, gather->until_ns);
}

void queues_committed(struct queues *queues, size_t count)
{
    pthread_mutex_lock(&queues->mutex);
    uint64_t now_ns = clock_mono_ns();
    uint64_t took_ns = queues->taken_ns > 0 ? now_ns - queues->taken_ns : 0;
    gather_plan(&queues->gather, count, queues->writer.count, took_ns, now_ns);
    queues->taken_ns = 0;
    pthread_mutex_unlock(&queues->mutex);
}

uint64_t queues_commit_age_ns(const struct queues *queues)
{
    return queues->taken_ns > 0 ? clock_mono_ns() - queues->taken_ns : 0;
}

// --- Readers

static struct list_node *take_query(struct queues *queues)
{
    bool scan_waits = queues->scan.count > 0, short_waits = queues->reader.count > 0;
    bool may_scan = queues->scanning + 1 < MAX(queues->reader_max, 2u);
    bool overdue = queues->scanning == 0 && queues->since_scan >= PASSING_MAX;
    if (scan_waits && may_scan && (!short_waits || overdue)) {
        queues->since_scan = 0;
        queues->scanning++;
        return fair_queue_pop(&queues->scan);
    }
    queues->since_scan += scan_waits && short_waits;
    return fair_queue_pop(&queues->reader);
}

struct store_op *queues_next_query(struct queues *queues)
{
    struct list_node *node;
    pthread_mutex_lock(&queues->mutex);
    while (!(node = take_query(queues)) && (!queues->stopping || queues->scan.count))
        pthread_cond_wait(&queues->reader_wake, &queues->mutex);
    pthread_mutex_unlock(&queues->mutex);
    return node ? CONTAINER_OF(node, struct store_op, node) : NULL;
}

// Another scan may wait only for the end of this one.
void queues_scan_ended(struct queues *queues)
{
    pthread_mutex_lock(&queues->mutex);
    queues->scanning--;
    bool more = queues->scan.count > 0 || queues->stopping;
    pthread_mutex_unlock(&queues->mutex);
    if (more)
        pthread_cond_broadcast(&queues->reader_wake);
}
