#include "util/id.h"

#include <errno.h>
#include <sys/random.h>

void random_bytes(void *out, size_t len)
{
    uint8_t *at = out;
    while (len > 0) {
        ssize_t got = getrandom(at, len, 0);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            abort(); // every kernel that we run on has it, and nothing may go on with secrets that can be guessed
        at += got;
        len -= (size_t)got;
    }
}

uint64_t random_u64(void)
{
    uint64_t value;
    random_bytes(&value, sizeof(value));
    return value;
}

#define TIME_CHARS 10 // 50 bits, which hold the 48 bits of the time

void id_sortable(int64_t real_ms, char out[ID_SORTABLE_LEN + 1])
{
    uint8_t noise[ID_NOISE];
    random_bytes(noise, sizeof(noise));
    id_sortable_from(real_ms, noise, out);
}

void id_sortable_from(int64_t real_ms, const uint8_t noise[ID_NOISE], char out[ID_SORTABLE_LEN + 1])
{
    static const char alphabet[] = "0123456789abcdefghjkmnpqrstvwxyz";
    uint64_t time = (uint64_t)real_ms & 0xffffffffffff;
    for (int i = TIME_CHARS - 1; i >= 0; i--, time >>= 5)
        out[i] = alphabet[time & 31];
    for (size_t i = 0; i < ID_NOISE; i++)
        out[TIME_CHARS + i] = alphabet[noise[i] & 31];
    out[ID_SORTABLE_LEN] = 0;
}

static bool is_alphanumeric(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

bool id_execution_valid(struct str id)
{
    if (id.len == 0 || id.len > ID_EXECUTION_MAX || !is_alphanumeric(id.data[0]))
        return false;
    for (size_t i = 1; i < id.len; i++) {
        char c = id.data[i];
        if (!is_alphanumeric(c) && c != '.' && c != '_' && c != ':' && c != '-')
            return false;
    }
    return true;
}

bool id_account_valid(struct str name)
{
    return name.len <= ID_ACCOUNT_MAX && id_execution_valid(name) && !str_find(name, ':');
}

void hex_encode(const void *data, size_t len, char *out)
{
    static const char digits[] = "0123456789abcdef";
    const uint8_t *bytes = data;
    for (size_t i = 0; i < len; i++) {
        out[2 * i] = digits[bytes[i] >> 4];
        out[2 * i + 1] = digits[bytes[i] & 15];
    }
    out[2 * len] = 0;
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = (char)(c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool hex_decode(struct str hex, void *out, size_t out_len)
{
    uint8_t *bytes = out;
    if (hex.len != 2 * out_len)
        return false;
    for (size_t i = 0; i < hex.len; i++) {
        if (hex_digit(hex.data[i]) < 0)
            return false;
    }
    for (size_t i = 0; i < out_len; i++)
        bytes[i] = (uint8_t)(hex_digit(hex.data[2 * i]) * 16 + hex_digit(hex.data[2 * i + 1]));
    return true;
}

bool secret_eq(const void *a, const void *b, size_t len)
{
    const volatile uint8_t *left = a, *right = b;
    uint8_t difference = 0;
    for (size_t i = 0; i < len; i++)
        difference |= left[i] ^ right[i];
    return difference == 0;
}
