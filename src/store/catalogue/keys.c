// API keys.
#include "store/catalogue/catalogue.h"

#define KEY_LIST_MAX 10000

static int key_from_row(const struct sql_statement *row, struct api_key *ret)
{
    *ret = (struct api_key){.row = sql_i64(row, 0), .account = sql_i64(row, 1)};
    struct str hash = sql_bytes(row, 5), word = sql_text(row, 4);
    if (!role_parse(word, &ret->role) || hash.len != sizeof(ret->hash))
        return ERR_CORRUPT;
    memcpy(ret->hash, hash.data, sizeof(ret->hash));
    ret->key_id = sql_dup(row, 2);
    ret->name = sql_dup(row, 3);
    ret->created_ms = sql_i64(row, 6);
    ret->expires_ms = sql_i64(row, 7);
    ret->last_used_ms = sql_i64(row, 8);
    ret->revoked_ms = sql_i64(row, 9);
    ret->account_suspended = sql_i64(row, 10) > 0;
    return 0;
}

// --- Changing

int catalogue_key_create(struct sql *sql, struct store_key_create *create)
{
    struct api_key *key = &create->key;
    int err = catalogue_account_resolve(sql, create->account_name, &key->account);
    if (err == 0)
        err = catalogue_account_open(sql, key->account);
    if (err < 0)
        return err;
    struct sql_statement *insert = sql_statement(sql, CATALOGUE_KEY_INSERT);
    sql_bind_i64(insert, 1, key->account);
    sql_bind_text(insert, 2, str_of(key->key_id));
    sql_bind_text(insert, 3, str_of(key->name ? key->name : ""));
    sql_bind_text(insert, 4, str_of(role_name(key->role)));
    sql_bind_bytes(insert, 5, str_n((const char *)key->hash, sizeof(key->hash)));
    sql_bind_i64(insert, 6, key->created_ms);
    sql_bind_i64(insert, 7, key->expires_ms);
    sql_bind_i64(insert, 8, key->last_used_ms);
    sql_bind_i64(insert, 9, key->revoked_ms);
    err = sql_insert(insert, &key->row);
    return err == ERR_NOT_FOUND ? ERR_CONFLICT : err;
}

static int key_load(struct sql *sql, int64_t account, struct str key_id, struct api_key *ret)
{
    CLEANUP(sql_reset) struct sql_statement *find = sql_statement(sql, CATALOGUE_KEY_OF);
    sql_bind_i64(find, 1, account);
    sql_bind_text(find, 2, key_id);
    int rc = sql_row(find);
    return rc == 1 ? key_from_row(find, ret) : rc < 0 ? rc : ERR_NOT_FOUND;
}

// The key to be changed, which must not be above the role of whoever asks. *account becomes its account.
static int key_for(struct sql *sql, struct str account_name, int64_t *account, struct str key_id, enum role role,
                   struct api_key *ret)
{
    int err = catalogue_account_resolve(sql, account_name, account);
    if (err == 0)
        err = key_load(sql, *account, key_id, ret);
    return err < 0 ? err : ret->role > role ? ERR_FORBIDDEN : 0;
}

static int revoke_check(struct sql *sql, struct store_key_revoke *revoke, int64_t now_ms, struct api_key *ret_key)
{
    int err = key_for(sql, revoke->account_name, &revoke->account, revoke->key_id, revoke->role, ret_key);
    return err < 0 ? err : catalogue_operators_left(sql, ret_key->row, 0, now_ms);
}

int catalogue_key_rename(struct sql *sql, struct store_key_rename *rename)
{
    CLEANUP(api_key_release) struct api_key key = {0};
    int err = key_for(sql, rename->account_name, &rename->account, rename->key_id, rename->role, &key);
    if (err < 0)
        return err;
    struct sql_statement *update = sql_statement(sql, CATALOGUE_KEY_RENAME);
    sql_bind_i64(update, 1, key.row);
    sql_bind_text(update, 2, rename->name);
    return sql_run(update, NULL);
}

static int run_at(struct sql *sql, enum catalogue_statement id, int64_t row, int64_t time_ms)
{
    struct sql_statement *update = sql_statement(sql, id);
    sql_bind_i64(update, 1, row);
    sql_bind_i64(update, 2, time_ms);
    return sql_run(update, NULL);
}

int catalogue_key_revoke(struct sql *sql, struct store_key_revoke *revoke, int64_t now_ms)
{
    CLEANUP(api_key_release) struct api_key key = {0};
    int err = revoke_check(sql, revoke, now_ms, &key);
    if (err < 0)
        return err;
    revoke->ret_row = key.row;
    return run_at(sql, CATALOGUE_KEY_REVOKE, key.row, now_ms);
}

int catalogue_key_used(struct sql *sql, const struct store_key_used *used)
{
    return run_at(sql, CATALOGUE_KEY_USED, used->row, used->used_ms);
}

// --- Finding

int catalogue_key_find(struct sql *sql, struct store_key_find *query)
{
    CLEANUP(sql_reset) struct sql_statement *find = sql_statement(sql, CATALOGUE_KEY_BY_HASH);
    sql_bind_bytes(find, 1, str_n((const char *)query->hash, sizeof(query->hash)));
    int rc = sql_row(find);
    return rc == 1 ? key_from_row(find, &query->ret_key) : rc < 0 ? rc : ERR_NOT_FOUND;
}

int catalogue_key_list(struct sql *sql, struct store_key_list *query)
{
    int err = catalogue_account_resolve(sql, query->account_name, &query->account);
    if (err < 0)
        return err;
    CLEANUP(sql_reset) struct sql_statement *list = sql_statement(sql, CATALOGUE_KEY_LIST);
    sql_bind_i64(list, 1, query->account);
    sql_bind_i64(list, 2, KEY_LIST_MAX);
    size_t cap = 0;
    int rc;
    while ((rc = sql_row(list)) == 1) {
        if (query->ret_count == cap) {
            cap = cap ? cap * 2 : 16;
            query->ret_keys = xrealloc(query->ret_keys, cap * sizeof(*query->ret_keys));
        }
        rc = key_from_row(list, &query->ret_keys[query->ret_count]);
        if (rc < 0)
            break;
        query->ret_count++;
    }
    return rc;
}
