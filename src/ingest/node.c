#include "ingest/node.h"

#include "util/clock.h"
#include "util/log.h"

#include <stdatomic.h>

struct node {
    struct node_options options;
    _Atomic int64_t id;
    _Atomic uint64_t taken_ms; // see node_may_vouch
    uint64_t asked_ms;         // when the operation under way was asked for
    struct loop *loop;
    struct timer *timer;
    void (*started)(void *arg, int err); // NULL once it was called
    void *started_arg;
    bool asks;          // one of the operations is under way
    bool adopt_due;     // there may be leases that others have left
    uint64_t looked_ms; // when it has read last what it holds
    struct store_node_start start;
    struct store_node_beat beat;
    struct store_lease_adopt adopt;
};

struct node *node_new(const struct node_options *options)
{
    struct node *node = xcalloc(1, sizeof(*node));
    node->options = *options;
    if (node->options.beat_ms == 0)
        node->options.beat_ms = NODE_BEAT_MS;
    if (node->options.look_ms == 0)
        node->options.look_ms = NODE_LOOK_MS;
    atomic_init(&node->id, NODE_NONE);
    return node;
}

void node_free(struct node **node)
{
    free(TAKE_PTR(*node));
}

int64_t node_number(const struct node *node)
{
    return atomic_load(&node->id);
}

// An embedded store is never away: what runners ask for is answered, whether it can be written or not.
static bool may(const struct node *node, bool (*rule)(uint64_t taken_ms, uint64_t now_ms))
{
    if (node_number(node) == NODE_NONE)
        return false;
    return store_alone(node->options.store) || rule(atomic_load(&node->taken_ms), clock_boot_ms());
}

bool node_vouches(const struct node *node)
{
    return may(node, node_may_vouch);
}

bool node_judges(const struct node *node)
{
    return may(node, node_may_judge);
}

static void start_again(struct node *node);
static void adopt(struct node *node);
static void look(struct node *node, int64_t after);

static void ask(struct node *node, struct store_op *op, enum store_op_kind kind, void (*done)(struct store_op *op))
{
    if (!node->timer)
        return; // it has stopped
    *op = (struct store_op){.kind = kind, .reply_to = node->loop, .done = done};
    node->asks = true;
    node->asked_ms = clock_boot_ms();
    store_submit(node->options.store, op);
}

// --- Heard of

static void fenced(struct node *node)
{
    log_warn(node->options.logger, "this server was silent for too long; others take over its runners, it starts anew",
             LOG_I("node", node_number(node)));
    atomic_store(&node->id, NODE_NONE); // before it forgets what it held, so that nothing is added to that
    node->options.fenced(node->options.arg);
    start_again(node);
}

static void beat_done(struct store_op *op)
{
    struct node *node = CONTAINER_OF(op, struct node, beat.op);
    node->asks = false;
    if (op->err == ERR_NODE_FENCED)
        fenced(node);
    if (op->err)
        return; // the next one may get through
    atomic_store(&node->taken_ms, node->asked_ms);
    adopt(node); // also what one that has gone meanwhile had begun to adopt
}

static void beat(struct node *node)
{
    node->beat = (struct store_node_beat){.node = node_number(node)};
    ask(node, &node->beat.op, STORE_NODE_BEAT, beat_done);
}

static void tick(void *arg)
{
    struct node *node = arg;
    timer_start(node->timer, node->options.beat_ms);
    if (node->asks)
        return;
    if (node_number(node) == NODE_NONE)
        start_again(node);
    else if (!store_alone(node->options.store))
        beat(node);
    else if (node->adopt_due)
        adopt(node);
    else
        timer_stop(node->timer);
}

// --- What others have left

static bool adopt_done(struct node *node, void (*tell)(void *arg, const struct adopted_lease *lease), int64_t *ret_last)
{
    struct store_lease_adopt *adopt = &node->adopt;
    int err = adopt->op.err;
    bool more = err == 0 && adopt->ret_count == STORE_ADOPT_MAX;
    node->asks = false;
    for (size_t i = 0; i < adopt->ret_count && err == 0; i++)
        tell(node->options.arg, &adopt->ret_leases[i]);
    *ret_last = more ? adopt->ret_leases[adopt->ret_count - 1].subject : 0;
    if (err == ERR_NODE_FENCED)
        fenced(node);
    else if (err && node->timer)
        log_error(node->options.logger, "the leases of runners could not be taken over; it is tried again",
                  LOG_S("error", error_word(err)));
    store_op_release(&adopt->op);
    return more;
}

static void left_done(struct store_op *op)
{
    struct node *node = CONTAINER_OF(op, struct node, adopt.op);
    bool done = op->err == 0;
    int64_t last;
    node->adopt_due = !done;
    if (adopt_done(node, node->options.adopted, &last))
        adopt(node);
    else if (done && !store_alone(node->options.store) && clock_boot_ms() - node->looked_ms >= node->options.look_ms)
        look(node, 0);
}

static void adopt(struct node *node)
{
    node->adopt = (struct store_lease_adopt){.lease_kind = LEASE_RUNNER, .node = node_number(node)};
    ask(node, &node->adopt.op, STORE_LEASE_ADOPT, left_done);
}

// --- What it holds without knowing

static void look_done(struct store_op *op)
{
    struct node *node = CONTAINER_OF(op, struct node, adopt.op);
    int64_t last;
    if (adopt_done(node, node->options.owned, &last))
        look(node, last);
}

static void look(struct node *node, int64_t after)
{
    node->looked_ms = clock_boot_ms();
    node->adopt =
        (struct store_lease_adopt){.lease_kind = LEASE_RUNNER, .node = node_number(node), .own = true, .after = after};
    ask(node, &node->adopt.op, STORE_LEASE_ADOPT, look_done);
}

// --- Start

static void start_done(struct store_op *op)
{
    struct node *node = CONTAINER_OF(op, struct node, start.op);
    node->asks = false;
    if (op->err == 0) {
        atomic_store(&node->taken_ms, node->asked_ms);
        atomic_store(&node->id, node->start.ret_node);
        node->looked_ms = node->asked_ms; // it holds nothing yet
        node->options.former = 0;         // it is fenced
        if (node->options.became)
            node->options.became(node->options.arg, node->start.ret_node);
    }
    void (*started)(void *arg, int err) = TAKE_PTR(node->started);
    if (started)
        started(node->started_arg, op->err);
    else if (op->err == ERR_TOO_NEW && node->options.outgrown)
        node->options.outgrown(node->options.arg);
    if (op->err == 0)
        adopt(node);
}

static void start_again(struct node *node)
{
    node->start = (struct store_node_start){
        .node_kind = NODE_SERVER, .address = str_of(node->options.address), .former = node->options.former};
    ask(node, &node->start.op, STORE_NODE_START, start_done);
}

void node_start(struct node *node, struct loop *loop, void (*started)(void *arg, int err), void *arg)
{
    node->loop = loop;
    node->started = started;
    node->started_arg = arg;
    node->timer = timer_new(loop, tick, node);
    timer_start(node->timer, node->options.beat_ms);
    start_again(node);
}

static void left(struct store_op *op)
{
    free(CONTAINER_OF(op, struct store_node_beat, op));
}

// If it does not get through, the others notice by its silence.
static void leave(struct node *node)
{
    struct store_node_beat *beat = xcalloc(1, sizeof(*beat));
    *beat = (struct store_node_beat){
        .op = {.kind = STORE_NODE_BEAT, .done = left}, .node = node_number(node), .leaves = true};
    store_submit(node->options.store, &beat->op);
}

void node_stop(struct node *node)
{
    timer_free(&node->timer);
    if (!store_alone(node->options.store) && node_number(node) != NODE_NONE)
        leave(node);
}
