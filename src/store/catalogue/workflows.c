// Workflows: made, changed, listed.
#include "store/catalogue/jobs.h"

#define IDEMPOTENCY_MS (24 * 3600 * 1000LL)

// A view of a text that may be NULL, which is bound as NULL.
static void bind_text(struct sql_statement *statement, int index, const char *text)
{
    sql_bind_text(statement, index, str_of(text));
}

static void bind_graph(struct sql_statement *statement, int index, int64_t graph)
{
    if (graph != 0)
        sql_bind_i64(statement, index, graph);
    else
        sql_bind_null(statement, index, SQL_INTEGER);
}

// --- Making

// Returns the workflow that was made with the same key within a day, or 0. Returns ERR_IDEMPOTENCY for another request.
static int workflow_by_key(struct sql *sql, const struct store_workflow_create *create, int64_t now_ms,
                           int64_t *ret_row)
{
    CLEANUP(sql_reset) struct sql_statement *find = sql_statement(sql, CATALOGUE_WORKFLOW_BY_KEY);
    sql_bind_i64(find, 1, create->workflow.account);
    sql_bind_text(find, 2, create->idempotency_key);
    int rc = sql_row(find);
    if (rc <= 0)
        return rc;
    int64_t row = sql_i64(find, 0);
    bool same = sql_u64(find, 1) == create->request_hash, holds = sql_i64(find, 2) >= now_ms - IDEMPOTENCY_MS;
    sql_reset(&find);
    if (!holds)
        return run_of(sql, CATALOGUE_WORKFLOW_KEY_FORGET, row);
    *ret_row = row;
    return same ? 0 : ERR_IDEMPOTENCY;
}

// *ret_row: the one that was made before with the same key; 0: none, and nothing is in the way.
static int create_judge(struct sql *sql, const struct store_workflow_create *create, int64_t now_ms, int64_t *ret_row)
{
    const struct workflow *workflow = &create->workflow;
    int64_t count = 0, taken;
    *ret_row = 0;
    int err = catalogue_account_open(sql, workflow->account);
    if (err < 0)
        return err == ERR_EXPIRED ? ERR_UNAUTHORIZED : err; // its credential was deleted together with it
    if (create->idempotency_key.len > 0)
        err = workflow_by_key(sql, create, now_ms, ret_row);
    if (err < 0 || *ret_row != 0)
        return err;
    if (create->max > 0)
        err = number_of(sql, CATALOGUE_WORKFLOWS_COUNT, workflow->account, &count);
    if (err == 0 && create->max > 0 && (uint64_t)count >= create->max)
        return ERR_RATE;
    if (err < 0 || !workflow->workflow_id)
        return err;
    err = catalogue_workflow_find(sql, workflow->account, str_of(workflow->workflow_id), &taken);
    return err == 0 ? ERR_CONFLICT : err == ERR_NOT_FOUND ? 0 : err;
}

static int workflow_insert(struct sql *sql, const struct store_workflow_create *create, int64_t graph, int64_t now_ms,
                           int64_t *ret_row)
{
    const struct workflow *workflow = &create->workflow;
    struct sql_statement *insert = sql_statement(sql, CATALOGUE_WORKFLOW_INSERT);
    sql_bind_i64(insert, 1, workflow->account);
    bind_text(insert, 2, workflow->workflow_id);
    bind_text(insert, 3, workflow->owner);
    bind_text(insert, 4, workflow->name);
    bind_text(insert, 5, workflow->description);
    bind_graph(insert, 6, graph);
    bind_text(insert, 7, workflow->job_json);
    bind_text(insert, 8, workflow->metadata_json);
    bind_text(insert, 9, workflow->retention);
    sql_bind_text(insert, 10, create->idempotency_key.len > 0 ? create->idempotency_key : (struct str){0});
    sql_bind_u64(insert, 11, create->request_hash);
    sql_bind_i64(insert, 12, now_ms);
    int err = sql_insert(insert, ret_row);
    return err == ERR_NOT_FOUND ? sql_outrun(sql) : err; // another connection has taken the key or the identifier
}

static void workflow_name(struct workflow *workflow, int64_t now_ms)
{
    char id[ID_SORTABLE_LEN + 1];
    if (workflow->workflow_id)
        return;
    id_sortable(now_ms, id);
    workflow->workflow_id = xasprintf("wf_%s", id);
}

int catalogue_workflow_create(struct sql *sql, struct store_workflow_create *create, int64_t now_ms)
{
    struct workflow *workflow = &create->workflow;
    int64_t row, graph = 0;
    create->ret_existed = false;
    int err = create_judge(sql, create, now_ms, &row);
    if (err < 0)
        return err;
    create->ret_existed = row != 0;
    if (row == 0) {
        workflow_name(workflow, now_ms);
        err = catalogue_graph_add(sql, str_of(workflow->graph_json), &graph);
        if (err == 0)
            err = workflow_insert(sql, create, graph, now_ms, &row);
    }
    if (err < 0)
        return err;
    workflow_release(workflow);
    return catalogue_workflow_get(sql, row, workflow);
}

// --- Changing

static void change_text(char **text, const struct workflow_text *change)
{
    if (!change->given)
        return;
    free(*text);
    *text = change->text ? xstrdup(change->text) : NULL;
}

static int change_metadata(const struct store_workflow_change *change, struct workflow *workflow)
{
    char *merged = NULL;
    if (change->drops_metadata)
        free_ptr(&workflow->metadata_json);
    if (change->metadata_patch.len == 0)
        return 0;
    int err = metadata_merge(str_of(workflow->metadata_json), change->metadata_patch, change->metadata_max, &merged);
    if (err < 0)
        return err;
    free(workflow->metadata_json);
    workflow->metadata_json = merged;
    return 0;
}

static int workflow_save(struct sql *sql, const struct workflow *workflow, int64_t graph, int64_t now_ms)
{
    struct sql_statement *set = sql_statement(sql, CATALOGUE_WORKFLOW_SET);
    sql_bind_i64(set, 1, workflow->row);
    bind_text(set, 2, workflow->name);
    bind_text(set, 3, workflow->description);
    bind_graph(set, 4, graph);
    bind_text(set, 5, workflow->job_json);
    bind_text(set, 6, workflow->metadata_json);
    bind_text(set, 7, workflow->retention);
    sql_bind_i64(set, 8, now_ms);
    return sql_run(set, NULL);
}

int catalogue_workflow_change(struct sql *sql, struct store_workflow_change *change, int64_t now_ms)
{
    CLEANUP(workflow_release) struct workflow workflow = {0};
    int64_t graph = 0, former = 0;
    int err = number_of(sql, CATALOGUE_WORKFLOW_LOCKED, change->row, &former);
    if (err == 0)
        err = catalogue_workflow_get(sql, change->row, &workflow);
    if (err == 0)
        err = change_metadata(change, &workflow);
    if (err < 0)
        return err;
    change_text(&workflow.name, &change->name);
    change_text(&workflow.description, &change->description);
    change_text(&workflow.job_json, &change->job_json);
    change_text(&workflow.retention, &change->retention);
    graph = former;
    if (change->graph_json.given)
        err = catalogue_graph_add(sql, str_of(change->graph_json.text), &graph);
    if (err == 0)
        err = workflow_save(sql, &workflow, graph, now_ms);
    if (err == 0 && graph != former)
        err = catalogue_graph_forget(sql, former);
    workflow_release(&change->ret_workflow);
    return err < 0 ? err : catalogue_workflow_get(sql, change->row, &change->ret_workflow);
}

// --- Listing

static size_t text_bytes(const struct workflow *workflow)
{
    const char *texts[] = {workflow->workflow_id, workflow->owner, workflow->name, workflow->description,
                           workflow->metadata_json};
    size_t bytes = 0;
    for (size_t i = 0; i < ARRAY_LEN(texts); i++)
        bytes += texts[i] ? strlen(texts[i]) : 0;
    return bytes;
}

static struct sql_statement *list_statement(struct sql *sql, const struct store_workflow_list *list, unsigned limit)
{
    bool owned = list->owner.len > 0;
    struct sql_statement *rows = sql_statement(sql, owned ? CATALOGUE_WORKFLOW_LIST_OWNER : CATALOGUE_WORKFLOW_LIST);
    sql_bind_i64(rows, 1, list->account);
    sql_bind_i64(rows, 2, list->before_row > 0 ? list->before_row : INT64_MAX);
    sql_bind_i64(rows, 3, (int64_t)limit + 1); // one more than wanted tells whether there are more
    if (owned)
        sql_bind_text(rows, 4, list->owner);
    return rows;
}

int catalogue_workflow_list(struct sql *sql, struct store_workflow_list *list)
{
    unsigned limit = list->limit > 0 ? MIN(list->limit, (unsigned)WORKFLOW_LIST_MAX) : WORKFLOW_LIST_MAX;
    CLEANUP(sql_reset) struct sql_statement *rows = list_statement(sql, list, limit);
    size_t bytes = 0;
    int rc;
    list->ret_workflows = xcalloc(limit, sizeof(*list->ret_workflows));
    list->ret_count = 0;
    list->ret_next_row = 0;
    while ((rc = sql_row(rows)) == 1) {
        if (list->ret_count == limit || (list->max_bytes > 0 && bytes >= list->max_bytes)) {
            list->ret_next_row = list->ret_workflows[list->ret_count - 1].row;
            return 0;
        }
        workflow_from_row(rows, &list->ret_workflows[list->ret_count]);
        bytes += text_bytes(&list->ret_workflows[list->ret_count++]);
    }
    return rc;
}
