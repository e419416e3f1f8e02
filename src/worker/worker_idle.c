// Runners whose job has ended, and that wait for the next one: a job costs no fork of a runner then. They end when
// their connection is closed.
#include "worker/worker_private.h"

#define IDLE_MS 1000 // since one of them became idle

struct idle {
    struct list_node node;
    struct control *control;
};

static void idle_free(struct idle *idle)
{
    list_remove(&idle->node);
    control_free(&idle->control);
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
    idle_free(arg);
}

static const struct control_events control_events = {heard, gone};

void worker_idle_end(void *arg)
{
    struct worker *worker = arg;
    LIST_FOR_EACH_SAFE(node, next, &worker->idle)
        idle_free(CONTAINER_OF(node, struct idle, node));
}

void worker_idle_keep(struct worker *worker, int control_fd)
{
    struct idle *idle = xcalloc(1, sizeof(*idle));
    list_push_front(&worker->idle, &idle->node);
    idle->control = control_new(worker->loop, control_fd, &control_events, idle);
    if (!idle->control)
        idle_free(idle);
    timer_start(worker->idle_timer, IDLE_MS);
}

bool worker_idle_use(struct worker *worker, const char *dir, int *ret_control)
{
    CLEANUP(buf_release) struct buf message = {0};
    struct json_writer json = json_writer_to(&message);
    if (list_empty(&worker->idle))
        return false;
    struct idle *idle = CONTAINER_OF(worker->idle.next, struct idle, node);
    json_open_object(&json, NULL);
    json_add_text(&json, "type", "run");
    json_add_text(&json, "dir", dir);
    json_close(&json);
    control_say(idle->control, buf_str(&message));
    *ret_control = control_detach(&idle->control);
    idle_free(idle);
    return true;
}
