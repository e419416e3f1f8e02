#include "api/lookup.h"

static void found(struct store_op *op)
{
    struct execution_lookup *it = CONTAINER_OF(op, struct execution_lookup, get.op);
    int err = op->err;
    if (err == 0)
        it->kept = execution_cache_keep(it->api->executions, &it->get);
    it->done(it, err);
}

void execution_lookup(struct execution_lookup *it, struct api *api, int64_t account, struct str id)
{
    it->api = api;
    it->kept = NULL;
    if (!id_execution_valid(id)) {
        it->done(it, ERR_NOT_FOUND);
        return;
    }
    it->kept = execution_cache_find(api->executions, account, id);
    if (it->kept) {
        it->done(it, 0);
        return;
    }
    memcpy(it->id, id.data, id.len);
    it->get = (struct store_get){
        .op = {.kind = STORE_GET, .reply_to = api->options.loop, .done = found},
        .account = account,
        .execution_id = str_n(it->id, id.len),
    };
    store_submit(api->options.store, &it->get.op);
}

// Only the former owner is told that an execution was purged.
int execution_judge(const struct principal *principal, const struct execution *execution)
{
    if (!principal_owns(principal, execution))
        return ERR_NOT_FOUND;
    return execution->purged ? ERR_EXPIRED : 0;
}

int batch_judge(const struct principal *principal, const struct batch *batch)
{
    bool theirs = principal->role != ROLE_USER || (batch->owner && strcmp(batch->owner, principal->user) == 0);
    return theirs ? 0 : ERR_NOT_FOUND;
}

const char *execution_error_text(int err)
{
    return err == ERR_NOT_FOUND ? "no such execution" : error_text(err);
}
