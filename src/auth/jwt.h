// A JSON Web Token as it came: its parts, read strictly, and nothing believed yet.
#pragma once

#include "auth/jose.h"

#define JWT_MAX    8192 // bytes of a token
#define JWT_PREFIX "ey" // {" in base64

struct json_t;

struct jwt { // a zeroed one may be released
    enum jose_alg alg;
    struct str kid;  // empty: none
    struct str text; // what is signed; a view of the token
    struct json_t *header, *claims;
    uint8_t signature[JOSE_SIGNATURE_MAX];
    size_t signature_len;
};

// Whether it has the looks of a token: the prefix, and two dots.
bool jwt_looks_so(struct str text);
// Returns NULL, or what is wrong, in words for people; static. Refused are: what is not three parts of base64url
// without padding, what is not JSON objects, members twice, algorithms beyond the four, `crit`, `b64`. A key that the
// header brings or points to (jwk, jku, x5c, x5u) is not looked at. `token` must live as long as *ret.
const char *jwt_parse(struct str token, struct jwt *ret);
void jwt_release(struct jwt *jwt);

// The value at a path such as "app_metadata.account"; NULL if it is not there.
const struct json_t *jwt_claim(const struct jwt *jwt, const char *path);
