#include "api/system/readiness.h"

#include "loop/loop.h"
#include "store/store.h"

struct readiness {
    struct store *store;
    struct loop *loop;
    struct timer *timer; // runs from the question on
    uint64_t patience_ms;
    struct store_count_open *question; // NULL: none is under way
    struct list_node asking;           // of struct readiness_ask; empty without a question
    bool late;                         // the question was not answered within the patience
};

static void tell(struct readiness *it, int err)
{
    struct list_node asking;
    list_init(&asking);
    list_splice(&asking, &it->asking); // whoever is told may ask again
    LIST_FOR_EACH_SAFE(node, next, &asking) {
        struct readiness_ask *ask = CONTAINER_OF(node, struct readiness_ask, node);
        list_remove(node);
        ask->told(ask, err);
    }
}

static void ran_out(void *arg)
{
    struct readiness *it = arg;
    it->late = true;
    tell(it, ERR_TIMEOUT);
}

struct question {
    struct store_count_open query;
    struct readiness *readiness;
};

static void answered(struct store_op *op)
{
    struct question *question = CONTAINER_OF(op, struct question, query.op);
    struct readiness *it = question->readiness;
    int err = op->err;
    store_op_release(op);
    free(question);
    it->question = NULL;
    it->late = false;
    timer_stop(it->timer);
    tell(it, err);
}

static void put_question(struct readiness *it)
{
    struct question *question = xcalloc(1, sizeof(*question));
    question->readiness = it;
    question->query = (struct store_count_open){
        .op = {.kind = STORE_COUNT_OPEN, .reply_to = it->loop, .done = answered},
        .probe = true,
    };
    it->question = &question->query;
    timer_start(it->timer, it->patience_ms);
    store_submit(it->store, &question->query.op);
}

struct readiness *readiness_new(struct loop *loop, struct store *store, uint64_t patience_ms)
{
    struct readiness *it = xcalloc(1, sizeof(*it));
    *it = (struct readiness){.store = store, .loop = loop, .patience_ms = patience_ms};
    it->timer = timer_new(loop, ran_out, it);
    list_init(&it->asking);
    return it;
}

void readiness_free(struct readiness **readiness)
{
    if (!*readiness)
        return;
    timer_free(&(*readiness)->timer);
    free(*readiness);
    *readiness = NULL;
}

void readiness_ask(struct readiness *readiness, struct readiness_ask *ask)
{
    list_init(&ask->node);
    if (readiness->late) {
        ask->told(ask, ERR_TIMEOUT);
        return;
    }
    list_push_back(&readiness->asking, &ask->node);
    if (!readiness->question)
        put_question(readiness);
}
