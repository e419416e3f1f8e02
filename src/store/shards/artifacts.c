// Contents are uploaded to the home. Where an execution leaves one as an artifact, its store has a row of its own for
// it, under the same key; so a content is removed only if no store knows it any more.
#include "store/shards/shards_private.h"

// --- An artifact

static void put(struct task *task)
{
    int err = part_op(task->parts[0])->err;
    task_give(task, task->parts[0]);
    task_end(task, err);
}

static void put_there(struct task *task)
{
    task_forget(task);
    task_part(task, task->member, STORE_ARTIFACT_PUT, task->op);
    task_go(task, put);
}

static void added(struct task *task)
{
    int err = task_error(task);
    if (err < 0)
        task_end(task, err);
    else
        put_there(task);
}

// It is wanted in the home before another store has it, so the home does not drop it in between.
static void found_blob(struct task *task)
{
    const struct store_artifact_put *artifact = TASK(task, store_artifact_put);
    const struct store_blob_find *find = PART(task->parts[0], store_blob_find);
    int err = part_op(task->parts[0])->err;
    if (err == ERR_NOT_FOUND) {
        put_there(task); // which may have it already
        return;
    }
    if (err < 0) {
        task_end(task, err);
        return;
    }
    struct {
        struct store_blob_new blob;
        int64_t row;
        char key[STORE_BLOB_KEY_MAX + 1];
    } *own = xcalloc(1, sizeof(*own));
    own->row = find->ret_blob.row;
    snprintf(own->key, sizeof(own->key), "%s", find->ret_blob.key);
    own->blob = (struct store_blob_new){.size = find->ret_blob.size, .key = str_of(own->key)};
    memcpy(own->blob.hash, artifact->hash, sizeof(own->blob.hash));
    int64_t account = find->account;
    free(task->own);
    task->own = own;
    task_forget(task);
    struct store_blob_want *want = PART(task_part(task, home_of(task->shards), STORE_BLOB_WANT, NULL), store_blob_want);
    want->rows = &own->row;
    want->count = 1;
    struct store_blob_add *add = PART(task_part(task, task->member, STORE_BLOB_ADD, NULL), store_blob_add);
    add->account = account;
    add->blobs = &own->blob;
    add->count = 1;
    add->bytes_max = UINT64_MAX; // it was counted when it was uploaded
    task_go(task, added);
}

static void found_run(struct task *task)
{
    int err = part_op(task->parts[0])->err;
    int64_t account = PART(task->parts[0], store_run_find)->ret_account;
    if (err < 0) {
        task_end(task, err);
        return;
    }
    task_forget(task);
    struct store_blob_find *find = PART(task_part(task, home_of(task->shards), STORE_BLOB_FIND, NULL), store_blob_find);
    find->account = account;
    memcpy(find->hash, TASK(task, store_artifact_put)->hash, sizeof(find->hash));
    task_go(task, found_blob);
}

void go_artifact_put(struct shards *shards, struct store_op *op)
{
    const struct store_artifact_put *artifact = CONTAINER_OF(op, struct store_artifact_put, op);
    struct member *member = member_at(shards, artifact->row);
    if (!member || member->number == 0) {
        go_by_row(shards, op);
        return;
    }
    struct task *task = task_new(shards, op);
    task->member = member;
    struct store_run_find *find = PART(task_part(task, member, STORE_RUN_FIND, NULL), store_run_find);
    find->row = store_row_within(artifact->row);
    task_go(task, found_run);
}

// --- Contents that nothing refers to

static void dropped(struct task *task);

static void drop_in(struct task *task, unsigned number)
{
    task_forget(task);
    task->member = &task->shards->members[number];
    task_part(task, task->member, STORE_BLOB_DROP, NULL);
    task_go(task, dropped);
}

static void keep_unknown(struct task *task)
{
    struct store_blob_drop *drop = TASK(task, store_blob_drop);
    int err = task_error(task); // then their content is found by the sweep of what no store knows
    size_t count = err < 0 ? 0 : drop->ret_count;
    drop->ret_count = 0;
    for (size_t i = 0; i < count; i++) {
        bool known = false;
        for (unsigned k = 0; k < task->count; k++)
            known = known || PART(task->parts[k], store_blobs_known)->ret_known[i];
        if (!known && drop->ret_count != i)
            memcpy(drop->ret_keys[drop->ret_count], drop->ret_keys[i], sizeof(drop->ret_keys[i]));
        drop->ret_count += !known;
    }
    unsigned next = task->member->number + 1;
    if (err == 0 && drop->ret_count == 0 && next < task->shards->count)
        drop_in(task, next);
    else
        task_end(task, err);
}

static void dropped(struct task *task)
{
    struct store_blob_drop *drop = TASK(task, store_blob_drop);
    struct shards *shards = task->shards;
    int err = part_op(task->parts[0])->err;
    unsigned next = task->member->number + 1;
    task_give(task, task->parts[0]);
    if (err == 0 && drop->ret_count == 0 && next < shards->count) {
        drop_in(task, next);
        return;
    }
    if (err < 0 || drop->ret_count == 0) {
        task_end(task, err);
        return;
    }
    task_forget(task);
    for (unsigned i = 0; i < shards->count; i++) {
        if (&shards->members[i] == task->member)
            continue;
        struct store_blobs_known *known =
            PART(task_part(task, &shards->members[i], STORE_BLOBS_KNOWN, NULL), store_blobs_known);
        known->count = drop->ret_count;
        for (size_t k = 0; k < drop->ret_count; k++)
            known->keys[k] = str_of(drop->ret_keys[k]);
    }
    task_go(task, keep_unknown);
}

void go_blob_drop(struct shards *shards, struct store_op *op)
{
    drop_in(task_new(shards, op), 0);
}
