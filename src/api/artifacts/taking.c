#include "api/artifacts/taking.h"

void taking_init(struct taking *taking, struct call *call)
{
    call_ref(call);
    *taking = (struct taking){.call = call, .request = call_take_request(call)};
}

void taking_release(struct taking *taking)
{
    budget_lease_release(&taking->held);
    call_unref(taking->call);
}

bool taking_hold(struct taking *taking, size_t bytes)
{
    CLEANUP(budget_account_unref)
    struct budget_account *account = budget_account(taking->call->api->options.budget, taking->call->principal.account);
    return budget_lease_set(&taking->held, account, BUDGET_requests, bytes);
}

void taking_store(struct taking *taking, struct store_op *op, enum store_op_kind kind,
                  void (*done)(struct store_op *op))
{
    const struct api_options *options = &taking->call->api->options;
    *op = (struct store_op){
        .kind = kind, .reply_to = options->loop, .done = done, .account = taking->call->principal.account};
    store_submit(options->store, op);
}

void taking_blob(struct taking *taking, struct blob_op *op, enum blob_op_kind kind, void (*done)(struct blob_op *op))
{
    const struct api_options *options = &taking->call->api->options;
    *op = (struct blob_op){
        .kind = kind, .reply_to = options->loop, .done = done, .account = taking->call->principal.account};
    blob_submit(options->blobs, op);
}

struct http_request *taking_end(struct taking *taking)
{
    struct http_request *request = TAKE_PTR(taking->request);
    if (!request)
        return NULL;
    http_on_abort(request, NULL, NULL);
    http_stop_body(request);
    return request;
}

void taking_fail(struct taking *taking, int err, const char *detail)
{
    struct http_request *request = taking_end(taking);
    if (request)
        http_respond_error(request, err, detail);
}
