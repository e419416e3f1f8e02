// What a job has left in RUNNEL_OUTPUTS is uploaded with the job's own credential, when its process has ended and
// before its log is completed.
#include "worker/worker_private.h"

#define TRANSFER_THREADS 4
#define TRANSFERS_QUEUE  4096

struct pool *worker_transfers(struct worker *worker)
{
    if (!worker->transfers && pool_new(TRANSFER_THREADS, TRANSFERS_QUEUE, &worker->transfers) < 0)
        worker->transfers = NULL;
    return worker->transfers;
}

static void tell(struct worker_job *job, const struct outputs_report *report)
{
    if (report->missing == 0)
        return;
    int err = outputs_tell(job->spool, report);
    job->run.records = spool_next(job->spool);
    run_file_save(&job->run, job->dir, false);
    if (err < 0)
        log_warn(job->worker->options.logger, "what a job has left is not whole, and its log does not say so",
                 LOG_S("execution_id", job->id), LOG_S("reason", error_text(err)));
    delivery_spooled(job->delivery);
}

static void on_uploaded(void *arg, const struct outputs_report *report)
{
    struct worker_job *job = arg;
    if (job->dead || job->refused < 0)
        return;
    tell(job, report);
    outputs_free(&job->outputs);
    delivery_complete(job->delivery);
}

void worker_job_complete(struct worker_job *job)
{
    CLEANUP(job_file_release) struct job_file file = {0};
    struct worker *worker = job->worker;
    // A job that leaves nothing costs no more than this: the folder has to go anyway.
    bool left = job->idle_fd < 0 && outputs_left(job->dir_fd);
    if (left && job_file_load(job->dir_fd, &file) == 0 && worker_transfers(worker)) {
        const struct outputs_options options = {.server = &worker->options.server,
                                                .token = file.token,
                                                .execution_id = job->id,
                                                .run_dir_fd = job->dir_fd,
                                                .owner = file.has_user ? file.user.uid : UINT32_MAX};
        job->outputs = outputs_new(&options, worker->loop, worker->transfers, on_uploaded, job);
    }
    if (!job->outputs)
        delivery_complete(job->delivery);
}
