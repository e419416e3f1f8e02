#include "net/digest.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>

static void digest(const EVP_MD *kind, const void *data, size_t len, uint8_t *out)
{
    if (EVP_Digest(data, len, out, NULL, kind, NULL) != 1)
        abort();
}

void sha256(const void *data, size_t len, uint8_t out[32])
{
    digest(EVP_sha256(), data, len, out);
}

// Its struct is OpenSSL's own.
static EVP_MD_CTX *context_of(struct sha256_stream *stream)
{
    return (EVP_MD_CTX *)stream;
}

struct sha256_stream *sha256_begin(void)
{
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    if (!context || EVP_DigestInit_ex(context, EVP_sha256(), NULL) != 1)
        abort();
    return (struct sha256_stream *)context;
}

void sha256_add(struct sha256_stream *stream, const void *data, size_t len)
{
    if (EVP_DigestUpdate(context_of(stream), data, len) != 1)
        abort();
}

void sha256_end(struct sha256_stream **stream, uint8_t out[32])
{
    if (EVP_DigestFinal_ex(context_of(*stream), out, NULL) != 1)
        abort();
    sha256_free(stream);
}

void sha256_free(struct sha256_stream **stream_ptr)
{
    EVP_MD_CTX_free(context_of(TAKE_PTR(*stream_ptr)));
}

void sha1(const void *data, size_t len, uint8_t out[20])
{
    digest(EVP_sha1(), data, len, out);
}

void hmac_sha256(struct str key, const void *data, size_t len, uint8_t out[32])
{
    if (!HMAC(EVP_sha256(), key.data, (int)key.len, data, len, out, NULL))
        abort();
}
