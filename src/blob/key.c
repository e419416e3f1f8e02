#include "blob/key.h"

#include "util/clock.h"
#include "util/id.h"

bool blob_key_valid(struct str key)
{
    for (size_t i = 0; i < key.len; i++) {
        char c = key.data[i];
        if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || c == '.' || c == '/'))
            return false;
        if (c == '.' && (i == 0 || key.data[i - 1] == '.' || key.data[i - 1] == '/'))
            return false;
    }
    return key.len > 0 && key.len <= BLOB_KEY_MAX && key.data[0] != '/';
}

void blob_key_new(int64_t account, const uint8_t hash[BLOB_HASH_LEN], char ret_key[BLOB_KEY_MAX + 1])
{
    char hex[2 * BLOB_HASH_LEN + 1], id[ID_SORTABLE_LEN + 1];
    hex_encode(hash, BLOB_HASH_LEN, hex);
    id_sortable(clock_real_ms(), id);
    snprintf(ret_key, BLOB_KEY_MAX + 1, "%lld/%.2s/%s.%s", (long long)account, hex, hex, id);
}
