// Arbitrary tokens and sets of keys. The first line is a token, the second one a JWK set, the rest are claims, which
// are signed here. Nothing that was not signed by the secret is ever good, and each refusal says why.
#include "auth/issuer.h"
#include "net/digest.h"

#define SECRET "super-secret-jwt-token-with-at-least-32-characters-long"
#define NOW_MS INT64_C(1700000000000)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void append_url64(struct buf *out, struct str bytes)
{
    CLEANUP(free_ptr) char *text = xcalloc(1, BASE64_LEN(bytes.len) + 1);
    size_t len = base64_encode(bytes.data, bytes.len, text);
    while (len > 0 && text[len - 1] == '=')
        len--;
    for (size_t i = 0; i < len; i++)
        buf_append_byte(out, text[i] == '+' ? '-' : text[i] == '/' ? '_' : text[i]);
}

static void sign(struct buf *token, struct str claims)
{
    uint8_t mac[32];
    append_url64(token, STR("{\"alg\":\"HS256\"}"));
    buf_append_byte(token, '.');
    append_url64(token, claims);
    hmac_sha256(STR(SECRET), token->data, token->len, mac);
    buf_append_byte(token, '.');
    append_url64(token, str_n((const char *)mac, sizeof(mac)));
}

static const struct issuer issuer = {
    .name = (char *)"fuzz",
    .iss = {{(char *)"i"}, 1},
    .audience = {{(char *)"a"}, 1},
    .audience_optional = {{(char *)"s"}, 1},
    .roles = {{(char *)"s=service", (char *)"u=user", (char *)"n=none"}, 3},
    .subject_optional = {{(char *)"s"}, 1},
    .role_claim = (char *)"role",
    .role = (char *)"",
    .user_prefix = (char *)"",
    .account = (char *)"default",
    .account_claim = (char *)"app_metadata.account",
};

static void check_claims(const struct jwt *jwt)
{
    struct issuer_verdict verdict;
    issuer_claims(&issuer, jwt);
    issuer_judge(&issuer, jwt, NOW_MS, &verdict);
    if (verdict.err ? !verdict.reason[0] || verdict.role != ROLE_NONE : verdict.role == ROLE_NONE)
        abort();
    if (verdict.err == 0 && (!id_account_valid(str_of(verdict.account)) || verdict.expires_ms <= (uint64_t)NOW_MS))
        abort();
    if (verdict.err == 0 && verdict.role == ROLE_USER && !verdict.user[0])
        abort(); // a user without a name would see what nobody owns
}

static bool verified_by(const struct jose_keys *keys, const struct jwt *jwt)
{
    bool good = false;
    for (size_t i = 0; i < keys->count; i++)
        good = good || (keys->items[i].alg == jwt->alg &&
                        jose_verify(&keys->items[i], jwt->text, jwt->signature, jwt->signature_len));
    return good;
}

static void check_token(struct str token, const struct jose_keys *secret, const struct jose_keys *set)
{
    CLEANUP(jwt_release) struct jwt jwt;
    jwt_looks_so(token);
    if (jwt_parse(token, &jwt))
        return;
    check_claims(&jwt);
    verified_by(set, &jwt);
    uint8_t mac[32];
    bool good = verified_by(secret, &jwt);
    hmac_sha256(STR(SECRET), jwt.text.data, jwt.text.len, mac);
    bool same = jwt.signature_len == sizeof(mac) && memcmp(mac, jwt.signature, sizeof(mac)) == 0;
    if (good && (!same || jwt.alg != JOSE_HS256))
        abort();
}

static void check_signed(struct str claims, const struct jose_keys *secret)
{
    CLEANUP(buf_release) struct buf token = {0};
    CLEANUP(jwt_release) struct jwt jwt;
    sign(&token, claims);
    if (jwt_parse(buf_str(&token), &jwt))
        return;
    if (!verified_by(secret, &jwt))
        abort();
    check_claims(&jwt);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct str rest = str_n(len ? (const char *)data : "", len);
    CLEANUP(jose_keys_release) struct jose_keys secret = {0}, set = {0};
    CLEANUP(buf_release) struct buf error = {0};
    if (jose_keys_add_secret(&secret, STR(SECRET), &error))
        abort();
    struct str token = str_split(&rest, '\n'), json = str_split(&rest, '\n');
    if (jose_keys_add_set(&set, json, true, &error) && (error.len == 0 || set.count > 0))
        abort();
    check_token(token, &secret, &set);
    check_signed(rest, &secret);
    return 0;
}
