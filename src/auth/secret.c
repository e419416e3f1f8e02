#include "auth/auth_private.h"
#include "util/id.h"

#define PREFIX_LEN  4
#define RANDOM_LEN  32
#define ENCODED_LEN 44 // including one '=' of padding

void secret_write(const char *prefix, const uint8_t bits[32], char out[API_KEY_LEN + 1])
{
    char encoded[ENCODED_LEN + 1];
    base64_encode(bits, RANDOM_LEN, encoded);
    memcpy(out, prefix, PREFIX_LEN);
    for (size_t i = 0; i < ENCODED_LEN - 1; i++)
        out[PREFIX_LEN + i] = encoded[i] == '+' ? '-' : encoded[i] == '/' ? '_' : encoded[i];
    out[API_KEY_LEN] = '\0';
}

void secret_make(const char *prefix, char out[API_KEY_LEN + 1])
{
    uint8_t random[RANDOM_LEN];
    random_bytes(random, sizeof(random));
    secret_write(prefix, random, out);
}

bool secret_read(struct str secret, uint8_t out[32])
{
    char encoded[ENCODED_LEN];
    size_t len = RANDOM_LEN;
    for (size_t i = 0; i < ENCODED_LEN - 1; i++) {
        char c = secret.data[PREFIX_LEN + i];
        encoded[i] = c == '-' ? '+' : c == '_' ? '/' : c;
    }
    encoded[ENCODED_LEN - 1] = '=';
    return base64_decode(str_n(encoded, ENCODED_LEN), out, &len) && len == RANDOM_LEN;
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
