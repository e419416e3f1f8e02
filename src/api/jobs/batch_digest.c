// What failed of a batch, and how: the latest failures, gathered by status, exit code and last line. They are read in
// slices, so that other requests have their turn between them.
#include "api/jobs/jobs.h"

struct group {
    char *line; // NULL: none
    char *title;
    char *execution_id; // of the latest one
    enum execution_status status;
    bool has_exit_code;
    int exit_code;
    size_t count, first; // `first`: how many failures are later than its latest
};

struct digest {
    struct store_batch_failures failures; // a slice
    struct call *call;
    struct group groups[BATCH_DIGEST_MAX];
    size_t count, looked_at;
};

static void digest_free(struct digest *it)
{
    for (size_t i = 0; i < it->count; i++) {
        free(it->groups[i].line);
        free(it->groups[i].title);
        free(it->groups[i].execution_id);
    }
    call_unref(it->call);
    free(it);
}

// --- Gathering

static bool same_line(const char *a, const char *b)
{
    return a && b ? strcmp(a, b) == 0 : a == b;
}

static bool belongs(const struct group *group, const struct execution *execution, const char *line)
{
    return group->status == execution->status && group->has_exit_code == execution->has_exit_code &&
           (!group->has_exit_code || group->exit_code == execution->exit_code) && same_line(group->line, line);
}

static struct group *group_of(struct digest *it, const struct execution *execution, const char *line)
{
    for (size_t i = 0; i < it->count; i++)
        if (belongs(&it->groups[i], execution, line))
            return &it->groups[i];
    struct group *group = &it->groups[it->count++];
    *group = (struct group){
        .line = line ? xstrdup(line) : NULL,
        .execution_id = xstrdup(execution->execution_id),
        .title = batch_title(execution),
        .status = execution->status,
        .has_exit_code = execution->has_exit_code,
        .exit_code = execution->exit_code,
        .first = it->looked_at,
    };
    return group;
}

static int by_count(const void *a, const void *b)
{
    const struct group *x = a, *y = b;
    int order = (x->count < y->count) - (x->count > y->count);
    return order ? order : (x->first > y->first) - (x->first < y->first);
}

// --- The answer

static void add_group(struct json_writer *json, const struct group *group)
{
    json_open_object(json, NULL);
    json_add_u64(json, "count", group->count);
    json_add_text(json, "status", status_word(group->status));
    if (group->has_exit_code)
        json_add_i64(json, "exit_code", group->exit_code);
    else
        json_add_null(json, "exit_code");
    json_add_text(json, "line", group->line);
    json_add_text(json, "execution_id", group->execution_id);
    json_add_text(json, "title", group->title);
    json_close(json);
}

static void answer(struct digest *it)
{
    CLEANUP(buf_release) struct buf text = {0};
    struct json_writer json = json_writer_to(&text);
    qsort(it->groups, it->count, sizeof(it->groups[0]), by_count);
    json_open_object(&json, NULL);
    json_add_text(&json, "batch_id", it->call->batch.batch_id);
    json_add_u64(&json, "failed_count", batch_failed(&it->call->batch.counts));
    json_add_u64(&json, "looked_at", it->looked_at);
    json_open_array(&json, "groups");
    for (size_t i = 0; i < it->count; i++)
        add_group(&json, &it->groups[i]);
    json_close(&json);
    json_close(&json);
    call_answer(it->call, 200, &json);
}

// --- Slices

static void slice_done(struct store_op *op);

static void slice_submit(struct digest *it)
{
    it->failures.op = (struct store_op){.kind = STORE_BATCH_FAILURES,
                                        .reply_to = it->call->api->options.loop,
                                        .done = slice_done,
                                        .account = it->call->principal.account,
                                        .scan = true};
    it->failures.limit = (unsigned)MIN(BATCH_DIGEST_MAX - it->looked_at, (size_t)BATCH_FAILURES_MAX);
    store_submit(it->call->api->options.store, &it->failures.op);
}

static void slice_done(struct store_op *op)
{
    struct digest *it = CONTAINER_OF(op, struct digest, failures.op);
    int err = op->err;
    for (size_t i = 0; err == 0 && i < it->failures.ret_count; i++) {
        group_of(it, &it->failures.ret_executions[i], it->failures.ret_lines[i])->count++;
        it->looked_at++;
    }
    store_op_release(op);
    it->failures.before_ms = it->failures.ret_next_ms;
    it->failures.before_row = it->failures.ret_next_row;
    bool more = err == 0 && it->failures.ret_next_ms != 0 && it->looked_at < BATCH_DIGEST_MAX;
    if (more && it->call->request) {
        slice_submit(it);
        return;
    }
    if (err)
        call_fail(it->call, err, NULL);
    else if (it->call->request)
        answer(it);
    digest_free(it);
}

void batches_digest(struct call *call)
{
    struct digest *it = xcalloc(1, sizeof(*it));
    it->call = call;
    it->failures = (struct store_batch_failures){.row = call->batch.row, .with_lines = true};
    call_ref(call);
    slice_submit(it);
}
