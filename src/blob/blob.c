#include "blob/blob.h"

#include "util/error.h"

#include <stdatomic.h>

static void run(struct job *job)
{
    struct blob_op *op = CONTAINER_OF(job, struct blob_op, job);
    struct blob_store *store = op->store;
    switch (op->kind) {
#define BLOB_RUN(NAME, name)                                                            \
    case BLOB_##NAME:                                                                   \
        op->err = store->vtable->name(store, CONTAINER_OF(op, struct blob_##name, op)); \
        break;
        BLOB_OPS(BLOB_RUN)
#undef BLOB_RUN
    case BLOB_OP_KINDS:
        op->err = ERR_INTERNAL;
        break;
    }
}

static void done(struct job *job)
{
    struct blob_op *op = CONTAINER_OF(job, struct blob_op, job);
    op->done(op);
}

static void deliver_refusal(struct mail *mail)
{
    done(CONTAINER_OF(mail, struct job, mail));
}

// An upload ends by these, whatever becomes of them.
static struct blob_upload *ended_by(const struct blob_op *op)
{
    if (op->kind == BLOB_PAUSE)
        return CONTAINER_OF(op, const struct blob_pause, op)->upload;
    return op->kind == BLOB_FINISH ? CONTAINER_OF(op, const struct blob_finish, op)->upload : NULL;
}

void blob_submit(struct blob_store *store, struct blob_op *op)
{
    op->store = store;
    op->err = 0;
    op->ret_reason[0] = 0;
    op->job = (struct job){.reply_to = op->reply_to, .account = op->account, .work = run, .done = done};
    int err = store->stopped ? ERR_SHUTTING_DOWN : pool_submit(store->pool, &op->job);
    if (err == 0)
        return;
    if (ended_by(op))
        store->vtable->abandon(store, ended_by(op));
    op->err = err;
    op->job.mail.deliver = deliver_refusal;
    loop_post(op->reply_to, &op->job.mail);
}

void blob_stop(struct blob_store *store)
{
    bool first = !atomic_exchange(&store->stopped, true);
    if (first && store->vtable->stop)
        store->vtable->stop(store);
    pool_free(&store->pool);
}

bool blob_away(struct blob_store *store, char ret_reason[BLOB_REASON_MAX + 1])
{
    return store->vtable->away && store->vtable->away(store, ret_reason);
}

void blob_free(struct blob_store **store_ptr)
{
    struct blob_store *store = *store_ptr;
    if (!store)
        return;
    *store_ptr = NULL;
    blob_stop(store);
    store->vtable->free(store);
}
