// What a job depends on and what depends on it, also when nothing waits any more.
#include "store/catalogue/jobs.h"

// The first attempt has the links of all.
static int first_attempt(struct sql *sql, int64_t row, int64_t *ret)
{
    int err = number_of(sql, CATALOGUE_JOB_ROOT, row, ret);
    if (err == ERR_NOT_FOUND)
        *ret = row;
    return err == ERR_NOT_FOUND ? 0 : err;
}

static int newest_attempt(struct sql *sql, int64_t row, int64_t *ret)
{
    int err = 0;
    *ret = row;
    while (err == 0)
        err = number_of(sql, CATALOGUE_JOB_NEXT_ATTEMPT, *ret, ret);
    return err == ERR_NOT_FOUND ? 0 : err;
}

static int execution_fill(struct sql *sql, int64_t row, struct job_link *ret)
{
    enum execution_status status;
    int err = newest_attempt(sql, row, &row);
    if (err < 0)
        return err;
    CLEANUP(sql_reset) struct sql_statement *find = sql_statement(sql, CATALOGUE_LINK_EXECUTION);
    sql_bind_i64(find, 1, row);
    int rc = sql_row(find);
    if (rc <= 0)
        return rc < 0 ? rc : ERR_NOT_FOUND;
    if (!status_parse(sql_text(find, 2), &status))
        return ERR_CORRUPT;
    ret->id = sql_dup(find, 0);
    ret->owner = sql_dup(find, 1);
    ret->status = status_word(status);
    ret->purged = sql_i64(find, 3) != 0;
    return 0;
}

static int batch_fill(struct sql *sql, int64_t row, struct job_link *ret)
{
    CLEANUP(batch_release) struct batch batch = {0};
    int err = catalogue_batch_get(sql, row, &batch);
    if (err < 0)
        return err;
    ret->id = TAKE_PTR(batch.batch_id);
    ret->owner = TAKE_PTR(batch.owner);
    ret->status = batch_status_word(batch_stands(&batch));
    return 0;
}

struct link_row {
    int64_t kind, row;
    struct job_link link;
};

static int rows_find(struct sql *sql, enum catalogue_statement how, int64_t row, struct link_row *ret, size_t max,
                     size_t *ret_count)
{
    CLEANUP(sql_reset) struct sql_statement *find = sql_statement(sql, how);
    int rc = 0;
    sql_bind_i64(find, 1, row);
    sql_bind_i64(find, 2, (int64_t)max);
    *ret_count = 0;
    while (*ret_count < max && (rc = sql_row(find)) == 1)
        ret[(*ret_count)++] = (struct link_row){
            .kind = sql_i64(find, 0),
            .row = sql_i64(find, 1),
            .link = {.is_batch = sql_i64(find, 0) == ENDING_BATCH,
                     .wish = (enum dependency_wish)sql_i64(find, 2),
                     .waits = sql_i64(find, 3) != 0},
        };
    return MIN(rc, 0);
}

// Those that are not known at all any more are left out: a batch goes with its last execution.
static int links_find(struct sql *sql, enum catalogue_statement how, int64_t row, size_t max, struct job_link **ret,
                      size_t *ret_count, bool *ret_more)
{
    size_t found = 0;
    CLEANUP(free_ptr) struct link_row *rows = xcalloc(max + 1, sizeof(*rows));
    int err = rows_find(sql, how, row, rows, max + 1, &found);
    *ret_more = found > max;
    *ret = xcalloc(max, sizeof(**ret));
    *ret_count = 0;
    for (size_t i = 0; i < MIN(found, max) && err == 0; i++) {
        struct job_link *link = &(*ret)[*ret_count];
        *link = rows[i].link;
        if (rows[i].row >= PARENT_ELSEWHERE)
            link->elsewhere = (struct parent_key){link->is_batch, rows[i].row};
        else
            err = link->is_batch ? batch_fill(sql, rows[i].row, link) : execution_fill(sql, rows[i].row, link);
        *ret_count += err == 0;
        err = err == ERR_NOT_FOUND ? 0 : err;
    }
    return err;
}

static int links_of(struct sql *sql, struct store_job_links *links)
{
    int err = 0;
    links->ret_parents = xcalloc(DEPENDENCIES_MAX, sizeof(*links->ret_parents));
    for (size_t i = 0; i < MIN(links->key_count, (size_t)DEPENDENCIES_MAX) && err == 0; i++) {
        const struct parent_key *key = &links->keys[i];
        struct job_link *link = &links->ret_parents[links->ret_parent_count++];
        link->is_batch = key->is_batch;
        err = key->is_batch ? batch_fill(sql, key->row, link) : execution_fill(sql, key->row, link);
        err = err == ERR_NOT_FOUND ? 0 : err;
    }
    return err;
}

int catalogue_job_links(struct sql *sql, struct store_job_links *links)
{
    int64_t first;
    bool more;
    if (links->keys)
        return links_of(sql, links);
    if (links->child_of != 0)
        return links_find(sql, CATALOGUE_LINKS_DOWN, links->child_of, JOB_LINKS_MAX, &links->ret_children,
                          &links->ret_child_count, &links->ret_more);
    int err = first_attempt(sql, links->row, &first);
    links->ret_first = first;
    if (err == 0)
        err = links_find(sql, CATALOGUE_LINKS_UP, first, DEPENDENCIES_MAX, &links->ret_parents,
                         &links->ret_parent_count, &more);
    if (err == 0)
        err = links_find(sql, CATALOGUE_LINKS_DOWN, first, JOB_LINKS_MAX, &links->ret_children, &links->ret_child_count,
                         &links->ret_more);
    return err;
}
