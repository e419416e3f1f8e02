// The net beneath the hints of other servers: while executions are followed here, the store is asked once a second
// where they stand. Nothing of it runs where this server has the store alone.
#include "fanout/fanout_private.h"

#define LOOK_MS      1000
#define LOOK_SOON_MS 50 // when hints were missed; many of them cause one look

struct look {
    struct fanout *fanout;
    int64_t *rows;
    size_t count, asked; // rows before `asked` were answered, or are being asked for
    struct store_look query;
};

static void look_free(struct look *look)
{
    free(look->rows);
    free(look);
}

static void look_on(struct look *look);

static void look_over(struct look *look)
{
    struct fanout *fanout = look->fanout;
    fanout->look = NULL;
    timer_start(fanout->look_timer, fanout->look_soon ? LOOK_SOON_MS : LOOK_MS);
    look_free(look);
}

static void look_answered(struct store_op *op)
{
    struct look *look = CONTAINER_OF(op, struct look, query.op);
    int err = op->err;
    if (!look->fanout) { // it is gone
        store_op_release(op);
        look_free(look);
        return;
    }
    for (size_t i = 0; i < look->query.ret_count && err == 0; i++)
        look->fanout->look_heard(look->fanout, &look->query.ret_changes[i]);
    store_op_release(op);
    if (err < 0)
        look->asked = look->count; // the next one may get through
    look_on(look);
}

static void look_on(struct look *look)
{
    size_t count = MIN(look->count - look->asked, (size_t)STORE_LOOK_MAX);
    if (count == 0) {
        look_over(look);
        return;
    }
    look->query = (struct store_look){
        .op = {.kind = STORE_LOOK, .reply_to = look->fanout->options.loop, .done = look_answered},
        .rows = look->rows + look->asked,
        .count = count,
    };
    look->asked += count;
    store_submit(look->fanout->options.store, &look->query.op);
}

static void note_row(struct map_node *node, void *arg)
{
    struct look *look = arg;
    const struct topic *topic = CONTAINER_OF(node, struct topic, node);
    if (!list_empty(&topic->waiters))
        look->rows[look->count++] = topic->execution.row;
}

static void look_begin(void *arg)
{
    struct fanout *fanout = arg;
    struct look *look = xcalloc(1, sizeof(*look));
    look->fanout = fanout;
    fanout->look_soon = false;
    look->rows = xcalloc(fanout->topics.count + 1, sizeof(*look->rows));
    map_each(&fanout->topics, note_row, look);
    fanout->look = look;
    look_on(look);
}

void fanout_look_soon(struct fanout *fanout)
{
    if (!fanout->look && !fanout->look_soon && fanout->look_timer)
        timer_start(fanout->look_timer, LOOK_SOON_MS);
    fanout->look_soon = true; // so that a later one does not put it off
}

void fanout_look_start(struct fanout *fanout, fanout_heard_fn *heard)
{
    fanout->look_heard = heard;
    if (store_alone(fanout->options.store))
        return;
    fanout->look_timer = timer_new(fanout->options.loop, look_begin, fanout);
    timer_start(fanout->look_timer, LOOK_MS);
}

void fanout_look_stop(struct fanout *fanout)
{
    if (fanout->look)
        fanout->look->fanout = NULL;
    fanout->look = NULL;
    timer_free(&fanout->look_timer);
}
