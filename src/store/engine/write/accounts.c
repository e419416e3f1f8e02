// Accounts, keys and secrets. The catalogue has the rules.
#include "store/engine/write/commit.h"

int commit_account_ensure(struct transaction *tx, struct store_op *op)
{
    struct store_account_ensure *ensure = CONTAINER_OF(op, struct store_account_ensure, op);
    return commit_refuse(op, catalogue_account_ensure(tx->session.sql, ensure, transaction_now_ms(tx)));
}

int commit_account_create(struct transaction *tx, struct store_op *op)
{
    struct store_account_create *create = CONTAINER_OF(op, struct store_account_create, op);
    return commit_refuse(op, catalogue_account_create(tx->session.sql, create, transaction_now_ms(tx)));
}

// What is kept in memory of its executions says when they expire. Its rows are not known here, so it is forgotten of
// all.
static void forget_executions(struct transaction *tx)
{
    for (int64_t row = 1; row <= STORE_VERSION_SLOTS; row++)
        transaction_add_row(tx, row);
}

int commit_account_change(struct transaction *tx, struct store_op *op)
{
    struct store_account_change *change = CONTAINER_OF(op, struct store_account_change, op);
    int err = catalogue_account_change(tx->session.sql, change, transaction_now_ms(tx));
    if (err < 0)
        return commit_refuse(op, err);
    tx->purges = tx->purges || change->state == ACCOUNT_DELETED;
    if (change->has_retention)
        forget_executions(tx);
    const int64_t account = change->ret_account.row;
    int64_t number = 0;
    if (change->state == ACCOUNT_DELETED)
        err = catalogue_tickets_end(tx->session.sql, account, 0);
    if (err == 0 && change->state != ACCOUNT_AS_IT_IS)
        err = transaction_tell(
            tx, &(struct store_news){.kind = NEWS_ACCOUNT, .account = account, .value = (int64_t)change->state},
            &account, 1, &number);
    change->ret_change = number > 0 ? (uint64_t)number : ++tx->account_changes;
    return err;
}

int commit_account_place(struct transaction *tx, struct store_op *op)
{
    const struct store_account_place *place = CONTAINER_OF(op, struct store_account_place, op);
    bool rules = false;
    int err = 0;
    for (size_t i = 0; i < place->count && err == 0; i++) {
        bool deleted, changed;
        err = catalogue_account_place(tx->session.sql, &place->rows[i], &deleted, &changed);
        tx->purges = tx->purges || (err == 0 && deleted);
        rules = rules || changed;
    }
    if (err == 0 && rules)
        forget_executions(tx);
    return err;
}

int commit_shard_join(struct transaction *tx, struct store_op *op)
{
    struct store_shard_join *join = CONTAINER_OF(op, struct store_shard_join, op);
    struct str incarnation = str_of(store_incarnation(&tx->session.engine->base));
    return commit_refuse(op, catalogue_shard_join(tx->session.sql, join, incarnation, transaction_now_ms(tx)));
}

int commit_ticket_add(struct transaction *tx, struct store_op *op)
{
    int64_t now_ms;
    int err = transaction_shared_now(tx, &now_ms);
    if (err == 0)
        err = catalogue_ticket_add(tx->session.sql, CONTAINER_OF(op, struct store_ticket_add, op), now_ms);
    return commit_refuse(op, err);
}

int commit_ticket_use(struct transaction *tx, struct store_op *op)
{
    int64_t now_ms;
    int err = transaction_shared_now(tx, &now_ms);
    store_op_release(op); // of a transaction that is begun again
    if (err == 0)
        err = catalogue_ticket_use(tx->session.sql, CONTAINER_OF(op, struct store_ticket_use, op), now_ms);
    return commit_refuse(op, err);
}

int commit_tickets_keep(struct transaction *tx, struct store_op *op)
{
    int64_t now_ms;
    int err = transaction_shared_now(tx, &now_ms);
    if (err == 0)
        err = catalogue_tickets_keep(tx->session.sql, CONTAINER_OF(op, struct store_tickets_keep, op), now_ms);
    return commit_refuse(op, err);
}

int commit_key_create(struct transaction *tx, struct store_op *op)
{
    return commit_refuse(op, catalogue_key_create(tx->session.sql, CONTAINER_OF(op, struct store_key_create, op)));
}

int commit_key_revoke(struct transaction *tx, struct store_op *op)
{
    struct store_key_revoke *revoke = CONTAINER_OF(op, struct store_key_revoke, op);
    int err = catalogue_key_revoke(tx->session.sql, revoke, transaction_now_ms(tx));
    if (err < 0)
        return commit_refuse(op, err);
    err = catalogue_tickets_end(tx->session.sql, revoke->account, revoke->ret_row);
    if (err < 0)
        return err;
    return transaction_tell(tx, &(struct store_news){.kind = NEWS_KEY_REVOKED, .account = revoke->account},
                            &revoke->ret_row, 1, NULL);
}

int commit_key_rename(struct transaction *tx, struct store_op *op)
{
    return commit_refuse(op, catalogue_key_rename(tx->session.sql, CONTAINER_OF(op, struct store_key_rename, op)));
}

int commit_secret_set(struct transaction *tx, struct store_op *op)
{
    struct store_secret_set *set = CONTAINER_OF(op, struct store_secret_set, op);
    return commit_refuse(op, catalogue_secret_set(tx->session.sql, set, transaction_now_ms(tx)));
}

int commit_secret_delete(struct transaction *tx, struct store_op *op)
{
    return commit_refuse(op,
                         catalogue_secret_delete(tx->session.sql, CONTAINER_OF(op, struct store_secret_delete, op)));
}

int commit_secret_take(struct transaction *tx, struct store_op *op)
{
    struct store_secret_take *take = CONTAINER_OF(op, struct store_secret_take, op);
    return commit_refuse(op, catalogue_secret_take(tx->session.sql, take, transaction_now_ms(tx)));
}

int commit_key_used(struct transaction *tx, struct store_op *op)
{
    return commit_refuse(op, catalogue_key_used(tx->session.sql, CONTAINER_OF(op, struct store_key_used, op)));
}
