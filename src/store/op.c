// The table of kinds of operations, and the functions that free their results.
#include "store/adapter.h"

#define OP(type) CONTAINER_OF(op, struct type, op)

void api_key_release(struct api_key *key)
{
    free(key->key_id);
    free(key->name);
    *key = (struct api_key){0};
}

void store_read_forget(struct store_read *read)
{
    for (size_t i = 0; i < read->ret_count; i++)
        chunk_unref(&read->ret_segments[i].chunk);
}

static void release_nothing(struct store_op *op)
{
    (void)op;
}

static void create_release(struct store_create *create)
{
    execution_release(&create->execution);
    execution_release(&create->asked);
    free_ptr(&create->ret_reason);
}

static void release_create(struct store_op *op)
{
    create_release(OP(store_create));
}

static void release_claim(struct store_op *op)
{
    execution_release(&OP(store_claim)->ret_execution);
}

static void release_complete(struct store_op *op)
{
    execution_release(&OP(store_complete)->ret_execution);
}

static void release_update(struct store_op *op)
{
    execution_release(&OP(store_update)->ret_execution);
}

static void release_key_create(struct store_op *op)
{
    api_key_release(&OP(store_key_create)->key);
}

static void release_get(struct store_op *op)
{
    execution_release(&OP(store_get)->ret_execution);
}

static void release_list(struct store_op *op)
{
    struct store_list *list = OP(store_list);
    for (size_t i = 0; i < list->ret_count; i++)
        execution_release(&list->ret_executions[i]);
    free(TAKE_PTR(list->ret_executions));
    list->ret_count = 0;
}

void list_place_pass(struct list_place *place, int64_t row)
{
    place->rows[store_shard_of(row)] = store_row_within(row);
}

static void release_read(struct store_op *op)
{
    store_read_forget(OP(store_read));
    OP(store_read)->ret_count = 0;
}

static void release_cold_look(struct store_op *op)
{
    struct store_cold_look *look = OP(store_cold_look);
    buf_release(&look->ret_bodies);
    free(TAKE_PTR(look->ret_found));
    look->ret_count = look->ret_row_count = 0;
}

static void release_cold_sparse(struct store_op *op)
{
    free(TAKE_PTR(OP(store_cold_sparse)->ret_found));
    OP(store_cold_sparse)->ret_count = 0;
}

static void release_summary(struct store_op *op)
{
    summary_release(&OP(store_summary)->ret_summary);
}

static void release_ticket_use(struct store_op *op)
{
    struct store_ticket_use *use = CONTAINER_OF(op, struct store_ticket_use, op);
    free(TAKE_PTR(use->ret_principal));
}

static void release_look(struct store_op *op)
{
    struct store_look *look = CONTAINER_OF(op, struct store_look, op);
    free(TAKE_PTR(look->ret_changes));
}

static void release_producer(struct store_op *op)
{
    execution_release(&OP(store_producer)->ret_execution);
}

static void release_key_find(struct store_op *op)
{
    api_key_release(&OP(store_key_find)->ret_key);
}

static void release_key_list(struct store_op *op)
{
    struct store_key_list *list = OP(store_key_list);
    for (size_t i = 0; i < list->ret_count; i++)
        api_key_release(&list->ret_keys[i]);
    free(TAKE_PTR(list->ret_keys));
    list->ret_count = 0;
}

static void release_account_list(struct store_op *op)
{
    free_ptr(&OP(store_account_list)->ret_accounts);
}

static void release_account_rows(struct store_op *op)
{
    free_ptr(&OP(store_account_rows)->ret_rows);
}

static void release_secret_take(struct store_op *op)
{
    struct store_secret_take *take = OP(store_secret_take);
    for (size_t i = 0; i < ARRAY_LEN(take->ret_sealed); i++)
        buf_release(&take->ret_sealed[i]);
}

static void release_secret_list(struct store_op *op)
{
    free_ptr(&OP(store_secret_list)->ret_secrets);
}

static void release_lease_adopt(struct store_op *op)
{
    free_ptr(&OP(store_lease_adopt)->ret_leases);
}

void batch_release(struct batch *batch)
{
    free(batch->batch_id);
    free(batch->owner);
    free(batch->name);
    free(batch->metadata_json);
    free(batch->retention);
    *batch = (struct batch){0};
}

enum batch_status batch_stands(const struct batch *batch)
{
    const struct batch_facts facts = {
        .open = batch->open, .unsettled = batch->unsettled, .cancelled = batch->cancelled};
    return batch_status(&batch->counts, &facts);
}

static void view_release(struct job_view *view)
{
    free(view->demand);
    free(view->retry_of);
    free(view->retried_as);
    free(view->reason);
    free(view->secrets);
    *view = (struct job_view){0};
}

static void release_job_claim(struct store_op *op)
{
    execution_release(&OP(store_job_claim)->ret_execution);
}

static void release_job_return(struct store_op *op)
{
    execution_release(&OP(store_job_return)->ret_execution);
}

static void release_job_retry(struct store_op *op)
{
    execution_release(&OP(store_job_retry)->ret_execution);
}

static void release_job_lines(struct store_op *op)
{
    struct store_job_lines *lines = OP(store_job_lines);
    for (size_t i = 0; i < lines->ret_count; i++)
        free(lines->ret_lines[i].demand);
    free(TAKE_PTR(lines->ret_lines));
    lines->ret_count = 0;
}

static void links_free(struct job_link **links, size_t *count)
{
    for (size_t i = 0; i < *count; i++) {
        free((*links)[i].id);
        free((*links)[i].owner);
    }
    free(TAKE_PTR(*links));
    *count = 0;
}

static void release_job_links(struct store_op *op)
{
    struct store_job_links *links = OP(store_job_links);
    links_free(&links->ret_parents, &links->ret_parent_count);
    links_free(&links->ret_children, &links->ret_child_count);
}

static void release_jobs_claimed(struct store_op *op)
{
    struct store_jobs_claimed *claimed = OP(store_jobs_claimed);
    for (size_t i = 0; i < claimed->ret_count; i++) {
        free(claimed->ret_jobs[i].execution_id);
        free(claimed->ret_jobs[i].demand);
    }
    free(TAKE_PTR(claimed->ret_jobs));
    claimed->ret_count = 0;
}

static void release_job_waits(struct store_op *op)
{
    view_release(&OP(store_job_waits)->ret_job);
    free_ptr(&OP(store_job_waits)->ret_parent);
}

static void release_batch_create(struct store_op *op)
{
    batch_release(&OP(store_batch_create)->batch);
}

static void release_batch_add(struct store_op *op)
{
    struct store_batch_add *add = OP(store_batch_add);
    for (size_t i = 0; i < add->count; i++)
        create_release(&add->jobs[i]);
    batch_release(&add->ret_batch);
}

static void release_batch_change(struct store_op *op)
{
    struct store_batch_change *change = OP(store_batch_change);
    free(TAKE_PTR(change->ret_running));
    change->ret_running_count = 0;
    batch_release(&change->ret_batch);
}

static void release_batch_get(struct store_op *op)
{
    batch_release(&OP(store_batch_get)->ret_batch);
}

static void release_batch_list(struct store_op *op)
{
    struct store_batch_list *list = OP(store_batch_list);
    for (size_t i = 0; i < list->ret_count; i++)
        batch_release(&list->ret_batches[i]);
    free(TAKE_PTR(list->ret_batches));
    list->ret_count = 0;
}

static void release_batch_failures(struct store_op *op)
{
    struct store_batch_failures *failures = OP(store_batch_failures);
    for (size_t i = 0; i < failures->ret_count; i++)
        execution_release(&failures->ret_executions[i]);
    for (size_t i = 0; failures->ret_lines && i < failures->ret_count; i++)
        free(failures->ret_lines[i]);
    free(TAKE_PTR(failures->ret_executions));
    free(TAKE_PTR(failures->ret_lines));
    failures->ret_count = 0;
}

static void release_batch_cells(struct store_op *op)
{
    struct store_batch_cells *cells = OP(store_batch_cells);
    for (size_t i = 0; cells->ret_ids && i < cells->ret_count; i++)
        free(cells->ret_ids[i]);
    free(TAKE_PTR(cells->ret_ids));
    free(TAKE_PTR(cells->ret_states));
    cells->ret_count = 0;
}

static void release_texts(char ***texts, size_t *count)
{
    for (size_t i = 0; i < *count; i++)
        free((*texts)[i]);
    free(TAKE_PTR(*texts));
    *count = 0;
}

static void release_rosters(struct store_op *op)
{
    struct store_rosters *query = OP(store_rosters);
    release_texts(&query->ret_rosters, &query->ret_count);
}

static void release_tallies(struct store_op *op)
{
    struct store_tallies *query = OP(store_tallies);
    release_texts(&query->ret_tallies, &query->ret_count);
}

void workflow_release(struct workflow *workflow)
{
    char *const texts[] = {workflow->workflow_id, workflow->owner,    workflow->name,          workflow->description,
                           workflow->graph_json,  workflow->job_json, workflow->metadata_json, workflow->retention};
    for (size_t i = 0; i < ARRAY_LEN(texts); i++)
        free(texts[i]);
    *workflow = (struct workflow){0};
}

static void release_workflow_create(struct store_op *op)
{
    workflow_release(&OP(store_workflow_create)->workflow);
}

static void release_workflow_change(struct store_op *op)
{
    workflow_release(&OP(store_workflow_change)->ret_workflow);
}

static void release_workflow_get(struct store_op *op)
{
    workflow_release(&OP(store_workflow_get)->ret_workflow);
}

static void release_workflow_list(struct store_op *op)
{
    struct store_workflow_list *list = OP(store_workflow_list);
    for (size_t i = 0; i < list->ret_count; i++)
        workflow_release(&list->ret_workflows[i]);
    free(TAKE_PTR(list->ret_workflows));
    list->ret_count = 0;
}

static void release_run_get(struct store_op *op)
{
    free_ptr(&OP(store_run_get)->ret_inputs);
    free_ptr(&OP(store_run_get)->ret_config);
    free_ptr(&OP(store_run_get)->ret_graph);
}

static void release_answer(struct store_op *op)
{
    execution_release(&OP(store_answer)->ret_execution);
}

static void release_waiting(struct store_op *op)
{
    free_ptr(&OP(store_waiting)->ret_waiting);
}

static void release_file_list(struct store_op *op)
{
    struct store_file_list *list = OP(store_file_list);
    for (size_t i = 0; i < list->ret_count; i++)
        free(list->ret_files[i].name);
    free(TAKE_PTR(list->ret_files));
    list->ret_count = 0;
}

static void release_run_find(struct store_op *op)
{
    free_ptr(&OP(store_run_find)->ret_execution_id);
}

static void release_mirror_places(struct store_op *op)
{
    free_ptr(&OP(store_mirror_places)->ret_places);
    OP(store_mirror_places)->ret_count = 0;
}

static void release_backup(struct store_op *op)
{
    free_ptr(&OP(store_backup)->ret_path);
    free_ptr(&OP(store_backup)->ret_reason);
}

#define AT(name, member) offsetof(struct store_##name, member)
#define NONE             0
#define GROWS            true
#define KEEPS            false
#define COMMIT(NAME, name, row, account, space, release) \
    [STORE_##NAME] = {true, space, sizeof(struct store_##name), row, account, release_##release},
#define QUERY(NAME, name, row, account, space, release) \
    [STORE_##NAME] = {false, space, sizeof(struct store_##name), row, account, release_##release},

const struct store_kind store_kinds[STORE_OP_KINDS] = {STORE_COMMITS(COMMIT) STORE_QUERIES(QUERY)};

// `op` is the first member of each struct. So no other member is AT 0, and an offset of a member counts from the
// operation.
#define OP_FIRST(NAME, name, ...) _Static_assert(AT(name, op) == 0, "op comes first");
STORE_COMMITS(OP_FIRST)
STORE_QUERIES(OP_FIRST)

void store_op_release(struct store_op *op)
{
    store_kinds[op->kind].release(op);
}
