// The large part of an execution: its request and its metadata, with the labels that lists are filtered by.
#include "store/catalogue/catalogue.h"

struct labelled {
    struct sql *sql;
    int64_t account, row;
    int err;
};

static void label_insert(void *arg, struct str name, struct str value)
{
    struct labelled *labelled = arg;
    if (labelled->err < 0)
        return;
    struct sql_statement *insert = sql_statement(labelled->sql, CATALOGUE_LABEL_INSERT);
    sql_bind_i64(insert, 1, labelled->account);
    sql_bind_text(insert, 2, name);
    sql_bind_text(insert, 3, value);
    sql_bind_i64(insert, 4, labelled->row);
    labelled->err = sql_run(insert, NULL);
}

int catalogue_documents_set(struct sql *sql, int64_t account, int64_t row, struct str spec, struct str metadata)
{
    struct sql_statement *set = sql_statement(sql, CATALOGUE_DOCUMENT_SET);
    sql_bind_i64(set, 1, row);
    sql_bind_text(set, 2, spec);
    sql_bind_text(set, 3, metadata);
    int err = sql_run(set, NULL);
    if (err < 0 || !metadata.data)
        return err;
    struct labelled labelled = {.sql = sql, .account = account, .row = row};
    err = metadata_labels(metadata, label_insert, &labelled);
    return err < 0 ? ERR_INTERNAL : labelled.err; // the caller has checked that it is an object
}

int catalogue_result_set(struct sql *sql, int64_t row, struct str details, struct str result)
{
    struct sql_statement *set = sql_statement(sql, CATALOGUE_RESULT_SET);
    sql_bind_i64(set, 1, row);
    sql_bind_text(set, 2, details.len > 0 ? details : (struct str){0});
    sql_bind_text(set, 3, result.len > 0 ? result : (struct str){0});
    return sql_run(set, NULL);
}

// The merge happens here and not in the caller: of two patches at the same time, each finds what the other one has
// left.
int catalogue_metadata_judge(struct sql *sql, int64_t row, struct str patch, size_t max, char **ret)
{
    CLEANUP(sql_reset) struct sql_statement *get = sql_statement(sql, CATALOGUE_METADATA_GET);
    sql_bind_i64(get, 1, row);
    int rc = sql_row(get);
    if (rc < 0)
        return rc;
    struct str current = rc > 0 ? sql_text(get, 0) : (struct str){0};
    return metadata_merge(current, patch, max, ret);
}

int catalogue_metadata_set(struct sql *sql, int64_t account, int64_t row, struct str metadata)
{
    struct sql_statement *forget = sql_statement(sql, CATALOGUE_LABELS_DELETE);
    sql_bind_i64(forget, 1, row);
    int err = sql_run(forget, NULL);
    return err < 0 ? err : catalogue_documents_set(sql, account, row, (struct str){0}, metadata);
}
