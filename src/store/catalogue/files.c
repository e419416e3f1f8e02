// Files of executions: their inputs, and the artifacts that they leave. Each refers to a blob.
#include "store/catalogue/jobs.h"
#include "util/id.h"

static int file_insert(struct sql *sql, int64_t execution, enum store_file_kind kind, struct str name, int64_t blob,
                       unsigned mode, int64_t now_ms)
{
    uint64_t changes = 0;
    struct sql_statement *insert = sql_statement(sql, CATALOGUE_FILE_INSERT);
    sql_bind_i64(insert, 1, execution);
    sql_bind_i64(insert, 2, kind);
    sql_bind_text(insert, 3, name);
    sql_bind_i64(insert, 4, blob);
    sql_bind_i64(insert, 5, mode);
    sql_bind_i64(insert, 6, now_ms);
    int err = sql_run(insert, &changes);
    if (err == 0 && changes == 0)
        return ERR_CONFLICT;
    return err;
}

// --- Inputs

static int input_refuse(struct store_create *create, size_t index, const char *reason)
{
    const struct store_input *input = &create->inputs[index];
    char hex[2 * STORE_HASH_LEN + 1];
    hex_encode(input->hash, STORE_HASH_LEN, hex);
    free_ptr(&create->ret_reason);
    create->ret_reason = xasprintf("\"%.*s\" %s: %s", STR_ARGS(input->name), reason, hex);
    create->ret_field = "inputs";
    return ERR_INVALID;
}

int catalogue_inputs_judge(struct sql *sql, struct store_create *create)
{
    int64_t row;
    uint64_t size;
    for (size_t i = 0; i < create->input_count; i++) {
        const struct store_input *input = &create->inputs[i];
        int err = blob_find_locked(sql, create->execution.account, input->hash, &row, &size);
        if (err == ERR_NOT_FOUND)
            return input_refuse(create, i, "names content that the account does not have; upload it first");
        if (err < 0)
            return err;
        if (size != input->size)
            return input_refuse(create, i, "has another size than the content of that hash");
    }
    return 0;
}

int catalogue_inputs_add(struct sql *sql, const struct store_create *create, int64_t now_ms)
{
    int64_t row;
    uint64_t size;
    int err = 0;
    for (size_t i = 0; i < create->input_count && err == 0; i++) {
        const struct store_input *input = &create->inputs[i];
        err = blob_find_locked(sql, create->execution.account, input->hash, &row, &size);
        if (err == 0)
            err = file_insert(sql, create->execution.row, STORE_FILE_INPUT, input->name, row, input->mode, now_ms);
        if (err == 0)
            err = blob_use(sql, row, 1);
    }
    return err;
}

int inputs_copy(struct sql *sql, int64_t from, int64_t to)
{
    int err = run_with(sql, CATALOGUE_INPUTS_COPY, from, to);
    return err < 0 ? err : run_of(sql, CATALOGUE_FILES_USE, to);
}

// --- Artifacts

struct artifact_head {
    int64_t account;
    bool sealed, purged;
    int64_t sealed_ms, count;
    uint64_t epoch, bytes;
};

static int artifact_head(struct sql *sql, int64_t row, struct artifact_head *ret)
{
    CLEANUP(sql_reset) struct sql_statement *find = sql_statement(sql, CATALOGUE_ARTIFACT_HEAD);
    sql_bind_i64(find, 1, row);
    int rc = sql_row(find);
    if (rc <= 0)
        return rc < 0 ? rc : ERR_NOT_FOUND;
    *ret = (struct artifact_head){
        .account = sql_i64(find, 0),
        .sealed = sql_i64(find, 1) != 0,
        .purged = sql_i64(find, 2) != 0,
        .sealed_ms = sql_i64(find, 3),
        .epoch = sql_u64(find, 4),
        .count = sql_i64(find, 5),
        .bytes = sql_u64(find, 6),
    };
    return 0;
}

static int artifact_allowed(const struct store_artifact_put *put, const struct artifact_head *head, int64_t now_ms)
{
    if (head->purged)
        return ERR_EXPIRED;
    if (put->epoch != 0 && put->epoch != head->epoch)
        return ERR_FENCED;
    bool late = put->late && now_ms - head->sealed_ms <= ARTIFACT_GRACE_MS;
    return head->sealed && !late ? ERR_SEALED : 0;
}

// Finds one of the name. Returns ERR_NOT_FOUND, or ERR_CONFLICT if it is another content.
static int artifact_same(struct sql *sql, const struct store_artifact_put *put, int64_t blob, int64_t *ret_created_ms)
{
    CLEANUP(sql_reset) struct sql_statement *find = sql_statement(sql, CATALOGUE_FILE_FIND);
    sql_bind_i64(find, 1, put->row);
    sql_bind_i64(find, 2, STORE_FILE_ARTIFACT);
    sql_bind_text(find, 3, put->name);
    int rc = sql_row(find);
    if (rc <= 0)
        return rc < 0 ? rc : ERR_NOT_FOUND;
    *ret_created_ms = sql_i64(find, 2);
    return sql_i64(find, 0) == blob && sql_i64(find, 1) == put->mode ? 0 : ERR_CONFLICT;
}

static int artifact_add(struct sql *sql, struct store_artifact_put *put, int64_t blob, int64_t now_ms)
{
    put->ret_created_ms = now_ms;
    int err = file_insert(sql, put->row, STORE_FILE_ARTIFACT, put->name, blob, put->mode, now_ms);
    if (err == 0)
        err = blob_use(sql, blob, 1);
    return err < 0 ? err : run_with(sql, CATALOGUE_ARTIFACT_COUNT, put->row, (int64_t)put->size);
}

int catalogue_artifact_put(struct sql *sql, struct store_artifact_put *put, int64_t now_ms)
{
    struct artifact_head head;
    int64_t blob = 0;
    uint64_t size = 0;
    int err = artifact_head(sql, put->row, &head);
    if (err == 0)
        err = artifact_allowed(put, &head, now_ms);
    if (err == 0)
        err = blob_find_locked(sql, head.account, put->hash, &blob, &size);
    if (err == 0 && size != put->size)
        err = ERR_INVALID;
    if (err < 0)
        return err;
    err = artifact_same(sql, put, blob, &put->ret_created_ms);
    put->ret_existed = err == 0;
    if (err != ERR_NOT_FOUND)
        return err;
    return head.count >= ARTIFACTS_MAX ? ERR_TOO_LARGE : artifact_add(sql, put, blob, now_ms);
}

// --- Both

static void file_from_row(const struct sql_statement *row, struct store_file *ret)
{
    struct str hash = sql_bytes(row, 1);
    *ret = (struct store_file){
        .name = sql_dup(row, 0),
        .size = sql_u64(row, 2),
        .mode = (unsigned)sql_i64(row, 3),
        .created_ms = sql_i64(row, 4),
    };
    if (hash.len == STORE_HASH_LEN)
        memcpy(ret->hash, hash.data, STORE_HASH_LEN);
    snprintf(ret->key, sizeof(ret->key), "%.*s", STR_ARGS(sql_text(row, 5)));
}

int catalogue_file_list(struct sql *sql, struct store_file_list *list)
{
    bool one = list->name.len > 0;
    size_t max = one ? 1 : ARTIFACTS_MAX;
    CLEANUP(sql_reset)
    struct sql_statement *find = sql_statement(sql, one ? CATALOGUE_FILES_NAMED : CATALOGUE_FILES_LIST);
    sql_bind_i64(find, 1, list->row);
    sql_bind_i64(find, 2, list->file_kind);
    if (one)
        sql_bind_text(find, 3, list->name);
    else
        sql_bind_i64(find, 3, (int64_t)max);
    int rc = 0;
    list->ret_files = xcalloc(max, sizeof(*list->ret_files));
    list->ret_count = 0;
    while (list->ret_count < max && (rc = sql_row(find)) == 1)
        file_from_row(find, &list->ret_files[list->ret_count++]);
    return MIN(rc, 0);
}

// Those of this kind and of the kinds after it: the inputs are the first.
static int files_forget(struct sql *sql, int64_t execution, enum store_file_kind from)
{
    int err = run_with(sql, CATALOGUE_FILES_UNUSE, execution, from);
    return err < 0 ? err : run_with(sql, CATALOGUE_FILES_DELETE, execution, from);
}

int catalogue_files_purge(struct sql *sql, int64_t execution)
{
    return files_forget(sql, execution, STORE_FILE_INPUT);
}

int catalogue_artifacts_purge(struct sql *sql, struct store_artifacts_purge *purge)
{
    struct artifact_head head;
    int err = artifact_head(sql, purge->row, &head);
    if (err < 0)
        return err;
    if (head.purged || !head.sealed)
        return head.purged ? ERR_EXPIRED : ERR_CONFLICT;
    purge->ret_count = (uint64_t)head.count;
    purge->ret_bytes = head.bytes;
    if (head.count == 0)
        return 0;
    err = files_forget(sql, purge->row, STORE_FILE_ARTIFACT);
    return err < 0 ? err : run_of(sql, CATALOGUE_ARTIFACTS_NONE, purge->row);
}

// --- Run tokens

int catalogue_run_find(struct sql *sql, struct store_run_find *run)
{
    CLEANUP(sql_reset) struct sql_statement *find = sql_statement(sql, CATALOGUE_RUN_FIND);
    sql_bind_i64(find, 1, run->row);
    int rc = sql_row(find);
    if (rc <= 0)
        return rc < 0 ? rc : ERR_NOT_FOUND;
    run->ret_account = sql_i64(find, 0);
    run->ret_execution_id = sql_dup(find, 1);
    run->ret_epoch = sql_u64(find, 2);
    run->ret_sealed = sql_i64(find, 4) != 0;
    run->ret_purged = sql_i64(find, 5) != 0;
    run->ret_sealed_ms = sql_i64(find, 6);
    run->ret_suspended = sql_i64(find, 7) > 0;
    run->ret_deleted = sql_i64(find, 8) > 0;
    return status_parse(sql_text(find, 3), &run->ret_status) ? 0 : ERR_CORRUPT;
}
