// What waits for an execution or a batch: decides about it when that is over, and finds out whether it would wait for
// itself.
#include "store/catalogue/jobs.h"

// --- Circles. A single new execution cannot make one, because its parents exist before it. A batch that takes more
// can.

struct waiting { // everything that waits for the first ones, also through others
    struct parent_key nodes[PARENT_WAITING_MAX];
    size_t count;
};

static bool node_add(struct waiting *waiting, struct parent_key node)
{
    for (size_t i = 0; i < waiting->count; i++)
        if (waiting->nodes[i].is_batch == node.is_batch && waiting->nodes[i].row == node.row)
            return true;
    if (waiting->count == PARENT_WAITING_MAX)
        return false;
    waiting->nodes[waiting->count++] = node;
    return true;
}

static int next_child(struct sql *sql, const struct parent_key *of, int64_t after, int64_t *ret)
{
    struct sql_statement *next = sql_statement(sql, CATALOGUE_DEPENDENTS_AFTER);
    sql_bind_i64(next, 1, of->is_batch ? ENDING_BATCH : ENDING_EXECUTION);
    sql_bind_i64(next, 2, of->row);
    sql_bind_i64(next, 3, after);
    return sql_number(next, ret);
}

// Adds what waits for one. *ret_all: there was enough room.
static int children_add(struct sql *sql, struct waiting *waiting, struct parent_key of, bool *ret_all)
{
    struct job_row job;
    int64_t child = 0;
    int err = 0;
    *ret_all = true;
    while (err == 0 && *ret_all && (err = next_child(sql, &of, child, &child)) == 0) {
        err = job_load(sql, child, &job);
        *ret_all = err == 0 && node_add(waiting, (struct parent_key){false, job.root});
        if (*ret_all && job.batch != 0)
            *ret_all = node_add(waiting, (struct parent_key){true, job.batch});
    }
    return err == ERR_NOT_FOUND ? 0 : err;
}

int batch_waits_for(struct sql *sql, int64_t batch, const struct parent_row *parent, bool *ret)
{
    struct waiting *waiting = xcalloc(1, sizeof(*waiting));
    const struct parent_key wanted = {parent->kind == ENDING_BATCH, parent->row};
    bool all = true;
    int err = 0;
    *ret = false;
    node_add(waiting, (struct parent_key){true, batch});
    for (size_t i = 0; i < waiting->count && all && !*ret && err == 0; i++) {
        *ret = waiting->nodes[i].is_batch == wanted.is_batch && waiting->nodes[i].row == wanted.row;
        err = *ret ? 0 : children_add(sql, waiting, waiting->nodes[i], &all);
    }
    *ret = *ret || !all; // if there is more than can be looked at, it is refused
    free(waiting);
    return err;
}

int catalogue_parents_waiting(struct sql *sql, struct store_parents_waiting *query)
{
    struct waiting *waiting = xcalloc(1, sizeof(*waiting));
    size_t asked = MIN(query->count, (size_t)PARENT_WAITING_MAX);
    bool all = asked == query->count;
    int err = 0;
    for (size_t i = 0; i < asked; i++)
        node_add(waiting, query->keys[i]);
    asked = waiting->count;
    for (size_t i = 0; i < waiting->count && all && err == 0; i++)
        err = children_add(sql, waiting, waiting->nodes[i], &all);
    query->ret_all = all;
    query->ret_count = waiting->count - asked;
    memcpy(query->ret_keys, waiting->nodes + asked, query->ret_count * sizeof(*query->ret_keys));
    free(waiting);
    return err;
}

// --- Deciding

struct dependent {
    int64_t child;
    enum dependency_wish wish;
};

#define DEPENDENTS_AT_ONCE 64

static int dependents_find(struct sql *sql, const struct parent_row *parent, size_t max, struct dependent *ret,
                           size_t *ret_count)
{
    CLEANUP(sql_reset) struct sql_statement *find = sql_statement(sql, CATALOGUE_DEPENDENTS);
    sql_bind_i64(find, 1, parent->kind);
    sql_bind_i64(find, 2, parent->row);
    sql_bind_i64(find, 3, (int64_t)max);
    int rc = 1;
    *ret_count = 0;
    while (*ret_count < max && (rc = sql_row(find)) == 1)
        ret[(*ret_count)++] = (struct dependent){sql_i64(find, 0), (enum dependency_wish)sql_i64(find, 1)};
    return MIN(rc, 0);
}

static int name_of(struct sql *sql, const struct parent_row *parent, char **ret)
{
    if (parent->id.len > 0) {
        *ret = xstrndup(parent->id.data, parent->id.len);
        return 0;
    }
    return text_of(sql, parent->kind == ENDING_BATCH ? CATALOGUE_BATCH_NAME : CATALOGUE_EXECUTION_NAME, parent->row,
                   ret);
}

static int dependent_skip(struct sql *sql, const struct parent_row *parent, const struct dependent *dependent,
                          enum execution_status ended, const struct catalogue_changes *changes)
{
    CLEANUP(buf_release) struct buf reason = {0};
    CLEANUP(free_ptr) char *name = NULL;
    int err = name_of(sql, parent, &name);
    if (err < 0)
        return err;
    dependency_reason(dependent->wish, str_of(name), parent->kind == ENDING_BATCH, ended, &reason);
    err = catalogue_job_reason(sql, dependent->child, buf_str(&reason));
    return err < 0 ? err : changes->end(changes->arg, dependent->child, OUTCOME_SKIPPED);
}

static int dependency_done(struct sql *sql, const struct parent_row *parent, const struct dependent *dependent)
{
    struct sql_statement *done = sql_statement(sql, CATALOGUE_DEPENDENCY_DELETE);
    sql_bind_i64(done, 1, dependent->child);
    sql_bind_i64(done, 2, parent->kind);
    sql_bind_i64(done, 3, parent->row);
    sql_bind_i64(done, 4, dependent->wish);
    return sql_run(done, NULL);
}

static int dependent_judge(struct sql *sql, const struct parent_state *parent, const struct dependent *dependent,
                           const struct catalogue_changes *changes)
{
    struct job_row job;
    int err = dependency_done(sql, &parent->parent, dependent);
    if (err < 0 || dependent->child == CHILD_ELSEWHERE)
        return err;
    err = job_load(sql, dependent->child, &job);
    if (err < 0 || job.waits_for == 0) // it has ended meanwhile
        return err == ERR_NOT_FOUND ? 0 : err;
    if (dependency_judge(dependent->wish, true, parent->failed) == DEPENDENCY_IMPOSSIBLE)
        return dependent_skip(sql, &parent->parent, dependent, parent->ended, changes);
    job.waits_for--;
    if (job.waits_for == 0)
        return job_release(sql, &job, changes);
    return job_save(sql, &job);
}

int dependents_judge(struct sql *sql, const struct parent_state *parent, const struct catalogue_changes *changes,
                     unsigned *budget, struct judged *ret)
{
    struct dependent found[DEPENDENTS_AT_ONCE];
    size_t count = DEPENDENTS_AT_ONCE, wanted = DEPENDENTS_AT_ONCE;
    int err = 0;
    ret->elsewhere = false;
    while (err == 0 && count == wanted && *budget > 0) {
        wanted = MIN(*budget, (unsigned)DEPENDENTS_AT_ONCE);
        err = dependents_find(sql, &parent->parent, wanted, found, &count);
        for (size_t i = 0; i < count && err == 0; i++) {
            ret->elsewhere |= found[i].child == CHILD_ELSEWHERE;
            err = dependent_judge(sql, parent, &found[i], changes);
        }
        *budget -= (unsigned)count;
    }
    ret->left = count == wanted;
    return err;
}
