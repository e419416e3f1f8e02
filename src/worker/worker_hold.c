// Keeps a job that has no runner yet: a stream without records, by which the server hears of it, and we of a cancel.
#include "worker/worker_private.h"

#define AGAIN_MS 1000

struct worker_hold {
    struct run_file run;
    struct delivery_link *link;
    struct timer *again;
    const struct worker_hold_events *events;
    void *arg;
};

static void on_nothing(void *arg)
{
    (void)arg;
}

static void on_message(void *arg, json_t *message)
{
    struct worker_hold *hold = arg;
    const char *type = json_string_value(json_object_get(message, "type"));
    if (type && strcmp(type, "cancel") == 0)
        hold->events->cancelled(hold->arg, json_string_value(json_object_get(message, "reason")));
}

static void on_acked(void *arg, uint64_t sequence_number)
{
    (void)arg;
    (void)sequence_number;
}

static void on_lost(void *arg, int err, const char *text)
{
    const struct worker_hold *hold = arg;
    (void)err;
    (void)text;
    timer_start(hold->again, AGAIN_MS);
}

// Fenced, sealed or gone: it is not ours any more.
static void on_refused(void *arg, int err, const char *text)
{
    const struct worker_hold *hold = arg;
    if (err == ERR_FENCED || err == ERR_SEALED || err == ERR_EXPIRED || err == ERR_NOT_FOUND)
        hold->events->refused(hold->arg);
    else
        on_lost(arg, err, text);
}

static const struct delivery_link_events link_events = {
    .reached = on_nothing,
    .opened = on_nothing,
    .message = on_message,
    .acked = on_acked,
    .lost = on_lost,
    .refused = on_refused,
    .settled = on_nothing,
};

static void connect(void *arg)
{
    const struct worker_hold *hold = arg;
    hold->link->ops->connect(hold->link);
}

struct worker_hold *worker_hold_new(struct worker *worker, const json_t *message,
                                    const struct worker_hold_events *events, void *arg)
{
    struct worker_hold *hold = xcalloc(1, sizeof(*hold));
    hold->events = events;
    hold->arg = arg;
    hold->run.execution_id = xstrdup(json_string_value(json_object_get(message, "execution_id")));
    hold->run.producer = xstrdup(json_string_value(json_object_get(message, "producer")));
    hold->run.epoch = (uint64_t)json_integer_value(json_object_get(message, "epoch"));
    snprintf(hold->run.incarnation, sizeof(hold->run.incarnation), "%s", worker->incarnation);
    hold->again = timer_new(worker->loop, connect, hold);
    hold->link = worker_link_stream(worker->link, &hold->run, NULL);
    hold->link->events = &link_events;
    hold->link->arg = hold;
    timer_start(hold->again, 0);
    return hold;
}

void worker_hold_free(struct worker_hold **hold_ptr)
{
    struct worker_hold *hold = TAKE_PTR(*hold_ptr);
    if (!hold)
        return;
    hold->link->ops->free(hold->link);
    timer_free(&hold->again);
    run_file_release(&hold->run);
    free(hold);
}
