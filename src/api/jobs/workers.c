// Jobs tried again by hand, and the workers that are connected: here, and to other servers of the store.
#include "api/executions/executions.h"
#include "api/jobs/jobs.h"
#include "jobs/roster.h"
#include "model/roster_entry.h"

struct retry {
    struct store_job_retry retry;
    struct call *call;
};

static void retry_done(struct store_op *op)
{
    struct retry *it = CONTAINER_OF(op, struct retry, retry.op);
    struct call *call = it->call;
    if (op->err == 0)
        call_answer_execution(call, 201, &it->retry.ret_execution);
    else
        call_fail(call, op->err,
                  op->err == ERR_CONFLICT ? "only a job that has ended, and was not tried again since, can be retried"
                                          : NULL);
    store_op_release(op);
    free(it);
    call_unref(call);
}

void executions_retry(struct call *call)
{
    if (!call->execution.job.is_job) {
        call_fail(call, ERR_CONFLICT, "no worker ran it: only its own runner can do so again");
        return;
    }
    struct retry *it = xcalloc(1, sizeof(*it));
    it->call = call;
    it->retry = (struct store_job_retry){
        .op = {.kind = STORE_JOB_RETRY,
               .reply_to = call->api->options.loop,
               .done = retry_done,
               .account = call->principal.account},
        .row = call->execution.row,
        .queued_max = call->api->limits->queued_jobs_max,
    };
    call_ref(call);
    store_submit(call->api->options.store, &it->retry.op);
}

// --- Workers

static void add_worker(void *arg, const struct dispatch_seen *seen)
{
    roster_add_worker(arg, seen);
}

struct others { // what other servers of the store say
    struct store_rosters query;
    struct call *call;
    struct json_writer json; // of a list
    bool drains, found;      // of a wish to drain
};

static int64_t own_account(const struct others *it)
{
    return it->call->principal.account;
}

static void others_free(struct others *it)
{
    store_op_release(&it->query.op);
    call_unref(it->call);
    free(it);
}

// Returns false if nobody else has the store, or can have workers.
static bool ask_others(struct call *call, bool drains, void (*done)(struct store_op *op))
{
    const struct api_options *options = &call->api->options;
    if (store_alone(options->store) || !options->dispatch)
        return false;
    struct others *it = xcalloc(1, sizeof(*it));
    it->call = call;
    it->drains = drains;
    it->query = (struct store_rosters){.op = {.kind = STORE_ROSTERS, .reply_to = options->loop, .done = done},
                                       .but = hub_node(options->hub)};
    call_ref(call);
    store_submit(options->store, &it->query.op);
    return true;
}

static void add_other(void *arg, const struct roster_entry *entry)
{
    struct others *it = arg;
    bool ours = entry->account == 0 || entry->account == own_account(it);
    if (ours && !dispatch_has_worker(it->call->api->options.dispatch, entry->account, entry->worker_id))
        json_add_raw(&it->json, NULL, entry->worker);
}

static void answer_workers(struct call *call, struct others *others)
{
    CLEANUP(buf_release) struct buf text = {0};
    struct json_writer json = json_writer_to(&text);
    json_open_object(&json, NULL);
    json_open_array(&json, "workers");
    if (call->api->options.dispatch)
        dispatch_workers(call->api->options.dispatch, call->principal.account, add_worker, &json);
    if (others) {
        others->json = json;
        for (size_t i = 0; i < others->query.ret_count; i++)
            roster_read(str_of(others->query.ret_rosters[i]), add_other, others);
        json = others->json;
    }
    json_close(&json);
    json_close(&json);
    call_answer(call, 200, &json);
}

static void list_done(struct store_op *op)
{
    struct others *it = CONTAINER_OF(op, struct others, query.op);
    if (op->err < 0)
        call_fail(it->call, op->err, NULL);
    else
        answer_workers(it->call, it);
    others_free(it);
}

void workers_list(struct call *call)
{
    if (!ask_others(call, false, list_done))
        answer_workers(call, NULL);
}

static void answer_drain(struct call *call, bool on, int err)
{
    CLEANUP(buf_release) struct buf text = {0};
    struct json_writer json = json_writer_to(&text);
    if (err < 0) {
        call_fail(call, err,
                  err == ERR_CONFLICT    ? "it was told to end, and takes no more jobs"
                  : err == ERR_NOT_FOUND ? "no such worker is connected"
                                         : NULL);
        return;
    }
    json_open_object(&json, NULL);
    json_add_str(&json, "worker_id", call_capture(call, "worker_id"));
    json_add_bool(&json, "draining", on);
    json_close(&json);
    call_answer(call, 200, &json);
}

struct telling {
    struct store_worker_tell tell;
    struct call *call;
};

static void tell_done(struct store_op *op)
{
    struct telling *it = CONTAINER_OF(op, struct telling, tell.op);
    answer_drain(it->call, it->tell.drains, op->err);
    store_op_release(op);
    call_unref(it->call);
    free(it);
}

static void find_other(void *arg, const struct roster_entry *entry)
{
    struct others *it = arg;
    it->found |= entry->account == own_account(it) && str_eq(entry->worker_id, call_capture(it->call, "worker_id"));
}

static void tell_others(struct call *call, bool drains)
{
    struct telling *it = xcalloc(1, sizeof(*it));
    it->call = call;
    it->tell = (struct store_worker_tell){
        .op = {.kind = STORE_WORKER_TELL, .reply_to = call->api->options.loop, .done = tell_done},
        .account = call->principal.account,
        .worker_id = call_capture(call, "worker_id"),
        .drains = drains,
    };
    call_ref(call);
    store_submit(call->api->options.store, &it->tell.op);
}

static void found_done(struct store_op *op)
{
    struct others *it = CONTAINER_OF(op, struct others, query.op);
    for (size_t i = 0; i < it->query.ret_count; i++)
        roster_read(str_of(it->query.ret_rosters[i]), find_other, it);
    if (op->err == 0 && it->found)
        tell_others(it->call, it->drains);
    else
        answer_drain(it->call, it->drains, op->err < 0 ? op->err : ERR_NOT_FOUND);
    others_free(it);
}

static void drain(struct call *call, bool on)
{
    struct dispatch *dispatch = call->api->options.dispatch;
    struct str id = call_capture(call, "worker_id");
    int err = dispatch ? dispatch_drain(dispatch, call->principal.account, id, on) : ERR_NOT_FOUND;
    if (err != ERR_NOT_FOUND || !ask_others(call, on, found_done))
        answer_drain(call, on, err);
}

void workers_drain(struct call *call)
{
    drain(call, true);
}

void workers_resume(struct call *call)
{
    drain(call, false);
}
