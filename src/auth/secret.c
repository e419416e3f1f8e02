#include "auth/auth_private.h"
#include "util/id.h"

#define PREFIX_LEN  4
#define RANDOM_LEN  32
#define ENCODED_LEN 44 // including one '=' of padding

void secret_make(const char *prefix, char out[API_KEY_LEN + 1])
{
    uint8_t random[RANDOM_LEN];
    char encoded[ENCODED_LEN + 1];
    random_bytes(random, sizeof(random));
    base64_encode(random, sizeof(random), encoded);
    memcpy(out, prefix, PREFIX_LEN);
    for (size_t i = 0; i < ENCODED_LEN - 1; i++)
        out[PREFIX_LEN + i] = encoded[i] == '+' ? '-' : encoded[i] == '/' ? '_' : encoded[i];
    out[API_KEY_LEN] = '\0';
}

void api_key_make(char out_key[API_KEY_LEN + 1], uint8_t out_hash[32])
{
    secret_make(API_KEY_PREFIX, out_key);
    sha256(out_key, API_KEY_LEN, out_hash);
}

bool secret_well_formed(struct str secret, struct str prefix)
{
    static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    if (secret.len != API_KEY_LEN || !str_starts(secret, prefix))
        return false;
    for (size_t i = PREFIX_LEN; i < secret.len; i++)
        if (!memchr(alphabet, secret.data[i], sizeof(alphabet) - 1))
            return false;
    return true;
}
