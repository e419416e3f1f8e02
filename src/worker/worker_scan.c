// Finds what earlier workers have left in the folder: runners that live, logs that are not delivered, jobs that never
// began.
#include "util/file.h"
#include "util/id.h"
#include "worker/worker_private.h"

#include <dirent.h>
#include <fcntl.h>
#include <unistd.h>

static void find(struct worker *worker, const char *id)
{
    CLEANUP(free_ptr) char *dir = xasprintf("%s/%s", worker->spools, id);
    CLEANUP(job_file_release) struct job_file file = {0};
    CLEANUP(close_fd) int dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (dir_fd < 0)
        return;
    int err = job_file_load(dir_fd, &file);
    if (err == ERR_NOT_FOUND)
        return; // it belongs to a `runnel wrap`, or to a job that was being made
    if (err < 0) {
        log_error(worker->options.logger, "what a job was to be cannot be read; its folder stays", LOG_S("folder", dir),
                  LOG_S("reason", error_text(err)));
        return;
    }
    struct worker_job *job = worker_job_new(worker, id, file.epoch, file.retry_on_lost);
    if (!job || worker_job_found(job))
        return;
    worker_job_end(job);
    dir_remove_all(dir);
}

// The server hands that job out again, as nobody says that he has it.
static void remove_begun(const struct worker *worker, const char *name)
{
    CLEANUP(free_ptr) char *dir = xasprintf("%s/%s", worker->spools, name);
    dir_remove_all(dir);
}

void worker_scan(struct worker *worker)
{
    struct dirent **names = NULL;
    spool_sweep(worker->spools);
    // Ids sort by time, so the oldest comes first.
    int count = scandir(worker->spools, &names, NULL, alphasort);
    for (int i = 0; i < count; i++) {
        if (strncmp(names[i]->d_name, INPUTS_PREFIX, strlen(INPUTS_PREFIX)) == 0 ||
            strncmp(names[i]->d_name, SPARE_PREFIX, strlen(SPARE_PREFIX)) == 0)
            remove_begun(worker, names[i]->d_name);
        if (id_execution_valid(str_of(names[i]->d_name)))
            find(worker, names[i]->d_name);
        free(names[i]);
    }
    free(names);
    if (worker->jobs.count > 0)
        log_info(worker->options.logger, "found jobs of an earlier worker", LOG_I("jobs", worker->jobs.count));
}
