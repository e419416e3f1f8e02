#include "api/reading.h"

#define NOT_SET_UP "the log is kept elsewhere, and this server is not set up to fetch it"

struct reading {
    struct fetch_wait wait;
    struct call *call; // NULL: nobody waits
    void (*done)(struct call *call);
};

// A runner that has taken it brings its log itself.
static bool is_elsewhere(const struct execution *execution)
{
    return execution->to_fetch && !execution->sealed && execution->epoch == 0;
}

static bool can_fetch(const struct api *api, const struct execution *execution)
{
    return fetches_serve(api->options.fetches, execution->account);
}

bool reading_is_due(const struct call *call)
{
    const struct execution *execution = &call->execution;
    return call->route->flags & (ROUTE_READS | ROUTE_FOLLOWS) && !call->fetched && is_elsewhere(execution) &&
           (can_fetch(call->api, execution) || execution->next_sequence == 0);
}

static struct reading *reading_new(struct api *api, const struct execution *execution,
                                   void (*done)(struct fetch_wait *wait))
{
    struct reading *it = xcalloc(1, sizeof(*it));
    it->wait = (struct fetch_wait){
        .account = execution->account,
        .row = execution->row,
        .ended = status_terminal(execution->status),
        .reply_to = api->options.loop,
        .done = done,
    };
    snprintf(it->wait.execution_id, sizeof(it->wait.execution_id), "%s", execution->execution_id);
    return it;
}

static bool is_live(const struct call *call)
{
    for (const struct field *field = call->route->query; field && field->name; field++) {
        if (strcmp(field->name, "follow") == 0)
            return call_param(call, "follow").number != 0;
    }
    return call->route->flags & ROUTE_FOLLOWS;
}

static void fetched(struct fetch_wait *wait)
{
    struct reading *it = CONTAINER_OF(wait, struct reading, wait);
    struct call *call = it->call;
    if (call->request && wait->err)
        call_fail(call, wait->err, wait->ret_reason);
    else if (call->request)
        it->done(call);
    call_unref(call);
    free(it);
}

void reading_wait(struct call *call, void (*done)(struct call *call))
{
    if (!can_fetch(call->api, &call->execution)) {
        call_fail(call, ERR_UNAVAILABLE, NOT_SET_UP);
        return;
    }
    struct reading *it = reading_new(call->api, &call->execution, fetched);
    it->wait.live = is_live(call);
    it->call = call;
    it->done = done;
    call->fetched = true;
    call_ref(call);
    fetches_want(call->api->options.fetches, &it->wait);
}

static void begun(struct fetch_wait *wait)
{
    free(CONTAINER_OF(wait, struct reading, wait));
}

void reading_begin(struct api *api, const struct execution *execution)
{
    if (is_elsewhere(execution) && can_fetch(api, execution))
        fetches_want(api->options.fetches, &reading_new(api, execution, begun)->wait);
}
