// Accounts and API keys.
#include "store/sqlite/sqlite_private.h"

#define KEY_LIST_MAX 10000

static const char *const role_words[ROLE_COUNT] = {
    [ROLE_NONE] = "none",       [ROLE_VIEWER] = "viewer", [ROLE_USER] = "user",
    [ROLE_SERVICE] = "service", [ROLE_ADMIN] = "admin",   [ROLE_OPERATOR] = "operator",
};

static int key_from_row(sqlite3_stmt *row, struct api_key *ret)
{
    *ret = (struct api_key){.row = db_column_i64(row, 0), .account = db_column_i64(row, 1)};
    struct str hash = db_column_blob(row, 5), word = db_column_text(row, 4);
    unsigned role = 0;
    while (role < ROLE_COUNT && !str_eq(word, str_of(role_words[role])))
        role++;
    if (role == ROLE_COUNT || hash.len != sizeof(ret->hash))
        return ERR_CORRUPT;
    ret->role = (enum role)role;
    memcpy(ret->hash, db_column_blob(row, 5).data, sizeof(ret->hash));
    ret->key_id = db_column_dup(row, 2);
    ret->name = db_column_dup(row, 3);
    ret->created_ms = db_column_i64(row, 6);
    ret->expires_ms = db_column_i64(row, 7);
    ret->last_used_ms = db_column_i64(row, 8);
    ret->revoked_ms = db_column_i64(row, 9);
    return 0;
}

int commit_key_create(struct sqlite_store *store, struct store_op *op)
{
    struct store_key_create *create = CONTAINER_OF(op, struct store_key_create, op);
    struct api_key *key = &create->key;
    struct str hash = str_n((const char *)key->hash, sizeof(key->hash));
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
    db_bind_text(insert, 4, str_of(role_words[key->role]));
    db_bind_blob(insert, 5, hash);
    db_bind_i64(insert, 6, key->created_ms);
    db_bind_i64(insert, 7, key->expires_ms);
    db_bind_i64(insert, 8, key->last_used_ms);
    db_bind_i64(insert, 9, key->revoked_ms);
    int err = db_run(insert);
    key->row = sqlite3_last_insert_rowid(store->db.handle);
    return err;
}

int commit_key_revoke(struct sqlite_store *store, struct store_op *op)
{
    struct store_key_revoke *revoke = CONTAINER_OF(op, struct store_key_revoke, op);
    sqlite3_stmt *find = db_statement(&store->db, STATEMENT_KEY_ROW_OF);
    db_bind_i64(find, 1, revoke->account);
    db_bind_text(find, 2, revoke->key_id);
    int rc = db_row(find);
    if (rc <= 0)
        return rc < 0 ? rc : commit_refuse(op, ERR_NOT_FOUND);
    revoke->ret_row = db_column_i64(find, 0);
    db_reset(&find);
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

int commit_account_ensure(struct sqlite_store *store, struct store_op *op)
{
    struct store_account_ensure *ensure = CONTAINER_OF(op, struct store_account_ensure, op);
    sqlite3_stmt *find = db_statement(&store->db, STATEMENT_ACCOUNT_FIND);
    db_bind_text(find, 1, ensure->name);
    int rc = db_row(find);
    if (rc < 0)
        return rc;
    ensure->ret_created = rc == 0;
    if (rc == 1) {
        ensure->ret_account = db_column_i64(find, 0);
        db_reset(&find);
        return 0;
    }
    sqlite3_stmt *insert = db_statement(&store->db, STATEMENT_ACCOUNT_INSERT);
    db_bind_text(insert, 1, ensure->name);
    db_bind_i64(insert, 2, store_now_ms(store));
    int err = db_run(insert);
    ensure->ret_account = sqlite3_last_insert_rowid(store->db.handle);
    return err;
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
