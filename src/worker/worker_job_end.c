// The end of a job here: when its log is delivered, or nobody takes it, its folder goes and it is forgotten.
#include "util/file.h"
#include "worker/worker_private.h"

#define END_STEP_MS 2 // time between two looks whether the pool is done with it

void worker_job_give_up_folder(struct worker_job *job)
{
    if (job->idle_fd >= 0 && !job->worker->stopping)
        worker_idle_keep(job->worker, TAKE_FD(job->idle_fd), NULL, TAKE_PTR(job->idle_cgroup));
    close_fd(&job->idle_fd);
}

void worker_job_detach(struct worker_job *job)
{
    deferred_cancel(&job->turn);
    worker_clear_free(&job->clear);
    control_free(&job->control);
    worker_inputs_free(&job->inputs);
    outputs_free(&job->outputs);
    delivery_free(&job->delivery);
}

void worker_job_free(struct worker_job *job)
{
    struct worker *worker = job->worker;
    worker_job_detach(job);
    map_remove(&worker->jobs, &job->node);
    worker_job_give_up_folder(job);
    timer_free(&job->adopting);
    timer_free(&job->sync_timer);
    timer_free(&job->end_timer);
    timer_free(&job->settle_timer);
    spool_free(&job->spool);
    run_file_release(&job->run);
    close_fd(&job->dir_fd);
    free(job->idle_cgroup);
    free(job->id);
    free(job->dir);
    free(job);
    worker->job_gone(worker);
}

void worker_job_end(struct worker_job *job)
{
    job->dead = true;
    if (job->working || (job->delivery && delivery_reading(job->delivery)))
        timer_start(job->end_timer, END_STEP_MS);
    else
        worker_job_free(job);
}

void worker_job_give_back(struct worker *worker, const char *id, uint64_t epoch, const char *reason)
{
    CLEANUP(buf_release) struct buf message = {0};
    struct json_writer json = json_writer_to(&message);
    json_open_object(&json, NULL);
    json_add_text(&json, "type", "return");
    json_add_text(&json, "execution_id", id);
    json_add_u64(&json, "epoch", epoch);
    json_add_text(&json, "reason", reason);
    json_close(&json);
    // A `hello` that is not answered yet may have said that it is here.
    if (worker_link_send(worker->link, buf_str(&message)) < 0)
        buf_printf(&worker->given_back, "%s\n", buf_cstr(&message));
    log_warn(worker->options.logger, "a job is given back", LOG_S("execution_id", id), LOG_S("reason", reason));
}

static void remove_part(const struct worker_job *job, const char *name)
{
    CLEANUP(free_ptr) char *path = xasprintf("%s/%s", job->dir, name);
    dir_remove_all(path);
}

// All of it is delivered.
static void clear_folder(struct worker_job *job)
{
    CLEANUP(free_ptr) char *name = worker_idle_name(job->worker);
    if (job->idle_fd < 0)
        spool_remove(&job->spool);
    else if (spool_vacate(&job->spool, name) == 0)
        worker_idle_keep(job->worker, TAKE_FD(job->idle_fd), TAKE_PTR(name), TAKE_PTR(job->idle_cgroup));
}

void worker_job_settle(struct worker_job *job)
{
    bool goes = job->delivered || (job->refused == ERR_EXPIRED && job->state == JOB_ENDED);
    if (goes && (job->working || delivery_reading(job->delivery))) {
        timer_start(job->settle_timer, END_STEP_MS);
    } else if (job->delivered) {
        clear_folder(job);
        worker_job_end(job);
    } else if (job->refused == ERR_EXPIRED && job->state == JOB_ENDED) {
        log_warn(worker_job_logger(job), "the execution of a job has expired, or was purged; its log is discarded",
                 LOG_S("execution_id", job->id));
        job->state = JOB_KEPT;
        spool_remove(&job->spool);
        worker_job_end(job);
    } else if (job->refused < 0 && job->state == JOB_ENDED) {
        job->state = JOB_KEPT;
        log_error(worker_job_logger(job), "the server does not take the log of a job; its folder stays",
                  LOG_S("execution_id", job->id), LOG_S("folder", job->dir), LOG_S("reason", error_text(job->refused)));
        remove_part(job, JOB_WORK);
        worker_job_end(job);
    }
}
