// What makes a run durable on this machine: its file, and its spool.
#include "runner/runner_private.h"

#define SYNC_EVERY_MS 1000

void runner_sync_soon(struct runner *runner)
{
    if (!timer_active(runner->sync_timer) && !runner->sync.running)
        timer_start(runner->sync_timer, SYNC_EVERY_MS);
}

int runner_save_run(struct runner *runner)
{
    int err = run_file_save(&runner->run, runner->dir, false);
    runner->run_file_saves++;
    runner_sync_soon(runner);
    return err;
}

static void sync_work(struct job *job)
{
    struct sync_job *sync = CONTAINER_OF(job, struct sync_job, job);
    const struct runner *runner = sync->runner;
    sync->err = 0;
    if (sync->run_file_synced != sync->run_file_saves)
        sync->err = run_file_sync(runner->dir);
    if (sync->err == 0)
        sync->err = spool_sync(runner->spool);
}

static void sync_done(struct job *job)
{
    struct sync_job *sync = CONTAINER_OF(job, struct sync_job, job);
    struct runner *runner = sync->runner;
    sync->running = false;
    if (runner->stopping)
        return;
    if (sync->err < 0) {
        // The spool knows about the failure and refuses to go on, which ends the recording.
        runner_warn(runner, "the spool cannot be made durable: %s", strerror(-sync->err));
        return;
    }
    sync->run_file_synced = sync->run_file_saves;
    recorder_room(runner->recorder); // the spool may have been trimmed
    bool all_synced =
        spool_synced(runner->spool) == spool_next(runner->spool) && sync->run_file_synced == runner->run_file_saves;
    if (!all_synced || !runner->recorded)
        timer_start(runner->sync_timer, SYNC_EVERY_MS);
}

void runner_sync(void *arg)
{
    struct runner *runner = arg;
    runner->sync.runner = runner;
    runner->sync.run_file_saves = runner->run_file_saves;
    runner->sync.job.reply_to = runner->loop;
    runner->sync.job.work = sync_work;
    runner->sync.job.done = sync_done;
    runner->sync.running = pool_submit(runner->pool, &runner->sync.job) == 0;
    if (!runner->sync.running)
        timer_start(runner->sync_timer, SYNC_EVERY_MS);
}
