#include "api/jobs/batch_jobs.h"

#include "api/body.h"
#include "api/executions/executions.h"
#include "api/jobs/inputs.h"
#include "api/jobs/run_fields.h"

#define SLICE_INPUTS 4096 // a slice with more ends early: it is one transaction

struct batch_jobs {
    struct call *call;
    json_t *jobs;   // of the call's body
    json_t *common; // members of all of them
    json_t *slice;  // what the orders of this slice borrow from
    int64_t row;
    char batch_id[ID_EXECUTION_MAX + 1];
    bool append;
    size_t next, count; // of jobs
    batch_jobs_done *done;
    struct store_batch_add add;
    struct store_create creates[BATCH_ADD_MAX];
    struct job_order orders[BATCH_ADD_MAX];
    struct order_inputs inputs[BATCH_ADD_MAX];
};

// The common members, and over them those of the job itself.
static json_t *merged(const json_t *common, json_t *job)
{
    json_t *whole = common ? json_copy((json_t *)(uintptr_t)common) : json_object();
    json_object_update(whole, job);
    return whole;
}

// --- Looking

// Those of a slice are made together, so that none of them is there when another one is looked at.
static bool names_another(const json_t *job, const json_t *ids, struct job_order_problem *ret_problem)
{
    const json_t *after = json_object_get(job, "after");
    for (size_t i = 0; i < json_array_size(after); i++) {
        const char *id = json_string_value(json_object_get(json_array_get(after, i), "id"));
        if (!id || !json_object_get(ids, id))
            continue;
        ret_problem->field = "after";
        snprintf(
            ret_problem->reason, sizeof(ret_problem->reason),
            "jobs of one request cannot wait for each other; make the batch with keep_open, and add the later ones");
        return true;
    }
    return false;
}

static json_t *ids_of(const json_t *jobs)
{
    json_t *ids = json_object();
    for (size_t i = 0; i < json_array_size(jobs); i++) {
        const char *id = json_string_value(json_object_get(json_array_get(jobs, i), "execution_id"));
        if (id)
            json_object_set_new(ids, id, json_true());
    }
    return ids;
}

static bool check_job(struct call *call, json_t *job, struct job_order_problem *ret_problem)
{
    struct job_order order = {0};
    struct order_inputs inputs = {0};
    const char *name, *reason;
    bool good = fields_check_object(call, job_fields, job, &name, &reason);
    if (!good) {
        ret_problem->field = name;
        snprintf(ret_problem->reason, sizeof(ret_problem->reason), "%s", reason);
    }
    good = good && job_order_take(&order, job, &call->principal, call->api->limits, ret_problem) &&
           order_inputs_take(&inputs, job, ret_problem);
    job_order_release(&order);
    order_inputs_release(&inputs);
    return good;
}

bool batch_jobs_check(struct call *call)
{
    const json_t *common = json_object_get(call->body, "job"), *jobs = json_object_get(call->body, "jobs");
    json_t *ids = ids_of(jobs);
    bool good = true;
    for (size_t i = 0; i < json_array_size(jobs) && good; i++) {
        struct job_order_problem problem;
        json_t *job = merged(common, json_array_get(jobs, i));
        good = check_job(call, job, &problem) && !names_another(job, ids, &problem);
        if (!good) {
            const char *name = arena_printf(http_arena(call->request), "jobs[%zu].%s", i, problem.field);
            call_fail_fields(call, &(struct http_field_error){name, problem.reason}, 1);
        }
        json_decref(job);
    }
    json_decref(ids);
    return good;
}

// --- Adding

// What the batch says of all its jobs, and over it what the request says.
static json_t *common_of(const struct batch *batch, json_t *said)
{
    json_t *common = json_object();
    if (batch->retention)
        json_object_set_new(common, "retention", json_string(batch->retention));
    if (batch->pinned)
        json_object_set_new(common, "pin", json_true());
    json_object_update(common, said); // nothing, if nothing is said
    return common;
}

static void next_slice(struct batch_jobs *it);

static void slice_done(struct store_op *op)
{
    struct batch_jobs *it = CONTAINER_OF(op, struct batch_jobs, add.op);
    struct call *call = it->call;
    bool over = op->err < 0 || it->next + it->add.count >= it->count;

    if (over) {
        const struct store_create *refused = &it->creates[it->add.ret_refused % BATCH_ADD_MAX];
        struct batch_refusal refusal = {.job = it->next + it->add.ret_refused};
        if (op->err < 0 && refused->ret_reason) {
            refusal.field = refused->ret_field;
            refusal.reason = refused->ret_reason;
        }
        it->done(call, op->err, &refusal, &it->add.ret_batch);
    }
    it->next += it->add.count;
    for (size_t i = 0; i < it->add.count; i++) {
        job_order_release(&it->orders[i]);
        order_inputs_release(&it->inputs[i]);
    }
    store_op_release(op);
    if (!over) {
        next_slice(it);
        return;
    }
    json_decref(it->slice);
    json_decref(it->common);
    free(it);
    call_unref(call);
}

// Returns how many inputs it has.
static size_t fill(struct batch_jobs *it, size_t slot, json_t *job)
{
    struct call *call = it->call;
    struct job_order *order = &it->orders[slot];
    struct job_order_problem problem;
    *order = (struct job_order){0};
    job_order_take(order, job, &call->principal, call->api->limits, &problem); // it was checked
    order_inputs_take(&it->inputs[slot], job, &problem);                       // likewise
    order->job.batch_index = (uint32_t)(it->next + slot);
    it->creates[slot] = (struct store_create){
        .job = &order->job,
        .inputs = it->inputs[slot].inputs,
        .input_count = it->inputs[slot].count,
        .asking_user = call_asking_user(call),
    };
    execution_of_body(&it->creates[slot].execution, call, job);
    it->creates[slot].execution.batch_id = xstrdup(it->batch_id);
    return it->inputs[slot].count;
}

static void next_slice(struct batch_jobs *it)
{
    size_t most = MIN(it->count - it->next, (size_t)BATCH_ADD_MAX), count = 0, inputs = 0;
    json_decref(it->slice);
    it->slice = json_array();
    for (; count < most && inputs < SLICE_INPUTS; count++) {
        json_t *job = merged(it->common, json_array_get(it->jobs, it->next + count));
        json_array_append_new(it->slice, job);
        inputs += fill(it, count, job);
    }
    it->add = (struct store_batch_add){
        .op = {.kind = STORE_BATCH_ADD,
               .reply_to = it->call->api->options.loop,
               .done = slice_done,
               .account = it->call->principal.account},
        .row = it->row,
        .jobs = it->creates,
        .count = count,
        .append = it->append,
        .queued_max = it->call->api->limits->queued_jobs_max,
    };
    store_submit(it->call->api->options.store, &it->add.op);
}

void batch_jobs_add(struct call *call, const struct batch *batch, bool append, batch_jobs_done *done)
{
    struct batch_jobs *it = xcalloc(1, sizeof(*it));
    it->call = call;
    it->common = common_of(batch, json_object_get(call->body, "job"));
    it->jobs = json_object_get(call->body, "jobs");
    it->row = batch->row;
    snprintf(it->batch_id, sizeof(it->batch_id), "%s", batch->batch_id);
    it->append = append;
    it->count = json_array_size(it->jobs);
    it->done = done;
    call_ref(call);
    next_slice(it);
}
