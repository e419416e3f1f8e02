// Batches: made, added to, looked at, changed.
#include "api/body.h"
#include "api/cursor.h"
#include "api/executions/executions.h"
#include "api/jobs/batch_jobs.h"
#include "util/clock.h"

#include <xxhash.h>

#define TOO_MANY_QUEUED "the account has too many queued jobs"
#define NOT_WHOLE       "its batch could not be submitted whole"

// --- Answers

static void answer_batch(struct call *call, int status, const struct batch *batch,
                         const struct store_batch_failures *failures)
{
    CLEANUP(buf_release) struct buf text = {0};
    struct json_writer json = json_writer_to(&text);
    batch_add_status(&json, NULL, batch, call->api->limits->currency, failures, clock_real_ms());
    call_answer(call, status, &json);
}

static void fail_batch(struct call *call, int err)
{
    call_fail(call, err,
              err == ERR_NOT_FOUND   ? "no such batch"
              : err == ERR_CONFLICT  ? "this batch_id exists already"
              : err == ERR_TOO_LARGE ? "a batch may have 100000 jobs"
              : err == ERR_RATE      ? TOO_MANY_QUEUED
                                     : NULL);
}

// --- Making

struct create {
    struct store_batch_create create;
    struct call *call;
    char key[CALL_KEY_MAX];
};

static void change(struct call *call, struct store_batch_change how, bool told);

static void added(struct call *call, int err, const struct batch_refusal *refusal, const struct batch *batch)
{
    if (err == 0) {
        answer_batch(call, 201, batch, NULL);
    } else if (call->request && (err == ERR_NOT_FOUND || err == ERR_INVALID) && refusal->reason) {
        const char *name = arena_printf(http_arena(call->request), "jobs[%zu].%s", refusal->job, refusal->field);
        call_fail_fields(call, &(struct http_field_error){name, refusal->reason}, 1);
    } else {
        call_fail(call, err,
                  err == ERR_CONFLICT    ? "the batch takes no more jobs, or an execution_id exists already"
                  : err == ERR_RATE      ? TOO_MANY_QUEUED
                  : err == ERR_NOT_FOUND ? "no such workflow"
                                         : refusal->reason);
    }
}

// Jobs of a batch that cannot be had whole must not run, nor may it wait for the rest for ever. If only the store was
// away, the same request goes on, by its key or the batch's name.
static void added_first(struct call *call, int err, const struct batch_refusal *refusal, const struct batch *batch)
{
    bool final = err == ERR_NOT_FOUND || err == ERR_INVALID || err == ERR_CONFLICT || err == ERR_RATE;
    bool keyed = (call->request && http_header(call->request, STR("Idempotency-Key")).len > 0) ||
                 json_is_string(json_object_get(call->body, "batch_id"));
    added(call, err, refusal, batch);
    if (err && (final || !keyed))
        change(call, (struct store_batch_change){.cancel = true, .reason = STR(NOT_WHOLE)}, false);
}

static void add_first(struct call *call, const struct batch *batch)
{
    call->batch.row = batch->row; // for `change`
    batch_jobs_add(call, batch, false, added_first);
}

static void create_done(struct store_op *op)
{
    struct create *it = CONTAINER_OF(op, struct create, create.op);
    struct call *call = it->call;
    if (op->err)
        fail_batch(call, op->err);
    else if (json_array_size(json_object_get(call->body, "jobs")) == 0)
        answer_batch(call, it->create.ret_existed ? 200 : 201, &it->create.batch, NULL);
    else
        add_first(call, &it->create.batch);
    store_op_release(op);
    free(it);
    call_unref(call);
}

// "5%" or 5. False if it is neither.
static bool take_max_fails(struct str text, struct batch_limits *limits)
{
    limits->has_max_fails = true;
    limits->max_fails_is_percent = text.len > 0 && text.data[text.len - 1] == '%';
    if (limits->max_fails_is_percent)
        text.len--;
    return str_to_u64(text, &limits->max_fails) &&
           limits->max_fails <= (limits->max_fails_is_percent ? 100 : INT64_MAX);
}

static char *text_or_null(const json_t *value)
{
    return json_is_string(value) ? xstrdup(json_string_value(value)) : NULL;
}

// False after having answered 422.
static bool create_fill(struct create *it, struct call *call)
{
    struct field_value parallel = call_member(call, "parallel"), max_fails = call_member(call, "max_fails");
    const json_t *metadata = json_object_get(call->body, "metadata");
    struct batch *batch = &it->create.batch;
    if (max_fails.given && !take_max_fails(max_fails.text, &batch->limits)) {
        call_fail_fields(call, &(struct http_field_error){"max_fails", "must be a number such as \"3\", or \"5%\""}, 1);
        return false;
    }
    batch->account = call->principal.account;
    batch->batch_id = text_or_null(json_object_get(call->body, "batch_id"));
    batch->name = text_or_null(json_object_get(call->body, "name"));
    batch->owner = call->principal.user[0] ? xstrdup(call->principal.user) : NULL;
    batch->metadata_json = json_is_object(metadata) ? json_text(metadata) : NULL;
    batch->limits.parallel = (unsigned)parallel.number;
    batch->open = call_member(call, "keep_open").number;
    batch->retention = text_or_null(json_object_get(call->body, "retention"));
    batch->pinned = call_member(call, "pin").number;
    batch->expected = json_array_size(json_object_get(call->body, "jobs"));
    batch->rate_micros = call->api->limits->cost_rate_micros;
    return true;
}

void batches_create(struct call *call)
{
    struct str key, raw = http_body(call->request);
    if (!call_may_begin(call) || !call_header_key(call, &key) || !batch_jobs_check(call))
        return;
    struct create *it = xcalloc(1, sizeof(*it));
    it->call = call;
    it->create = (struct store_batch_create){
        .op = {.kind = STORE_BATCH_CREATE,
               .reply_to = call->api->options.loop,
               .done = create_done,
               .account = call->principal.account},
        .idempotency_key = call_idempotency_key(call, key, it->key),
        .request_hash = XXH3_64bits(raw.data, raw.len),
    };
    if (!create_fill(it, call)) {
        batch_release(&it->create.batch);
        free(it);
        return;
    }
    call_ref(call);
    store_submit(call->api->options.store, &it->create.op);
}

// --- Adding

void batches_add(struct call *call)
{
    const struct batch *batch = &call->batch;
    if (!batch->open)
        call_fail(call, ERR_CONFLICT, "the batch takes no more jobs");
    else if (json_array_size(json_object_get(call->body, "jobs")) == 0)
        answer_batch(call, 200, batch, NULL);
    else if (batch_jobs_check(call))
        batch_jobs_add(call, batch, true, added);
}

// --- Looking

struct failures {
    struct store_batch_failures failures;
    struct call *call;
};

static void failures_done(struct store_op *op)
{
    struct failures *it = CONTAINER_OF(op, struct failures, failures.op);
    struct call *call = it->call;
    if (op->err)
        fail_batch(call, op->err);
    else
        answer_batch(call, 200, &call->batch, &it->failures);
    store_op_release(op);
    free(it);
    call_unref(call);
}

void batches_status(struct call *call)
{
    struct failures *it = xcalloc(1, sizeof(*it));
    it->call = call;
    it->failures = (struct store_batch_failures){.row = call->batch.row, .limit = BATCH_FAILURES_SHOWN};
    call_submit(call, STORE_BATCH_FAILURES, &it->failures.op, failures_done);
}

struct list {
    struct store_batch_list list;
    struct call *call;
    char owner[sizeof(((struct principal *)NULL)->user)];
};

static void list_done(struct store_op *op)
{
    struct list *it = CONTAINER_OF(op, struct list, list.op);
    struct call *call = it->call;
    if (op->err) {
        call_fail(call, op->err, NULL);
    } else if (call->request) {
        CLEANUP(buf_release) struct buf text = {0};
        struct json_writer json = json_writer_to(&text);
        json_open_object(&json, NULL);
        json_open_array(&json, "batches");
        for (size_t i = 0; i < it->list.ret_count; i++)
            batch_add_status(&json, NULL, &it->list.ret_batches[i], call->api->limits->currency, NULL, clock_real_ms());
        json_close(&json);
        add_next_place(&json, call, &it->list.ret_next);
        json_close(&json);
        call_answer(call, 200, &json);
    }
    store_op_release(op);
    free(it);
    call_unref(call);
}

void batches_list(struct call *call)
{
    struct list *it = xcalloc(1, sizeof(*it));
    it->call = call;
    snprintf(it->owner, sizeof(it->owner), "%s", call->principal.role == ROLE_USER ? call->principal.user : "");
    it->list = (struct store_batch_list){
        .op = {.kind = STORE_BATCH_LIST, .reply_to = call->api->options.loop, .done = list_done},
        .account = call->principal.account,
        .owner = str_of(it->owner),
        .limit = (unsigned)call_param(call, "limit").number,
    };
    if (!cursor_take_place(call, call_param(call, "cursor").text, &it->list.before)) {
        free(it);
        return;
    }
    call_ref(call);
    store_submit(call->api->options.store, &it->list.op);
}

// --- Changing

struct change {
    struct store_batch_change change;
    struct call *call;
    uint64_t changed;
    bool told; // the client is, when it is done
};

static void change_done(struct store_op *op)
{
    struct change *it = CONTAINER_OF(op, struct change, change.op);
    struct call *call = it->call;
    it->changed += op->err ? 0 : it->change.ret_changed;
    for (size_t i = 0; op->err == 0 && i < it->change.ret_running_count; i++)
        hub_cancel(call->api->options.hub, it->change.ret_running[i], BATCH_CANCEL_REASON);
    bool more = op->err == 0 && it->change.ret_more;
    if (!more && it->told && op->err)
        fail_batch(call, op->err);
    else if (!more && it->told)
        answer_batch(call, it->change.cancel || it->change.retry ? 202 : 200, &it->change.ret_batch, NULL);
    store_op_release(op);
    if (more) {
        store_submit(call->api->options.store, &it->change.op);
        return;
    }
    free(it);
    call_unref(call);
}

static void change(struct call *call, struct store_batch_change how, bool told)
{
    struct change *it = xcalloc(1, sizeof(*it));
    it->call = call;
    it->told = told;
    it->change = how;
    it->change.row = call->batch.row;
    it->change.queued_max = call->api->limits->queued_jobs_max;
    call_submit(call, STORE_BATCH_CHANGE, &it->change.op, change_done);
}

void batches_close(struct call *call)
{
    change(call, (struct store_batch_change){.close = true}, true);
}

void batches_cancel(struct call *call)
{
    change(call, (struct store_batch_change){.cancel = true, .reason = STR(BATCH_CANCEL_REASON)}, true);
}

void batches_retry(struct call *call)
{
    change(call, (struct store_batch_change){.retry = true, .skipped = call_param(call, "skipped").number}, true);
}
