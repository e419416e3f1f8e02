#include "store/sqlite/write/outcome.h"

#include "store/sqlite/read/query.h"

static struct open_count *open_count_slot(struct sqlite_store *store, int64_t account)
{
    return &store->open_counts[(uint64_t)account % OPEN_COUNTS];
}

void open_count_add(struct sqlite_store *store, int64_t account, int by)
{
    struct open_count *slot = open_count_slot(store, account);
    if (slot->account == account)
        slot->count += (uint64_t)(int64_t)by;
}

int open_count_get(struct sqlite_store *store, int64_t account, uint64_t *ret)
{
    struct open_count *slot = open_count_slot(store, account);
    if (slot->account != account) {
        uint64_t count;
        int err = catalogue_executions_open(store->db.sql, account, &count);
        if (err < 0)
            return err;
        *slot = (struct open_count){account, count};
    }
    *ret = slot->count;
    return 0;
}

int execution_load_changed(struct sqlite_store *store, const struct head *head, struct execution *ret)
{
    execution_release(ret);
    int err = execution_load(store, &store->db, head->row, ret);
    if (err < 0)
        return err;
    ret->next_sequence = head->state.next;
    ret->digest = head->state.digest;
    ret->message_bytes = head->state.message_bytes;
    return 0;
}

void announce(struct sqlite_store *store, const struct head *head)
{
    struct store_change change = head_change(head);
    group_add_change(&store->group, &change);
}

int outcome_judge(struct sqlite_store *store, const struct head *head, const struct outcome_ask *ask,
                  struct outcome *ret)
{
    struct outcome now = head_outcome(head);
    return outcome_next(&now, ask, store_now_ms(store), ret);
}

// Of a lost one its lease has run out, so anybody may claim it; nobody needs one of a log that is sealed.
static int outcome_lease(struct sqlite_store *store, int64_t row, const struct outcome *now, const struct outcome *next)
{
    struct sql *sql = store->db.sql;
    bool is_lost = next->status == STATUS_LOST, was_lost = now->status == STATUS_LOST;
    if (now->epoch == 0)
        return 0; // it never had a runner
    if (next->sealed)
        return now->sealed ? 0 : catalogue_lease_end(sql, LEASE_RUNNER, row);
    return is_lost == was_lost ? 0
                               : catalogue_lease_deadline(sql, LEASE_RUNNER, row, is_lost ? store_now_ms(store) : 0);
}

int outcome_store(struct sqlite_store *store, struct head *head, const struct outcome *next)
{
    struct outcome now = head_outcome(head);
    if (outcome_equal(&now, next))
        return 0;
    int err = catalogue_execution_outcome(store->db.sql, head->row, next, &head->state);
    if (err < 0)
        return err;
    err = outcome_lease(store, head->row, &now, next);
    if (err < 0)
        return err;
    if (next->sealed && !now.sealed)
        open_count_add(store, head->account, -1);
    head_set_outcome(head, next);
    announce(store, head);
    return 0;
}

int outcome_change(struct sqlite_store *store, struct head *head, const struct outcome_ask *ask)
{
    struct outcome next;
    int err = outcome_judge(store, head, ask, &next);
    return err < 0 ? err : outcome_store(store, head, &next);
}
