// Jobs tried again by hand, and the workers that are connected.
#include "api/executions/executions.h"
#include "api/jobs/jobs.h"

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

static void add_words(struct json_writer *json, const char *name, const struct worker_words *words)
{
    json_open_array(json, name);
    for (size_t i = 0; i < words->count; i++)
        json_add_text(json, NULL, words->words[i]);
    json_close(json);
}

static void add_worker(void *arg, const struct dispatch_seen *seen)
{
    struct json_writer *json = arg;
    const struct worker_offer *said = worker_session_offer(seen->session);
    json_open_object(json, NULL);
    json_add_text(json, "worker_id", said->id);
    json_add_text(json, "hostname", said->hostname);
    json_add_text(json, "version", said->version);
    json_add_u64(json, "slots", said->slots);
    json_add_u64(json, "slots_free", seen->drains ? 0 : seen->offer->slots_free);
    json_add_u64(json, "jobs", seen->jobs);
    json_add_bool(json, "draining", seen->drains);
    json_add_time(json, "connected_at", worker_session_since_ms(seen->session));
    json_add_time(json, "heard_at", worker_session_heard_ms(seen->session));
    json_add_u64(json, "cpus_milli", said->cpus);
    json_add_u64(json, "memory_bytes", said->memory);
    add_words(json, "labels", &said->labels);
    add_words(json, "executors", &said->executors);
    add_words(json, "runtimes", &said->runtimes);
    json_close(json);
}

void workers_list(struct call *call)
{
    CLEANUP(buf_release) struct buf text = {0};
    struct json_writer json = json_writer_to(&text);
    json_open_object(&json, NULL);
    json_open_array(&json, "workers");
    if (call->api->options.dispatch)
        dispatch_workers(call->api->options.dispatch, call->principal.account, add_worker, &json);
    json_close(&json);
    json_close(&json);
    call_answer(call, 200, &json);
}

static void drain(struct call *call, bool on)
{
    struct dispatch *dispatch = call->api->options.dispatch;
    struct str id = call_capture(call, "worker_id");
    CLEANUP(buf_release) struct buf text = {0};
    struct json_writer json = json_writer_to(&text);
    int err = dispatch ? dispatch_drain(dispatch, call->principal.account, id, on) : ERR_NOT_FOUND;
    if (err < 0) {
        call_fail(call, err,
                  err == ERR_CONFLICT ? "it was told to end, and takes no more jobs" : "no such worker is connected");
        return;
    }
    json_open_object(&json, NULL);
    json_add_str(&json, "worker_id", id);
    json_add_bool(&json, "draining", on);
    json_close(&json);
    call_answer(call, 200, &json);
}

void workers_drain(struct call *call)
{
    drain(call, true);
}

void workers_resume(struct call *call)
{
    drain(call, false);
}
