#include "net/digest.h"

#include <openssl/evp.h>

static void digest(const EVP_MD *kind, const void *data, size_t len, uint8_t *out)
{
    if (EVP_Digest(data, len, out, NULL, kind, NULL) != 1)
        abort();
}

void sha256(const void *data, size_t len, uint8_t out[32])
{
    digest(EVP_sha256(), data, len, out);
}

void sha1(const void *data, size_t len, uint8_t out[20])
{
    digest(EVP_sha1(), data, len, out);
}
