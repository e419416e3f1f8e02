// Blobs: what accounts have uploaded, and which of them nothing refers to any more.
#include "store/catalogue/jobs.h"

static struct str hash_bytes(const uint8_t hash[STORE_HASH_LEN])
{
    return str_n((const char *)hash, STORE_HASH_LEN);
}

static int bytes_of(struct sql *sql, int64_t account, uint64_t *ret)
{
    int64_t bytes = 0;
    int err = number_of(sql, CATALOGUE_BLOB_BYTES, account, &bytes);
    *ret = (uint64_t)bytes;
    return err == ERR_NOT_FOUND ? 0 : err;
}

static int bytes_add(struct sql *sql, int64_t account, int64_t by)
{
    struct sql_statement *add = sql_statement(sql, CATALOGUE_BLOB_BYTES_ADD);
    sql_bind_i64(add, 1, account);
    sql_bind_i64(add, 2, by);
    return sql_run(add, NULL);
}

static int blob_get(struct sql *sql, struct store_blob_find *find)
{
    CLEANUP(sql_reset) struct sql_statement *get = sql_statement(sql, CATALOGUE_BLOB_FIND);
    sql_bind_i64(get, 1, find->account);
    sql_bind_bytes(get, 2, hash_bytes(find->hash));
    int rc = sql_row(get);
    if (rc <= 0)
        return rc < 0 ? rc : ERR_NOT_FOUND;
    find->ret_blob = (struct store_blob){
        .row = sql_i64(get, 0),
        .size = sql_u64(get, 1),
        .wanted_ms = sql_i64(get, 3),
    };
    snprintf(find->ret_blob.key, sizeof(find->ret_blob.key), "%.*s", STR_ARGS(sql_text(get, 2)));
    return 0;
}

int catalogue_blob_find(struct sql *sql, struct store_blob_find *find)
{
    int err = bytes_of(sql, find->account, &find->ret_bytes);
    return err < 0 ? err : blob_get(sql, find);
}

int catalogue_blobs_find(struct sql *sql, struct store_blobs_find *find)
{
    int err = bytes_of(sql, find->account, &find->ret_bytes);
    for (size_t i = 0; i < find->count && err == 0; i++) {
        struct store_blob_find one = {.account = find->account};
        memcpy(one.hash, find->hashes[i], sizeof(one.hash));
        err = blob_get(sql, &one);
        find->ret_there[i] = (struct store_blob_there){one.ret_blob.row, one.ret_blob.wanted_ms};
        err = err == ERR_NOT_FOUND ? 0 : err;
    }
    return err;
}

int blob_find_locked(struct sql *sql, int64_t account, const uint8_t hash[STORE_HASH_LEN], int64_t *ret_row,
                     uint64_t *ret_size)
{
    CLEANUP(sql_reset) struct sql_statement *find = sql_statement(sql, CATALOGUE_BLOB_FIND_LOCKED);
    sql_bind_i64(find, 1, account);
    sql_bind_bytes(find, 2, hash_bytes(hash));
    int rc = sql_row(find);
    if (rc <= 0)
        return rc < 0 ? rc : ERR_NOT_FOUND;
    *ret_row = sql_i64(find, 0);
    *ret_size = sql_u64(find, 1);
    return 0;
}

static int blob_want(struct sql *sql, int64_t row, int64_t now_ms)
{
    struct sql_statement *want = sql_statement(sql, CATALOGUE_BLOB_WANT);
    sql_bind_i64(want, 1, row);
    sql_bind_i64(want, 2, now_ms);
    return sql_run(want, NULL);
}

int catalogue_blob_want(struct sql *sql, const struct store_blob_want *want, int64_t now_ms)
{
    int err = 0;
    for (size_t i = 0; i < want->count && err == 0; i++)
        err = blob_want(sql, want->rows[i], now_ms);
    return err;
}

static int blob_insert(struct sql *sql, int64_t account, const struct store_blob_new *blob, int64_t now_ms)
{
    int64_t row;
    struct sql_statement *insert = sql_statement(sql, CATALOGUE_BLOB_INSERT);
    sql_bind_i64(insert, 1, account);
    sql_bind_bytes(insert, 2, hash_bytes(blob->hash));
    sql_bind_u64(insert, 3, blob->size);
    sql_bind_text(insert, 4, blob->key);
    sql_bind_i64(insert, 5, now_ms);
    int err = sql_insert(insert, &row);
    return err == ERR_NOT_FOUND ? sql_outrun(sql) : err; // another connection has added it meanwhile
}

// Looks which of them are there. What is refused is refused before anything is written.
static int add_judge(struct sql *sql, struct store_blob_add *add, int64_t *rows, uint64_t *ret_more)
{
    uint64_t bytes, size;
    int err = bytes_of(sql, add->account, &bytes);
    *ret_more = 0;
    for (size_t i = 0; i < add->count && err == 0; i++) {
        struct store_blob_new *blob = &add->blobs[i];
        err = blob_find_locked(sql, add->account, blob->hash, &rows[i], &size);
        blob->ret_existed = err == 0;
        if (err != ERR_NOT_FOUND)
            continue;
        *ret_more += blob->size;
        err = blob->key.len == 0 ? ERR_UNAVAILABLE : 0;
        if (blob->size > add->bytes_max || *ret_more > add->bytes_max)
            err = ERR_TOO_LARGE;
    }
    return err == 0 && *ret_more > 0 && bytes > add->bytes_max - *ret_more ? ERR_TOO_LARGE : err;
}

int catalogue_blob_add(struct sql *sql, struct store_blob_add *add, int64_t now_ms)
{
    uint64_t more;
    int err = catalogue_account_open(sql, add->account);
    if (err < 0)
        return err == ERR_EXPIRED ? ERR_UNAUTHORIZED : err;
    CLEANUP(free_ptr) int64_t *rows = xcalloc(add->count + 1, sizeof(*rows));
    err = add_judge(sql, add, rows, &more);
    for (size_t i = 0; i < add->count && err == 0; i++)
        err = add->blobs[i].ret_existed ? blob_want(sql, rows[i], now_ms)
                                        : blob_insert(sql, add->account, &add->blobs[i], now_ms);
    return err < 0 || more == 0 ? err : bytes_add(sql, add->account, (int64_t)more);
}

int blob_use(struct sql *sql, int64_t row, int64_t by)
{
    return run_with(sql, CATALOGUE_BLOB_USE, row, by);
}

// --- What nothing refers to

int catalogue_blobs_unused(struct sql *sql, struct store_blobs_unused *query, int64_t now_ms)
{
    int64_t row;
    int err = number_of(sql, CATALOGUE_BLOBS_UNUSED_ANY, now_ms - BLOB_UNUSED_MS, &row);
    query->ret_any = err == 0;
    return err == ERR_NOT_FOUND ? 0 : err;
}

struct unused {
    int64_t row, account, size;
};

static int unused_find(struct sql *sql, struct store_blob_drop *drop, int64_t now_ms,
                       struct unused ret[static BLOB_DROP_MAX])
{
    CLEANUP(sql_reset) struct sql_statement *find = sql_statement(sql, CATALOGUE_BLOBS_UNUSED);
    sql_bind_i64(find, 1, now_ms - BLOB_UNUSED_MS);
    sql_bind_i64(find, 2, BLOB_DROP_MAX);
    int rc = 0;
    drop->ret_count = 0;
    while (drop->ret_count < BLOB_DROP_MAX && (rc = sql_row(find)) == 1) {
        ret[drop->ret_count] = (struct unused){sql_i64(find, 0), sql_i64(find, 1), sql_i64(find, 2)};
        snprintf(drop->ret_keys[drop->ret_count], sizeof(drop->ret_keys[0]), "%.*s", STR_ARGS(sql_text(find, 3)));
        drop->ret_count++;
    }
    return MIN(rc, 0);
}

int catalogue_blob_drop(struct sql *sql, struct store_blob_drop *drop, int64_t now_ms)
{
    struct unused found[BLOB_DROP_MAX];
    int err = unused_find(sql, drop, now_ms, found);
    for (size_t i = 0; i < drop->ret_count && err == 0; i++) {
        err = run_of(sql, CATALOGUE_BLOB_DELETE, found[i].row);
        if (err == 0)
            err = bytes_add(sql, found[i].account, -found[i].size);
    }
    return err;
}

int catalogue_blobs_known(struct sql *sql, struct store_blobs_known *query)
{
    int err = 0;
    for (size_t i = 0; i < query->count && err == 0; i++) {
        int64_t row;
        struct sql_statement *find = sql_statement(sql, CATALOGUE_BLOB_KNOWN);
        sql_bind_text(find, 1, query->keys[i]);
        err = sql_number(find, &row);
        query->ret_known[i] = err == 0;
        err = err == ERR_NOT_FOUND ? 0 : err;
    }
    return err;
}
