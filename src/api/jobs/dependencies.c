// What a job depends on, and what depends on an execution.
#include "api/jobs/jobs.h"

struct dependencies {
    struct store_job_links links;
    struct call *call;
};

// A user sees only its own; of others it is not told.
static void add_links(struct json_writer *json, const char *name, const struct call *call, const struct job_link *links,
                      size_t count)
{
    struct str user = call_asking_user(call);
    json_open_array(json, name);
    for (size_t i = 0; i < count; i++) {
        const struct job_link *link = &links[i];
        if (user.len > 0 && !str_eq(str_of(link->owner), user))
            continue;
        json_open_object(json, NULL);
        json_add_text(json, "id", link->id);
        json_add_text(json, "kind", link->is_batch ? "batch" : "execution");
        json_add_text(json, "on", dependency_word(link->wish));
        json_add_text(json, "status", link->status);
        json_add_bool(json, "waits", link->waits);
        json_add_bool(json, "purged", link->purged);
        json_close(json);
    }
    json_close(json);
}

static void answer(struct call *call, const struct store_job_links *links)
{
    CLEANUP(buf_release) struct buf text = {0};
    struct json_writer json = json_writer_to(&text);
    json_open_object(&json, NULL);
    json_add_text(&json, "execution_id", call->execution.execution_id);
    add_links(&json, "dependencies", call, links->ret_parents, links->ret_parent_count);
    add_links(&json, "dependents", call, links->ret_children, links->ret_child_count);
    json_add_bool(&json, "more_dependents", links->ret_more);
    json_close(&json);
    call_answer(call, 200, &json);
}

static void found(struct store_op *op)
{
    struct dependencies *it = CONTAINER_OF(op, struct dependencies, links.op);
    struct call *call = it->call;
    if (op->err)
        call_fail(call, op->err, NULL);
    else
        answer(call, &it->links);
    store_op_release(op);
    free(it);
    call_unref(call);
}

void executions_dependencies(struct call *call)
{
    struct dependencies *it = xcalloc(1, sizeof(*it));
    it->call = call;
    it->links.row = call->execution.row;
    call_submit(call, STORE_JOB_LINKS, &it->links.op, found);
}
