// What becomes of a job whose runner has gone: it has ended as run.json says or, if the runner was killed, is lost.
#include "runner/process/cgroup.h"
#include "runner/runner.h"
#include "util/clock.h"
#include "worker/worker_private.h"

#include <unistd.h>

#define RESUME_WAIT_MS  5000
#define RESUME_AGAIN_MS 10000
#define SYNC_AFTER_MS   1000 // for what the server has not taken by then
#define LEFT_MESSAGE \
    "Its container may still run, as the container engine does not answer. It is removed when that is back."
#define LOST_MESSAGE "The runner was interrupted: what the job wrote after this, if anything, was not recorded."

// --- It was killed

static void add_event(struct worker_job *job, const char *event_type, const char *message)
{
    CLEANUP(chunk_builder_free) struct chunk_builder *builder = chunk_builder_new();
    CLEANUP(buf_release) struct buf extra = {0};
    record_extra_append_string(&extra, "event_type", str_of(event_type));
    struct record record = {.time_ms = clock_real_ms(),
                            .stream = STREAM_EVENT,
                            .level = LEVEL_WARNING,
                            .message = str_of(message),
                            .extra = buf_str(&extra)};
    if (chunk_builder_add(builder, &record) < 0)
        abort(); // a chunk is not full with one
    CLEANUP(chunk_unref) struct chunk *event = chunk_builder_finish(builder, 0);
    int err = spool_append(job->spool, event);
    if (err < 0)
        log_warn(worker_job_logger(job), "an interruption cannot be recorded", LOG_S("execution_id", job->id),
                 LOG_S("reason", error_text(err)));
}

// The runner was killed. Everything that it captured is in the page cache. The log continues with the event that says
// so, with the same counters: nobody can have seen more than there is.
static void end_as_lost(struct worker_job *job)
{
    struct run_file *run = &job->run;
    if (run->cgroup && !job->runner_stayed) { // else it may be another job's
        cgroup_kill_path(run->cgroup);
        rmdir(run->cgroup); // the worker of the next job finds what is still dying
    }
    add_event(job, "capture_interrupted", LOST_MESSAGE);
    if (job->container_left)
        add_event(job, "container_left", LEFT_MESSAGE);
    run->ended = true;
    run->has_exit_code = false;
    run->records = spool_next(job->spool);
    run->ended_ms = 0;
    snprintf(run->status, sizeof(run->status), "lost");
}

static bool other_boot(const struct run_file *run)
{
    char boot[sizeof(run->boot)];
    run_file_boot(boot);
    return run->boot[0] && strcmp(run->boot, boot) != 0;
}

// --- After a power failure the server may have more than is here: that is delivered as `wrap --resume` does it, which
// knows how, by a connection of its own.

static void resume_work(struct job *work)
{
    struct worker_job *job = CONTAINER_OF(work, struct worker_job, work);
    struct runner_resumed resumed;
    struct runner_options options = {.server = job->worker->options.server,
                                     .state_dir = job->worker->options.state_dir,
                                     .deliver_wait_ms = RESUME_WAIT_MS};
    options.server.abort = &job->worker->abort;
    int err = runner_resume(&options, job->id, NULL, NULL, &resumed);
    job->work_err = err < 0 && err != ERR_NOT_FOUND                 ? err
                    : resumed.delivered > 0 || err == ERR_NOT_FOUND ? 0
                                                                    : ERR_UNAVAILABLE;
}

static void resume_done(struct job *work)
{
    struct worker_job *job = CONTAINER_OF(work, struct worker_job, work);
    job->working = false;
    if (job->work_err == 0)
        worker_job_end(job);
    else
        timer_start(job->sync_timer, RESUME_AGAIN_MS);
}

// --- What the pool does for a job

static void work_done(struct job *work)
{
    struct worker_job *job = CONTAINER_OF(work, struct worker_job, work);
    job->working = false;
}

static void start_work(struct worker_job *job, void (*work)(struct job *work), void (*done)(struct job *work))
{
    job->work = (struct job){.reply_to = job->worker->loop, .work = work, .done = done};
    job->working = pool_submit(job->worker->pool, &job->work) == 0;
    if (!job->working)
        timer_start(job->sync_timer, SYNC_AFTER_MS);
}

static void sync_work(struct job *work)
{
    struct worker_job *job = CONTAINER_OF(work, struct worker_job, work);
    if (spool_sync(job->spool) == 0)
        run_file_sync(job->dir);
}

void worker_job_sync(struct worker_job *job)
{
    worker_job_give_up_folder(job); // its runner need not wait for as long as this may take
    if (job->powerless)
        start_work(job, resume_work, resume_done);
    else if (!job->dead && !job->delivered && !job->working)
        start_work(job, sync_work, work_done);
}

// The outcome is that of the file. Epoch and incarnation are what the delivery knows; *ret_differs: the file has
// others.
static int load_outcome(struct worker_job *job, bool *ret_differs)
{
    CLEANUP(run_file_release) struct run_file run = {0};
    int err = run_file_load(job->dir, &run);
    if (err < 0)
        return err;
    *ret_differs = job->delivery && (run.epoch != job->run.epoch || strcmp(run.incarnation, job->run.incarnation) != 0);
    if (job->delivery) {
        run.epoch = job->run.epoch;
        memcpy(run.incarnation, job->run.incarnation, sizeof(run.incarnation));
    }
    struct run_file before = job->run; // in place, because the delivery looks at it
    job->run = run;
    run = before;
    return 0;
}

void worker_job_gone(struct worker_job *job)
{
    bool differs;
    int err = load_outcome(job, &differs);
    if (err < 0) {
        log_error(worker_job_logger(job), "what became of a job cannot be read; its folder stays",
                  LOG_S("folder", job->dir), LOG_S("reason", error_text(err)));
        worker_job_end(job);
        return;
    }
    job->state = JOB_ENDED;
    bool whole = job->run.ended && spool_next(job->spool) >= job->run.records;
    if (!whole && other_boot(&job->run)) {
        job->powerless = true;
        spool_free(&job->spool); // the code that delivers it takes the lock
        start_work(job, resume_work, resume_done);
        return;
    }
    if (!whole && worker_job_clears(job, worker_job_gone))
        return; // it comes here again
    if (!whole)
        end_as_lost(job);
    if (!whole || differs) { // saved before the server hears of it, so it cannot become another one
        worker_job_give_up_folder(job);
        run_file_save(&job->run, job->dir, false);
    }
    if (!job->delivery)
        worker_job_deliver(job);
    worker_job_complete(job);
    timer_start(job->sync_timer, SYNC_AFTER_MS);
    worker_job_turn_soon(job);
}
