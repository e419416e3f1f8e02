// Runners whose job has ended, and that wait for the next one: a job costs no fork of a runner then. They end when
// their connection is closed. With some of them waits the folder of their last job, which was left as it was made.
#include "util/file.h"
#include "util/id.h"
#include "worker/worker_private.h"

#include <unistd.h>

#define IDLE_MS 1000 // since one of them became idle

struct idle {
    struct list_node node; // those with a folder come first
    struct control *control;
    char *folder; // or NULL
    char *cgroup; // the same: that it has kept
};

static void idle_free(struct idle *idle)
{
    list_remove(&idle->node);
    control_free(&idle->control);
    if (idle->folder)
        dir_remove_all(idle->folder);
    free(idle->folder);
    free(idle->cgroup);
    free(idle);
}

static void heard(void *arg, const char *type, const json_t *message)
{
    (void)arg;
    (void)type;
    (void)message;
}

static void gone(void *arg)
{
    const struct idle *idle = arg;
    if (idle->cgroup)
        rmdir(idle->cgroup); // if it was killed
    idle_free(arg);
}

static const struct control_events control_events = {heard, gone};

void worker_idle_end(void *arg)
{
    struct worker *worker = arg;
    LIST_FOR_EACH_SAFE(node, next, &worker->idle)
        idle_free(CONTAINER_OF(node, struct idle, node));
}

void worker_idle_keep(struct worker *worker, int control_fd, char *folder, char *cgroup)
{
    struct idle *idle = xcalloc(1, sizeof(*idle));
    idle->folder = folder;
    idle->cgroup = cgroup;
    if (folder)
        list_push_front(&worker->idle, &idle->node);
    else
        list_push_back(&worker->idle, &idle->node);
    idle->control = control_new(worker->loop, control_fd, &control_events, idle);
    if (!idle->control)
        idle_free(idle);
    timer_start(worker->idle_timer, IDLE_MS);
}

char *worker_idle_name(const struct worker *worker)
{
    return xasprintf("%s/" SPARE_PREFIX "%016llx", worker->spools, (unsigned long long)random_u64());
}

struct worker_reuse worker_idle_next(const struct worker *worker)
{
    if (list_empty(&worker->idle))
        return (struct worker_reuse){0};
    const struct idle *idle = CONTAINER_OF(worker->idle.next, struct idle, node);
    return (struct worker_reuse){idle->folder, idle->cgroup};
}

bool worker_idle_use(struct worker *worker, const char *dir, bool again, int *ret_control)
{
    CLEANUP(buf_release) struct buf message = {0};
    struct json_writer json = json_writer_to(&message);
    if (list_empty(&worker->idle))
        return false;
    struct idle *idle = CONTAINER_OF(again ? worker->idle.next : worker->idle.prev, struct idle, node);
    json_open_object(&json, NULL);
    json_add_text(&json, "type", "run");
    json_add_text(&json, "dir", dir);
    json_add_bool(&json, "again", again);
    json_close(&json);
    bool said = control_say(idle->control, buf_str(&message));
    if (said)
        *ret_control = control_detach(&idle->control);
    if (again)
        free(TAKE_PTR(idle->folder)); // it is the job's now
    idle_free(idle);
    return said;
}
