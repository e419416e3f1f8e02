// The upload of a run's outputs in the pool, beside the loop on which its log is delivered.
#include "runner/outputs.h"
#include "util/clock.h"

#define FIRST_RETRY_MS 500
#define RETRY_MAX_MS   30000
#define STALLS_MAX     10 // refusals in a row by a server that answers, without anything moving

struct outputs_work { // the pool's; it outlives the owner if that goes first
    struct job job;
    struct outputs *owner; // NULL: it has gone
    struct outputs_upload upload;
    struct buf text;
    int err;
};

struct outputs {
    struct loop *loop;
    struct pool *pool;
    struct outputs_work *work;
    bool running; // in the pool
    struct timer *retry, *limit;
    uint64_t retry_ms, moved;
    uint64_t began_ms, spent_ms; // monotonic; of the tries that have reached the server
    unsigned stalls;
    outputs_done_fn *done;
    void *arg;
};

static void work_free(struct outputs_work *work)
{
    outputs_upload_release(&work->upload);
    buf_release(&work->text);
    free(work);
}

static void on_work(struct job *job)
{
    struct outputs_work *work = CONTAINER_OF(job, struct outputs_work, job);
    buf_reset(&work->text);
    work->err = outputs_upload_try(&work->upload, &work->text);
}

// One more try, which only tells what is missing.
static void end(struct outputs *outputs, const char *because)
{
    struct outputs_upload *upload = &outputs->work->upload;
    const char *none = NULL;
    atomic_compare_exchange_strong(&upload->over, &none, because);
    atomic_store(&upload->abort, true);
    if (!outputs->running)
        timer_start(outputs->retry, 0);
}

static void try_later(struct outputs *outputs)
{
    const struct outputs_work *work = outputs->work;
    uint64_t moved = atomic_load(&outputs->work->upload.moved);
    // A server that is away costs nothing of the time.
    if (work->err != ERR_UNREACHABLE || moved != outputs->moved)
        outputs->spent_ms += clock_mono_ms() - outputs->began_ms;
    bool stalls = moved == outputs->moved && work->err != ERR_UNREACHABLE && work->err != ERR_CANCELED;
    outputs->stalls = stalls ? outputs->stalls + 1 : 0;
    outputs->retry_ms = moved == outputs->moved ? MIN(outputs->retry_ms * 2, (uint64_t)RETRY_MAX_MS) : FIRST_RETRY_MS;
    outputs->moved = moved;
    if (outputs->stalls >= STALLS_MAX)
        end(outputs, "the server did not take it, however often it was tried");
    else
        timer_start(outputs->retry, outputs->retry_ms);
}

static void on_done(struct job *job)
{
    struct outputs_work *work = CONTAINER_OF(job, struct outputs_work, job);
    struct outputs *outputs = work->owner;
    if (!outputs) {
        work_free(work);
        return;
    }
    outputs->running = false;
    timer_stop(outputs->limit);
    if (work->err < 0) {
        try_later(outputs);
        return;
    }
    outputs->done(outputs->arg, &work->upload.report);
}

static void on_retry(void *arg)
{
    struct outputs *outputs = arg;
    struct outputs_work *work = outputs->work;
    work->job = (struct job){.reply_to = outputs->loop, .work = on_work, .done = on_done};
    outputs->running = pool_submit(outputs->pool, &work->job) == 0;
    if (!outputs->running)
        timer_start(outputs->retry, FIRST_RETRY_MS);
    outputs->began_ms = clock_mono_ms();
    timer_start(outputs->limit, OUTPUTS_WAIT_MS - MIN(outputs->spent_ms, (uint64_t)OUTPUTS_WAIT_MS));
}

static void on_limit(void *arg)
{
    end(arg, "it was not uploaded within an hour");
}

struct outputs *outputs_new(const struct outputs_options *options, struct loop *loop, struct pool *pool,
                            outputs_done_fn *done, void *arg)
{
    struct outputs_work *work = xcalloc(1, sizeof(*work));
    if (outputs_upload_init(&work->upload, options) < 0) {
        work_free(work);
        return NULL;
    }
    struct outputs *outputs = xcalloc(1, sizeof(*outputs));
    *outputs = (struct outputs){
        .loop = loop, .pool = pool, .work = work, .done = done, .arg = arg, .retry_ms = FIRST_RETRY_MS};
    work->owner = outputs;
    outputs->retry = timer_new(loop, on_retry, outputs);
    outputs->limit = timer_new(loop, on_limit, outputs);
    on_retry(outputs);
    return outputs;
}

void outputs_free(struct outputs **outputs_ptr)
{
    struct outputs *outputs = TAKE_PTR(*outputs_ptr);
    if (!outputs)
        return;
    atomic_store(&outputs->work->upload.abort, true);
    outputs->work->owner = NULL;
    if (!outputs->running)
        work_free(outputs->work);
    timer_free(&outputs->retry);
    timer_free(&outputs->limit);
    free(outputs);
}

void outputs_give_up(struct outputs *outputs, const char *because)
{
    if (outputs)
        end(outputs, because);
}

uint64_t outputs_moved(const struct outputs *outputs)
{
    return atomic_load(&outputs->work->upload.moved);
}

const char *outputs_trouble(struct outputs *outputs)
{
    return outputs->running ? "" : buf_cstr(&outputs->work->text);
}
