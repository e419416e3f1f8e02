#include "auth/jose.h"

#include "net/digest.h"
#include "util/id.h"

#include <jansson.h>
#include <openssl/core_names.h>
#include <openssl/ecdsa.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#define RSA_BITS_MIN     2048
#define RSA_BITS_MAX     8192
#define RSA_EXPONENT_MAX 8 // bytes: a long one would make each check slow
#define NUMBER_MAX       ((size_t)RSA_BITS_MAX / 8 + 1)
#define POINT_LEN        32 // of one coordinate on P-256, and of a key of Ed25519
#define ES256_LEN        64
#define SECRET_MAX       4096

static void free_pkey(EVP_PKEY **pkey)
{
    EVP_PKEY_free(*pkey);
}

static void free_bio(BIO **bio)
{
    BIO_free(*bio);
}

static void free_number(BIGNUM **number)
{
    BN_free(*number);
}

bool jose_alg_parse(struct str word, enum jose_alg *ret)
{
    static const char *const words[JOSE_ALG_COUNT] = {"HS256", "RS256", "ES256", "EdDSA"};
    for (enum jose_alg alg = 0; alg < JOSE_ALG_COUNT; alg++) {
        if (!str_eq(word, str_of(words[alg])))
            continue;
        *ret = alg;
        return true;
    }
    return false;
}

// --- Sets of keys

static void key_release(struct jose_key *key)
{
    EVP_PKEY_free(key->public_key);
    if (key->secret.data)
        explicit_bzero(key->secret.data, key->secret.cap);
    buf_release(&key->secret);
}

void jose_keys_release(struct jose_keys *keys)
{
    for (size_t i = 0; i < keys->count; i++)
        key_release(&keys->items[i]);
    free(keys->items);
    *keys = (struct jose_keys){0};
}

static void key_print(struct jose_key *key, const void *material, size_t len)
{
    struct sha256_stream *stream = sha256_begin();
    uint8_t alg = (uint8_t)key->alg;
    sha256_add(stream, &alg, 1);
    sha256_add(stream, key->kid, strlen(key->kid) + 1);
    sha256_add(stream, material, len);
    sha256_end(&stream, key->print);
}

// Takes over the key. Returns false if there are as many as may be.
static bool keys_add(struct jose_keys *keys, struct jose_key *key)
{
    for (size_t i = 0; i < keys->count; i++) {
        if (memcmp(keys->items[i].print, key->print, sizeof(key->print)) != 0)
            continue;
        key_release(key);
        return true;
    }
    if (keys->count == JOSE_KEYS_MAX) {
        key_release(key);
        return false;
    }
    keys->items = xrealloc(keys->items, (keys->count + 1) * sizeof(*keys->items));
    keys->items[keys->count++] = *key;
    return true;
}

static int refuse(struct buf *ret_error, const char *why)
{
    ERR_clear_error(); // TLS on the same thread would take what is left there for its own
    buf_append_text(ret_error, why);
    return ERR_INVALID;
}

static int add_one(struct jose_keys *keys, struct jose_key *key, struct buf *ret_error)
{
    return keys_add(keys, key) ? 0 : refuse(ret_error, "there are more than 100 keys");
}

// --- Secrets

static bool secret_take(struct jose_key *key, struct str secret)
{
    if (secret.len < JOSE_SECRET_MIN || secret.len > SECRET_MAX)
        return false;
    key->alg = JOSE_HS256;
    buf_append_str(&key->secret, secret);
    key_print(key, secret.data, secret.len);
    return true;
}

int jose_keys_add_secret(struct jose_keys *keys, struct str secret, struct buf *ret_error)
{
    struct jose_key key = {0};
    if (!secret_take(&key, secret))
        return refuse(ret_error, "a secret for HS256 must have 32 to 4096 bytes");
    return add_one(keys, &key, ret_error);
}

// --- Public keys

static bool is_p256(const EVP_PKEY *pkey)
{
    char group[32] = "";
    return EVP_PKEY_get_group_name(pkey, group, sizeof(group), NULL) == 1 && strcmp(group, "prime256v1") == 0;
}

// Which algorithm a key is good for follows from its kind alone.
static bool alg_of(const EVP_PKEY *pkey, enum jose_alg *ret)
{
    int bits = EVP_PKEY_get_bits(pkey);
    switch (EVP_PKEY_get_base_id(pkey)) {
    case EVP_PKEY_RSA:
        *ret = JOSE_RS256;
        return bits >= RSA_BITS_MIN && bits <= RSA_BITS_MAX;
    case EVP_PKEY_EC:
        *ret = JOSE_ES256;
        return is_p256(pkey);
    case EVP_PKEY_ED25519:
        *ret = JOSE_EDDSA;
        return true;
    default:
        return false;
    }
}

// Takes over the public key if it is good for something.
static bool public_take(struct jose_key *key, EVP_PKEY **pkey)
{
    unsigned char *der = NULL;
    int len = *pkey && alg_of(*pkey, &key->alg) ? i2d_PUBKEY(*pkey, &der) : 0;
    if (len <= 0)
        return false;
    key_print(key, der, (size_t)len);
    OPENSSL_free(der);
    key->public_key = TAKE_PTR(*pkey);
    return true;
}

static EVP_PKEY *read_pem(struct str pem)
{
    CLEANUP(free_bio) BIO *bio = BIO_new_mem_buf(pem.data, (int)pem.len);
    EVP_PKEY *pkey = bio ? PEM_read_bio_PUBKEY(bio, NULL, NULL, NULL) : NULL;
    if (pkey || !bio || BIO_reset(bio) != 1)
        return pkey;
    X509 *certificate = PEM_read_bio_X509(bio, NULL, NULL, NULL);
    pkey = certificate ? X509_get_pubkey(certificate) : NULL;
    X509_free(certificate);
    return pkey;
}

int jose_keys_add_pem(struct jose_keys *keys, struct str pem, struct buf *ret_error)
{
    struct jose_key key = {0};
    if (pem.len > 0 && memmem(pem.data, pem.len, "PRIVATE KEY-----", 16))
        return refuse(ret_error, "it holds a private key; only the public one belongs here");
    CLEANUP(free_pkey) EVP_PKEY *pkey = pem.len <= JOSE_SET_MAX ? read_pem(pem) : NULL;
    if (!pkey)
        return refuse(ret_error, "it is no PEM file with a public key or a certificate");
    if (!public_take(&key, &pkey))
        return refuse(ret_error, "its key is none of RSA with 2048 to 8192 bits, P-256 and Ed25519");
    ERR_clear_error();
    return add_one(keys, &key, ret_error);
}

// --- JSON Web Keys

static struct str text_member(const json_t *object, const char *name)
{
    const json_t *value = json_object_get(object, name);
    return json_is_string(value) ? str_n(json_string_value(value), json_string_length(value)) : (struct str){0};
}

static bool bytes_member(const json_t *jwk, const char *name, uint8_t *out, size_t *inout_len)
{
    struct str text = text_member(jwk, name);
    return text.len > 0 && base64url_decode(text, out, inout_len);
}

static EVP_PKEY *pkey_from(const char *kind, OSSL_PARAM_BLD *build)
{
    EVP_PKEY *pkey = NULL;
    OSSL_PARAM *params = OSSL_PARAM_BLD_to_param(build);
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, kind, NULL);
    bool good = params && ctx && EVP_PKEY_fromdata_init(ctx) == 1 &&
                EVP_PKEY_fromdata(ctx, &pkey, EVP_PKEY_PUBLIC_KEY, params) == 1;
    EVP_PKEY_CTX_free(ctx);
    OSSL_PARAM_free(params);
    return good ? pkey : NULL;
}

static EVP_PKEY *rsa_of(const json_t *jwk)
{
    uint8_t modulus[NUMBER_MAX], exponent[RSA_EXPONENT_MAX];
    size_t modulus_len = sizeof(modulus), exponent_len = sizeof(exponent);
    if (!bytes_member(jwk, "n", modulus, &modulus_len) || !bytes_member(jwk, "e", exponent, &exponent_len))
        return NULL;
    CLEANUP(free_number) BIGNUM *n = BN_bin2bn(modulus, (int)modulus_len, NULL);
    CLEANUP(free_number) BIGNUM *e = BN_bin2bn(exponent, (int)exponent_len, NULL);
    OSSL_PARAM_BLD *build = OSSL_PARAM_BLD_new();
    bool good = build && n && e && BN_is_odd(n) && BN_is_odd(e) && !BN_is_one(e) &&
                OSSL_PARAM_BLD_push_BN(build, OSSL_PKEY_PARAM_RSA_N, n) == 1 &&
                OSSL_PARAM_BLD_push_BN(build, OSSL_PKEY_PARAM_RSA_E, e) == 1;
    EVP_PKEY *pkey = good ? pkey_from("RSA", build) : NULL;
    OSSL_PARAM_BLD_free(build);
    return pkey;
}

// OpenSSL refuses a point that is not on the curve.
static EVP_PKEY *p256_of(const json_t *jwk)
{
    uint8_t point[1 + 2 * POINT_LEN] = {POINT_CONVERSION_UNCOMPRESSED};
    size_t x_len = POINT_LEN, y_len = POINT_LEN;
    if (!str_eq(text_member(jwk, "crv"), STR("P-256")) || !bytes_member(jwk, "x", point + 1, &x_len) ||
        !bytes_member(jwk, "y", point + 1 + POINT_LEN, &y_len) || x_len != POINT_LEN || y_len != POINT_LEN)
        return NULL;
    OSSL_PARAM_BLD *build = OSSL_PARAM_BLD_new();
    bool good = build && OSSL_PARAM_BLD_push_utf8_string(build, OSSL_PKEY_PARAM_GROUP_NAME, "prime256v1", 0) == 1 &&
                OSSL_PARAM_BLD_push_octet_string(build, OSSL_PKEY_PARAM_PUB_KEY, point, sizeof(point)) == 1;
    EVP_PKEY *pkey = good ? pkey_from("EC", build) : NULL;
    OSSL_PARAM_BLD_free(build);
    return pkey;
}

static EVP_PKEY *ed25519_of(const json_t *jwk)
{
    uint8_t point[POINT_LEN];
    size_t len = sizeof(point);
    if (!str_eq(text_member(jwk, "crv"), STR("Ed25519")) || !bytes_member(jwk, "x", point, &len) || len != POINT_LEN)
        return NULL;
    return EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, point, len);
}

static bool oct_take(struct jose_key *key, const json_t *jwk)
{
    uint8_t secret[SECRET_MAX];
    size_t len = sizeof(secret);
    bool good = bytes_member(jwk, "k", secret, &len) && secret_take(key, str_n((const char *)secret, len));
    explicit_bzero(secret, sizeof(secret));
    return good;
}

static bool pkey_take(struct jose_key *key, EVP_PKEY *made)
{
    CLEANUP(free_pkey) EVP_PKEY *pkey = made;
    return public_take(key, &pkey);
}

static bool kind_take(struct jose_key *key, const json_t *jwk, bool symmetric)
{
    struct str kind = text_member(jwk, "kty");
    if (str_eq(kind, STR("RSA")))
        return pkey_take(key, rsa_of(jwk));
    if (str_eq(kind, STR("EC")))
        return pkey_take(key, p256_of(jwk));
    if (str_eq(kind, STR("OKP")))
        return pkey_take(key, ed25519_of(jwk));
    return symmetric && str_eq(kind, STR("oct")) && oct_take(key, jwk);
}

// Whether its `use`, `key_ops` and `alg`, as far as they are there, allow to verify by it.
static bool is_for_verifying(const json_t *jwk, const struct jose_key *key)
{
    enum jose_alg alg;
    const json_t *ops = json_object_get(jwk, "key_ops");
    const json_t *op;
    size_t i;
    bool verifies = !ops;
    json_array_foreach(ops, i, op) verifies =
        verifies || (json_is_string(op) && strcmp(json_string_value(op), "verify") == 0);
    bool use = !json_object_get(jwk, "use") || str_eq(text_member(jwk, "use"), STR("sig"));
    bool same = !json_object_get(jwk, "alg") || (jose_alg_parse(text_member(jwk, "alg"), &alg) && alg == key->alg);
    return verifies && use && same;
}

static bool jwk_take(struct jose_key *key, const json_t *jwk, bool symmetric)
{
    struct str kid = text_member(jwk, "kid");
    if (!str_put(key->kid, sizeof(key->kid), kid))
        return false;
    return kind_take(key, jwk, symmetric) && is_for_verifying(jwk, key);
}

static bool add_jwk(struct jose_keys *keys, const json_t *jwk, bool symmetric)
{
    struct jose_key key = {0};
    if (jwk_take(&key, jwk, symmetric))
        return keys_add(keys, &key);
    key_release(&key);
    return true;
}

static bool add_jwks(struct jose_keys *keys, const json_t *root, bool symmetric)
{
    const json_t *list = json_object_get(root, "keys");
    const json_t *jwk;
    size_t i;
    if (json_object_get(root, "kty"))
        return add_jwk(keys, root, symmetric);
    json_array_foreach(list, i, jwk) if (!add_jwk(keys, jwk, symmetric)) return false;
    return true;
}

int jose_keys_add_set(struct jose_keys *keys, struct str json, bool symmetric, struct buf *ret_error)
{
    size_t before = keys->count;
    json_t *root = json.len <= JOSE_SET_MAX
                       ? json_loadb(json.data ? json.data : "", json.len, JSON_REJECT_DUPLICATES, NULL)
                       : NULL;
    if (!json_is_object(root)) {
        json_decref(root);
        return refuse(ret_error, "it is no JSON object of at most 256 KiB without members that are there twice");
    }
    bool fits = add_jwks(keys, root, symmetric);
    json_decref(root);
    ERR_clear_error();
    if (fits && keys->count > before)
        return 0;
    while (keys->count > before)
        key_release(&keys->items[--keys->count]);
    return refuse(ret_error, fits ? "it holds no key for RS256, ES256 or EdDSA" : "there are more than 100 keys");
}

// --- Signatures

static bool hs256_verify(const struct jose_key *key, struct str text, const uint8_t *signature, size_t signature_len)
{
    uint8_t expected[32];
    hmac_sha256(buf_str(&key->secret), text.data, text.len, expected);
    return signature_len == sizeof(expected) && secret_eq(expected, signature, sizeof(expected));
}

static bool evp_verify(EVP_PKEY *pkey, const EVP_MD *digest, struct str text, const uint8_t *signature, size_t len)
{
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    bool good = ctx && EVP_DigestVerifyInit(ctx, NULL, digest, NULL, pkey) == 1 &&
                EVP_DigestVerify(ctx, signature, len, (const unsigned char *)text.data, text.len) == 1;
    EVP_MD_CTX_free(ctx);
    ERR_clear_error();
    return good;
}

// JWS has the two numbers side by side, OpenSSL wants them in DER.
static bool es256_verify(EVP_PKEY *pkey, struct str text, const uint8_t *signature, size_t signature_len)
{
    unsigned char *der = NULL;
    if (signature_len != ES256_LEN)
        return false;
    ECDSA_SIG *pair = ECDSA_SIG_new();
    BIGNUM *r = BN_bin2bn(signature, ES256_LEN / 2, NULL),
           *s = BN_bin2bn(signature + ES256_LEN / 2, ES256_LEN / 2, NULL);
    if (!pair || !r || !s || ECDSA_SIG_set0(pair, r, s) != 1)
        abort(); // memory has run out
    int len = i2d_ECDSA_SIG(pair, &der);
    bool good = len > 0 && evp_verify(pkey, EVP_sha256(), text, der, (size_t)len);
    OPENSSL_free(der);
    ECDSA_SIG_free(pair);
    return good;
}

bool jose_verify(const struct jose_key *key, struct str text, const uint8_t *signature, size_t signature_len)
{
    switch (key->alg) {
    case JOSE_HS256:
        return hs256_verify(key, text, signature, signature_len);
    case JOSE_RS256:
        return evp_verify(key->public_key, EVP_sha256(), text, signature, signature_len);
    case JOSE_ES256:
        return es256_verify(key->public_key, text, signature, signature_len);
    case JOSE_EDDSA:
        return evp_verify(key->public_key, NULL, text, signature, signature_len);
    case JOSE_ALG_COUNT:
        break;
    }
    return false;
}
