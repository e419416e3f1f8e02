// API keys.
#include "store/sqlite/sqlite_private.h"

#define KEY_LIST_MAX 10000

static int key_from_row(sqlite3_stmt *row, struct api_key *ret)
{
    *ret = (struct api_key){.row = db_column_i64(row, 0), .account = db_column_i64(row, 1)};
    struct str hash = db_column_blob(row, 5), word = db_column_text(row, 4);
    if (!role_parse(word, &ret->role) || hash.len != sizeof(ret->hash))
        return ERR_CORRUPT;
    memcpy(ret->hash, db_column_blob(row, 5).data, sizeof(ret->hash));
    ret->key_id = db_column_dup(row, 2);
    ret->name = db_column_dup(row, 3);
    ret->created_ms = db_column_i64(row, 6);
    ret->expires_ms = db_column_i64(row, 7);
    ret->last_used_ms = db_column_i64(row, 8);
    ret->revoked_ms = db_column_i64(row, 9);
    ret->account_suspended = db_column_i64(row, 10) > 0;
    return 0;
}

int commit_key_create(struct sqlite_store *store, struct store_op *op)
{
    struct store_key_create *create = CONTAINER_OF(op, struct store_key_create, op);
    struct api_key *key = &create->key;
    struct str hash = str_n((const char *)key->hash, sizeof(key->hash));
    int err = account_resolve(&store->db, create->account_name, &key->account);
    if (err < 0)
        return commit_refuse(op, err);
    sqlite3_stmt *taken = db_statement(&store->db, STATEMENT_KEY_TAKEN);
    db_bind_text(taken, 1, str_of(key->key_id));
    db_bind_blob(taken, 2, hash);
    int rc = db_row(taken);
    db_reset(&taken);
    if (rc != 0)
        return rc < 0 ? rc : commit_refuse(op, ERR_CONFLICT);
    sqlite3_stmt *insert = db_statement(&store->db, STATEMENT_KEY_INSERT);
    db_bind_i64(insert, 1, key->account);
    db_bind_text(insert, 2, str_of(key->key_id));
    db_bind_text(insert, 3, str_of(key->name ? key->name : ""));
    db_bind_text(insert, 4, str_of(role_name(key->role)));
    db_bind_blob(insert, 5, hash);
    db_bind_i64(insert, 6, key->created_ms);
    db_bind_i64(insert, 7, key->expires_ms);
    db_bind_i64(insert, 8, key->last_used_ms);
    db_bind_i64(insert, 9, key->revoked_ms);
    err = db_run(insert);
    key->row = sqlite3_last_insert_rowid(store->db.handle);
    return err;
}

static int key_load(struct db *db, int64_t account, struct str key_id, struct api_key *ret)
{
    CLEANUP(db_reset) sqlite3_stmt *find = db_statement(db, STATEMENT_KEY_ROW_OF);
    db_bind_i64(find, 1, account);
    db_bind_text(find, 2, key_id);
    int rc = db_row(find);
    return rc == 1 ? key_from_row(find, ret) : rc < 0 ? rc : ERR_NOT_FOUND;
}

static int revoke_check(struct sqlite_store *store, struct store_key_revoke *revoke, struct api_key *ret_key)
{
    int err = account_resolve(&store->db, revoke->account_name, &revoke->account);
    if (err == 0)
        err = key_load(&store->db, revoke->account, revoke->key_id, ret_key);
    if (err < 0)
        return err;
    return ret_key->role > revoke->role ? ERR_FORBIDDEN : operators_left(store, ret_key->row, 0);
}

int commit_key_revoke(struct sqlite_store *store, struct store_op *op)
{
    struct store_key_revoke *revoke = CONTAINER_OF(op, struct store_key_revoke, op);
    CLEANUP(api_key_release) struct api_key key = {0};
    int err = revoke_check(store, revoke, &key);
    if (err < 0)
        return commit_refuse(op, err);
    revoke->ret_row = key.row;
    sqlite3_stmt *update = db_statement(&store->db, STATEMENT_KEY_REVOKE);
    db_bind_i64(update, 1, revoke->ret_row);
    db_bind_i64(update, 2, store_now_ms(store));
    return db_run(update);
}

int commit_key_used(struct sqlite_store *store, struct store_op *op)
{
    struct store_key_used *used = CONTAINER_OF(op, struct store_key_used, op);
    sqlite3_stmt *update = db_statement(&store->db, STATEMENT_KEY_USED);
    db_bind_i64(update, 1, used->row);
    db_bind_i64(update, 2, used->used_ms);
    return db_run(update);
}

void query_key_find(struct sqlite_store *store, struct db *db, struct store_op *op)
{
    (void)store;
    struct store_key_find *query = CONTAINER_OF(op, struct store_key_find, op);
    CLEANUP(db_reset) sqlite3_stmt *find = db_statement(db, STATEMENT_KEY_BY_HASH);
    db_bind_blob(find, 1, str_n((const char *)query->hash, sizeof(query->hash)));
    int rc = db_row(find);
    op->err = rc == 1 ? key_from_row(find, &query->ret_key) : rc < 0 ? rc : ERR_NOT_FOUND;
}

void query_key_list(struct sqlite_store *store, struct db *db, struct store_op *op)
{
    (void)store;
    struct store_key_list *query = CONTAINER_OF(op, struct store_key_list, op);
    op->err = account_resolve(db, query->account_name, &query->account);
    if (op->err < 0)
        return;
    CLEANUP(db_reset) sqlite3_stmt *list = db_statement(db, STATEMENT_KEY_LIST);
    db_bind_i64(list, 1, query->account);
    size_t cap = 0;
    int rc;
    while ((rc = db_row(list)) == 1 && query->ret_count < KEY_LIST_MAX) {
        if (query->ret_count == cap) {
            cap = cap ? cap * 2 : 16;
            query->ret_keys = xrealloc(query->ret_keys, cap * sizeof(*query->ret_keys));
        }
        rc = key_from_row(list, &query->ret_keys[query->ret_count]);
        if (rc < 0)
            break;
        query->ret_count++;
    }
    op->err = rc < 0 ? rc : 0;
}
