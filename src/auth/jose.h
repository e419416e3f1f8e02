// Keys and signatures of JSON Web Tokens: RFC 7515, 7517, 7518 and 8037. HS256, RS256, ES256 and EdDSA with Ed25519.
// OpenSSL verifies; its types stay in jose.c. Keys are immutable once they are made, and then good for any thread.
#pragma once

#include "util/buf.h"
#include "util/error.h"

enum jose_alg { JOSE_HS256, JOSE_RS256, JOSE_ES256, JOSE_EDDSA, JOSE_ALG_COUNT };

bool jose_alg_parse(struct str word, enum jose_alg *ret); // exactly "HS256", …; never "none"

#define JOSE_KID_MAX       255
#define JOSE_KEYS_MAX      100                  // of a set, and of an issuer
#define JOSE_SET_MAX       ((size_t)256 * 1024) // bytes of a JWKS
#define JOSE_SECRET_MIN    32                   // bytes: RFC 7518, 3.2
#define JOSE_SIGNATURE_MAX 1024                 // bytes: of the longest RSA key that is taken

struct jose_key {
    enum jose_alg alg;          // the only one that it verifies: the token does not choose
    char kid[JOSE_KID_MAX + 1]; // "": it has none
    uint8_t print[32];          // SHA-256 of the algorithm, the kid and the key
    void *public_key;           // an EVP_PKEY; NULL for HS256
    struct buf secret;          // for HS256
};

struct jose_keys { // a zeroed one is empty
    struct jose_key *items;
    size_t count;
};
void jose_keys_release(struct jose_keys *keys);

// Each adds keys. Returns 0, or ERR_INVALID with a text for people in *ret_error; then nothing was added. A key that is
// there already is not added again.
int jose_keys_add_secret(struct jose_keys *keys, struct str secret, struct buf *ret_error);
// A public key or a certificate: RSA of 2048 to 8192 bits, P-256 or Ed25519.
int jose_keys_add_pem(struct jose_keys *keys, struct str pem, struct buf *ret_error);
// A JWK set, or a single JWK. What it holds beside keys for these algorithms is left out: other types and curves, keys
// for encryption, keys that are too short. Symmetric ones are taken only if `symmetric` says so. To find none is an
// error.
int jose_keys_add_set(struct jose_keys *keys, struct str json, bool symmetric, struct buf *ret_error);

bool jose_verify(const struct jose_key *key, struct str text, const uint8_t *signature, size_t signature_len);
