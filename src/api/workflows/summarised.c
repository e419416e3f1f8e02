#include "api/workflows/summarised.h"

static void process(struct store_op *op)
{
    struct summarised *it = CONTAINER_OF(op, struct summarised, op.op);
    if (op->err == 0 && !it->op.ret_more)
        op->err = it->process(it, &it->op.ret_summary);
}

static void asked(struct store_op *op)
{
    struct summarised *it = CONTAINER_OF(op, struct summarised, op.op);
    bool gone = it->call && !it->call->request;
    if (op->err == 0 && it->op.ret_more && !gone) {
        op->scan = true;
        store_submit(it->api->options.store, op);
        return;
    }
    struct summary summary = it->op.ret_summary;
    int err = op->err == 0 && it->op.ret_more ? ERR_CANCELED : op->err;
    it->op.ret_summary = (struct summary){0};
    store_op_release(op);
    it->done(it, err, err ? NULL : &summary);
    summary_release(&summary);
}

void summarised_ask(struct summarised *it, struct api *api, int64_t account, int64_t row)
{
    it->api = api;
    it->op = (struct store_summary){
        .op = {.kind = STORE_SUMMARY,
               .reply_to = api->options.loop,
               .done = asked,
               .process = it->process ? process : NULL,
               .account = account},
        .row = row,
    };
    store_submit(api->options.store, &it->op.op);
}
