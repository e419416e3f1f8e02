// What stays from one job of a runner to the next.
#include "runner/job/job_private.h"

static struct cgroup_limits limits_of(const struct job_file *file)
{
    return (struct cgroup_limits){
        .memory_max = file->memory_max, .processes_max = file->processes_max, .cpus_milli = file->cpus_milli};
}

static bool is_limited(const struct job_file *file)
{
    return file->memory_max > 0 || file->processes_max > 0 || file->cpus_milli > 0;
}

// What the job could not write in: then it is as it was made.
static bool may_keep_cgroup(const struct job_file *file)
{
    return !is_limited(file) && (file->confined || (file->has_user && file->user.uid != 0));
}

void job_make_cgroup(struct job_runner *runner)
{
    const struct job_file *file = &runner->file;
    struct cgroup *kept = &runner->kept->cgroup;
    const struct cgroup_limits limits = limits_of(file);
    if (!file->cgroup || file->refusal || file->image)
        return;
    if (kept->path && !is_limited(file) && strcmp(kept->path, file->cgroup) == 0) {
        runner->cgroup = *kept;
        *kept = CGROUP_NONE;
        return;
    }
    cgroup_remove(kept);
    cgroup_make(file->cgroup, &limits, &runner->cgroup, &runner->limited);
}

void job_keep_cgroup(struct job_runner *runner)
{
    if (!runner->cgroup.path || !may_keep_cgroup(&runner->file) || !cgroup_renew(&runner->cgroup))
        return;
    runner->kept->cgroup = runner->cgroup;
    runner->cgroup = CGROUP_NONE;
}

void job_kept_release_folder(struct job_kept *kept)
{
    close_fd(&kept->ruleset);
    close_fd(&kept->door);
}

void job_kept_release(struct job_kept *kept)
{
    job_kept_release_folder(kept);
    cgroup_remove(&kept->cgroup);
}
