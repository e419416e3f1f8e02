// Run tokens: 5 bytes of the account, 1 of the number of the store (store/shards/) that has the execution, 6 of its row
// there, 4 of the epoch, little-endian, and 16 of the MAC.
#include "auth/auth_private.h"
#include "util/id.h"

#include <assert.h>

#define ACCOUNT_AT 0
#define STORE_AT   5
#define ROW_AT     6
#define EPOCH_AT   12
#define MAC_AT     16
#define MAC_LEN    16
#define TOKEN_LEN  32

static void put(uint8_t *out, uint64_t value, size_t len)
{
    for (size_t i = 0; i < len; i++)
        out[i] = (uint8_t)(value >> 8 * i);
}

static uint64_t get(const uint8_t *in, size_t len)
{
    uint64_t value = 0;
    for (size_t i = 0; i < len; i++)
        value |= (uint64_t)in[i] << 8 * i;
    return value;
}

// A row may name another execution after a restore, so the identifier is in it too.
static void mac(const struct store *store, const uint8_t token[TOKEN_LEN], struct str execution_id,
                uint8_t out[MAC_LEN])
{
    static const char use[] = "runnel run token 1";
    uint8_t key[32], whole[32], text[MAC_AT + ID_EXECUTION_MAX];
    size_t id_len = MIN(execution_id.len, (size_t)ID_EXECUTION_MAX);
    hmac_sha256(str_n((const char *)store_secret(store), STORE_SECRET_LEN), use, sizeof(use) - 1, key);
    memcpy(text, token, MAC_AT);
    memcpy(text + MAC_AT, execution_id.data, id_len);
    hmac_sha256(str_n((const char *)key, sizeof(key)), text, MAC_AT + id_len, whole);
    memcpy(out, whole, MAC_LEN);
}

void run_token_make(const struct store *store, const struct run_name *run, char out_token[API_KEY_LEN + 1])
{
    uint8_t token[TOKEN_LEN];
    uint64_t row = (uint64_t)run->row;
    assert((uint64_t)run->account >> 40 == 0 && row >> (STORE_SHARD_SHIFT + 8) == 0 && run->epoch >> 32 == 0);
    put(token + ACCOUNT_AT, (uint64_t)run->account, 5);
    put(token + STORE_AT, row >> STORE_SHARD_SHIFT, 1);
    put(token + ROW_AT, row, 6);
    put(token + EPOCH_AT, run->epoch, 4);
    mac(store, token, run->execution_id, token + MAC_AT);
    secret_write(RUN_TOKEN_PREFIX, token, out_token);
}

struct run_name run_token_name(const uint8_t token[32])
{
    return (struct run_name){
        .account = (int64_t)get(token + ACCOUNT_AT, 5),
        .row = (int64_t)(get(token + STORE_AT, 1) << STORE_SHARD_SHIFT | get(token + ROW_AT, 6)),
        .epoch = get(token + EPOCH_AT, 4),
    };
}

bool run_token_good(const struct store *store, const uint8_t token[32], const struct run_name *run)
{
    uint8_t expected[MAC_LEN];
    mac(store, token, run->execution_id, expected);
    return secret_eq(token + MAC_AT, expected, MAC_LEN);
}

int run_judge(const struct run_name *run, const struct store_run_find *found, int64_t now_ms, struct principal *ret)
{
    if (found->ret_deleted || found->ret_purged)
        return ERR_UNAUTHORIZED;
    *ret = (struct principal){
        .role = ROLE_RUN,
        .account = found->ret_account,
        .suspended = found->ret_suspended,
        .run_row = run->row,
        .run_epoch = run->epoch,
        .run_late = found->ret_sealed,
    };
    if (found->ret_epoch != run->epoch)
        return ERR_FENCED;
    return found->ret_sealed && now_ms - found->ret_sealed_ms > ARTIFACT_GRACE_MS ? ERR_SEALED : 0;
}
