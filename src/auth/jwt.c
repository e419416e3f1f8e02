#include "auth/jwt.h"

#include "util/base64.h"

#include <jansson.h>

#define TOO_LONG "the token is longer than 8 KiB"

bool jwt_looks_so(struct str text)
{
    size_t dots = 0;
    for (size_t i = 0; i < text.len; i++)
        dots += text.data[i] == '.';
    return str_starts(text, STR(JWT_PREFIX)) && dots == 2;
}

// An object without members that are there twice, at any depth: two readers could take another one of them each.
static json_t *read_object(struct str part)
{
    uint8_t text[JWT_MAX];
    size_t len = sizeof(text);
    if (!base64url_decode(part, text, &len))
        return NULL;
    json_t *value = json_loadb((const char *)text, len, JSON_REJECT_DUPLICATES, NULL);
    if (json_is_object(value))
        return value;
    json_decref(value);
    return NULL;
}

static struct str text_of(const json_t *value)
{
    return json_is_string(value) ? str_n(json_string_value(value), json_string_length(value)) : (struct str){0};
}

static const char *read_header(struct jwt *jwt)
{
    const json_t *kid = json_object_get(jwt->header, "kid");
    if (json_object_get(jwt->header, "crit") || json_object_get(jwt->header, "b64"))
        return "the token's header asks for an extension (crit, b64); none is known here";
    if (!jose_alg_parse(text_of(json_object_get(jwt->header, "alg")), &jwt->alg))
        return "the token's algorithm is none of HS256, RS256, ES256 and EdDSA";
    jwt->kid = text_of(kid);
    return kid && (jwt->kid.len == 0 || jwt->kid.len > JOSE_KID_MAX) ? "the token's kid is no text of 1 to 255 bytes"
                                                                     : NULL;
}

const char *jwt_parse(struct str token, struct jwt *ret)
{
    struct str rest = token;
    *ret = (struct jwt){0};
    if (token.len > JWT_MAX)
        return TOO_LONG;
    struct str header = str_split(&rest, '.'), claims = str_split(&rest, '.');
    ret->text = str_n(token.data, header.len + 1 + claims.len);
    ret->signature_len = sizeof(ret->signature);
    if (rest.len == 0 || !base64url_decode(rest, ret->signature, &ret->signature_len))
        return "the token is not three parts of base64url without padding";
    ret->header = read_object(header);
    ret->claims = read_object(claims);
    if (!ret->header || !ret->claims)
        return "the token's header or claims are no JSON object, or have a member twice";
    return read_header(ret);
}

void jwt_release(struct jwt *jwt)
{
    json_decref(jwt->header);
    json_decref(jwt->claims);
    jwt->header = jwt->claims = NULL;
}

const struct json_t *jwt_claim(const struct jwt *jwt, const char *path)
{
    const json_t *at = json_object_get(jwt->claims, path); // names of claims may have dots, as those that are URLs have
    if (at)
        return at;
    at = jwt->claims;
    while (at && *path) {
        size_t len = strcspn(path, ".");
        at = json_object_getn(at, path, len);
        path += len + (path[len] == '.');
    }
    return at;
}
