#include "api/workflows/workflows.h"

#include "api/body.h"
#include "api/cursor.h"
#include "api/jobs/inputs.h"
#include "api/jobs/run_fields.h"
#include "model/config_limits.h"
#include "model/graph.h"

#include <xxhash.h>

#define LIST_BYTES_MAX ((size_t)1024 * 1024)
#define JOB_TEXT_MAX   ((size_t)4 * 1024 * 1024)

// --- Answers

// A job's environment may hold secrets.
static void add_job(struct json_writer *json, const char *text)
{
    json_t *job = text ? json_loads(text, 0, NULL) : NULL;
    json_object_del(job, "env");
    CLEANUP(free_ptr) char *shown = job ? json_text(job) : NULL;
    json_add_raw(json, "job", str_of(shown));
    json_decref(job);
}

static void add_outline(struct json_writer *json, const struct workflow *workflow)
{
    json_add_text(json, "workflow_id", workflow->workflow_id);
    json_add_text(json, "name", workflow->name);
    json_add_text(json, "description", workflow->description);
    json_add_text(json, "user_id", workflow->owner);
    json_add_raw(json, "metadata", str_of(workflow->metadata_json));
    json_add_text(json, "retention", workflow->retention);
    json_add_time(json, "created_at", workflow->created_ms);
    json_add_time(json, "updated_at", workflow->updated_ms);
}

static void answer_workflow(struct call *call, int status, const struct workflow *workflow)
{
    CLEANUP(buf_release) struct buf text = {0};
    struct json_writer json = json_writer_to(&text);
    json_open_object(&json, NULL);
    add_outline(&json, workflow);
    json_add_raw(&json, "graph", str_of(workflow->graph_json));
    add_job(&json, workflow->job_json);
    json_close(&json);
    call_answer(call, status, &json);
}

// --- Members of bodies

static bool refuse_member(struct call *call, const char *name, const char *reason)
{
    call_fail_fields(call, &(struct http_field_error){name, reason}, 1);
    return false;
}

static const json_t *given(const struct call *call, const char *name)
{
    const json_t *value = json_object_get(call->body, name);
    return json_is_null(value) ? NULL : value;
}

bool workflow_check_graph(struct call *call)
{
    const json_t *graph = given(call, "graph");
    struct graph_problem problem;
    return !graph || graph_check(graph, &problem) || refuse_member(call, "graph", problem.reason);
}

static bool refuse_job(struct call *call, const char *member, const char *reason)
{
    return refuse_member(call, arena_printf(http_arena(call->request), "job.%s", member), reason);
}

// What the run itself says, not its template.
static bool job_leaves_to_run(struct call *call, const json_t *job)
{
    static const char *const names[] = {"execution_id", "workflow_id"};
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        if (json_object_get(job, names[i]))
            return refuse_job(call, names[i], "is given by each run");
    return true;
}

bool workflow_check_job(struct call *call)
{
    json_t *job = (json_t *)(uintptr_t)given(call, "job");
    struct job_order_problem problem = {0};
    struct job_order order = {0};
    struct order_inputs inputs = {0};
    const char *name = NULL, *reason = NULL;
    if (!job)
        return true;
    if (!job_leaves_to_run(call, job))
        return false;
    if (!fields_check_object(call, job_fields, job, &name, &reason))
        return refuse_job(call, name, reason);
    if (json_dumpb(job, NULL, 0, JSON_COMPACT) > JOB_TEXT_MAX)
        return refuse_member(call, "job", "is larger than 4 MiB");
    bool good = job_order_take(&order, job, &call->principal, call->api->limits, &problem) &&
                order_inputs_take(&inputs, job, &problem);
    job_order_release(&order);
    order_inputs_release(&inputs);
    return good || refuse_job(call, problem.field, problem.reason);
}

// --- Making

struct create {
    struct store_workflow_create create;
    struct call *call;
    char key[CALL_KEY_MAX];
};

static void create_done(struct store_op *op)
{
    struct create *it = CONTAINER_OF(op, struct create, create.op);
    struct call *call = it->call;
    if (op->err == 0 && call->request) {
        http_add_header(call->request, "Location",
                        arena_printf(http_arena(call->request), "%s/api/v1/workflows/%s", call->api->options.base_path,
                                     it->create.workflow.workflow_id));
        answer_workflow(call, it->create.ret_existed ? 200 : 201, &it->create.workflow);
    } else if (op->err) {
        call_fail(call, op->err,
                  op->err == ERR_CONFLICT ? "this workflow_id exists already"
                  : op->err == ERR_RATE   ? "the account has as many workflows as it may"
                                          : NULL);
    }
    store_op_release(op);
    free(it);
    call_unref(call);
}

static char *text_or_null(const json_t *value)
{
    return json_is_string(value) ? xstrdup(json_string_value(value)) : NULL;
}

static char *object_or_null(const json_t *value)
{
    return json_is_object(value) ? json_text(value) : NULL;
}

// Whose it is: a user's own, or whom somebody who may names. False after having answered 403.
static bool take_owner(struct call *call, struct workflow *workflow)
{
    const char *named = json_string_value(given(call, "user_id"));
    struct str own = call_asking_user(call);
    if (named && own.len > 0 && !str_eq(own, str_of(named))) {
        call_fail(call, ERR_FORBIDDEN, "to make a workflow for another user needs the role service");
        return false;
    }
    workflow->owner = named ? xstrdup(named) : own.len > 0 ? str_dup(own) : NULL;
    return true;
}

void workflows_create(struct call *call)
{
    struct str key, raw = http_body(call->request);
    if (!call_header_key(call, &key) || !workflow_check_graph(call) || !workflow_check_job(call))
        return;
    struct create *it = xcalloc(1, sizeof(*it));
    struct workflow *workflow = &it->create.workflow;
    it->call = call;
    if (!take_owner(call, workflow)) {
        free(it);
        return;
    }
    it->create.idempotency_key = call_idempotency_key(call, key, it->key);
    it->create.request_hash = XXH3_64bits(raw.data, raw.len);
    it->create.max = LIMIT_WORKFLOWS;
    workflow->account = call->principal.account;
    workflow->workflow_id = text_or_null(given(call, "workflow_id"));
    workflow->name = text_or_null(given(call, "name"));
    workflow->description = text_or_null(given(call, "description"));
    workflow->retention = text_or_null(given(call, "retention"));
    workflow->graph_json = object_or_null(given(call, "graph"));
    workflow->job_json = object_or_null(given(call, "job"));
    workflow->metadata_json = object_or_null(given(call, "metadata"));
    call_submit(call, STORE_WORKFLOW_CREATE, &it->create.op, create_done);
}

// --- Looking

void workflows_get(struct call *call)
{
    answer_workflow(call, 200, &call->workflow);
}

struct list {
    struct store_workflow_list list;
    struct call *call;
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
        json_open_array(&json, "workflows");
        for (size_t i = 0; i < it->list.ret_count; i++) {
            json_open_object(&json, NULL);
            add_outline(&json, &it->list.ret_workflows[i]);
            json_close(&json);
        }
        json_close(&json);
        add_next_cursor(&json, call, it->list.ret_next_row);
        json_close(&json);
        call_answer(call, 200, &json);
    }
    store_op_release(op);
    free(it);
    call_unref(call);
}

void workflows_list(struct call *call)
{
    struct list *it = xcalloc(1, sizeof(*it));
    it->call = call;
    it->list = (struct store_workflow_list){
        .account = call->principal.account,
        .owner = call_asking_user(call),
        .limit = (unsigned)call_param(call, "limit").number,
        .max_bytes = LIST_BYTES_MAX,
    };
    if (!cursor_take(call, call_param(call, "cursor").text, &it->list.before_row)) {
        free(it);
        return;
    }
    call_submit(call, STORE_WORKFLOW_LIST, &it->list.op, list_done);
}

// --- Changing

struct change {
    struct store_workflow_change change;
    struct call *call;
    char *graph, *job, *metadata;
};

static void change_free(struct change *it)
{
    free(it->graph);
    free(it->job);
    free(it->metadata);
    free(it);
}

static void change_done(struct store_op *op)
{
    struct change *it = CONTAINER_OF(op, struct change, change.op);
    struct call *call = it->call;
    if (op->err == ERR_TOO_LARGE)
        refuse_member(call, "metadata", METADATA_TOO_LARGE);
    else if (op->err)
        call_fail(call, op->err, op->err == ERR_NOT_FOUND ? "no such workflow" : NULL);
    else
        answer_workflow(call, 200, &it->change.ret_workflow);
    store_op_release(op);
    change_free(it);
    call_unref(call);
}

// The texts of the body live as long as the call.
static struct workflow_text text_change(const struct call *call, const char *name)
{
    const json_t *value = json_object_get(call->body, name);
    return (struct workflow_text){.given = value != NULL, .text = json_string_value(value)};
}

static struct workflow_text object_change(const struct call *call, const char *name, char **owned)
{
    const json_t *value = json_object_get(call->body, name);
    *owned = object_or_null(value);
    return (struct workflow_text){.given = value != NULL, .text = *owned};
}

void workflows_patch(struct call *call)
{
    if (!workflow_check_graph(call) || !workflow_check_job(call))
        return;
    const json_t *metadata = json_object_get(call->body, "metadata");
    struct change *it = xcalloc(1, sizeof(*it));
    it->call = call;
    it->metadata = object_or_null(metadata);
    it->change = (struct store_workflow_change){
        .row = call->workflow.row,
        .name = text_change(call, "name"),
        .description = text_change(call, "description"),
        .retention = text_change(call, "retention"),
        .graph_json = object_change(call, "graph", &it->graph),
        .job_json = object_change(call, "job", &it->job),
        .metadata_patch = str_of(it->metadata),
        .drops_metadata = json_is_null(metadata),
        .metadata_max = LIMIT_METADATA,
    };
    call_submit(call, STORE_WORKFLOW_CHANGE, &it->change.op, change_done);
}

struct delete
{
    struct store_workflow_delete delete;
    struct call *call;
};

static void delete_done(struct store_op *op)
{
    struct delete *it = CONTAINER_OF(op, struct delete, delete.op);
    struct call *call = it->call;
    if (op->err) {
        call_fail(call, op->err, op->err == ERR_NOT_FOUND ? "no such workflow" : NULL);
    } else {
        CLEANUP(buf_release) struct buf text = {0};
        struct json_writer json = json_writer_to(&text);
        json_open_object(&json, NULL);
        json_add_text(&json, "workflow_id", call->workflow.workflow_id);
        json_add_bool(&json, "deleted", true);
        json_close(&json);
        call_answer(call, 200, &json);
    }
    store_op_release(op);
    free(it);
    call_unref(call);
}

void workflows_delete(struct call *call)
{
    struct delete *it = xcalloc(1, sizeof(*it));
    it->call = call;
    it->delete.row = call->workflow.row;
    call_submit(call, STORE_WORKFLOW_DELETE, &it->delete.op, delete_done);
}
