// An issuer of JSON Web Tokens: what the server's administrator has said of it, and what one of its tokens is worth.
// Values in, values out. Immutable once it is loaded; for any thread.
//
// The file of issuers (docs/jwt.md) has a section for each: issuer "NAME" { iss = "…" … }.
#pragma once

#include "auth/jwt.h"
#include "model/role.h"
#include "util/id.h"

#define ISSUERS_MAX       32
#define ISSUER_LIST_MAX   32
#define ISSUER_REASON_MAX 255
#define JWT_USER_MAX      255

// X(kind, name, default, least, most, help). Kinds: T is text, N is a whole number, B is yes/no, L is a list of texts.
#define ISSUER_SETTINGS(X)                                                                                             \
    X(L, iss, "", 0, 0, "what the claim `iss` must be; several where old and new tokens differ")                       \
    X(L, audience, "", 0, 0, "what the claim `aud` must name, one of these")                                           \
    X(L, audience_optional, "", 0, 0, "words of the role claim whose tokens may have no `aud`")                        \
    X(T, role_claim, "role", 0, 0, "path of the claim with the role: a word, or a list of which the greatest counts")  \
    X(L, roles, "", 0, 0, "WORD=ROLE: what a word of that claim means; ROLE is viewer, user, service, admin or none")  \
    X(T, role, "", 0, 0, "role of tokens without that claim; empty: they are refused")                                 \
    X(L, subject_optional, "", 0, 0, "words of the role claim whose tokens may have no `sub`; never those of a user")  \
    X(T, user_prefix, "", 0, 0, "stands before `sub` in the name of the user, to tell the users of two issuers apart") \
    X(T, account, "", 0, 0, "account of all its tokens, or of those without the claim")                                \
    X(T, account_claim, "", 0, 0, "path of the claim with the account, such as app_metadata.account")                  \
    X(B, anonymous, 0, 0, 1, "tokens whose `is_anonymous` is true are taken")                                          \
    X(N, leeway_seconds, 30, 0, 300, "by which clocks may differ, for `exp` and `nbf`")                                \
    X(L, secret_file, "", 0, 0, "files with a secret each, for HS256; for their owner alone (chmod 600)")              \
    X(L, public_key_file, "", 0, 0, "PEM files with a public key or a certificate each")                               \
    X(T, jwks_file, "", 0, 0, "file with a JWK set")                                                                   \
    X(T, jwks_url, "", 0, 0, "URL of its JWK set: https, or http on loopback")                                         \
    X(T, ca_file, "", 0, 0, "PEM file of the authorities for that URL; the system's without it")                       \
    X(N, keep_seconds, 600, 10, 600, "a fetched set is good for so long; it is fetched anew after half of that")       \
    X(N, refetch_seconds, 30, 1, 600, "least time between two fetches, also when a token names an unknown key")

struct issuer_setting { // for docs
    const char *name, *default_text, *help;
    char kind;
    int64_t least, most;
};
extern const struct issuer_setting issuer_settings[]; // ends with a NULL name

struct issuer_list {
    char *items[ISSUER_LIST_MAX];
    size_t count;
};

struct issuer {
    char *name; // of the section
#define ISSUER_FIELD_T(name)                             char *name;
#define ISSUER_FIELD_N(name)                             int64_t name;
#define ISSUER_FIELD_B(name)                             bool name;
#define ISSUER_FIELD_L(name)                             struct issuer_list name;
#define ISSUER_FIELD(kind, name, def, least, most, help) ISSUER_FIELD_##kind(name)
    ISSUER_SETTINGS(ISSUER_FIELD)
#undef ISSUER_FIELD
    struct jose_keys keys; // of its files
    uint8_t print[32];     // SHA-256 of all its settings
};

struct issuer_file {
    struct issuer *items[ISSUERS_MAX];
    size_t count;
};
// Reads the file, and the files of keys that it names. ERR_INVALID with a text for people.
int issuer_file_load(const char *path, struct issuer_file *ret, struct buf *ret_error);
void issuer_file_release(struct issuer_file *file);

// What a word of the role claim means; ROLE_NONE: nothing may be done. False if `roles` does not have it.
bool issuer_role_of(const struct issuer *issuer, struct str word, enum role *ret);
// Whether the token says that it is of this issuer.
bool issuer_claims(const struct issuer *issuer, const struct jwt *jwt);

// What the claims of a token are worth whose signature is good.
struct issuer_verdict {
    int err; // 0; ERR_UNAUTHORIZED, ERR_TOKEN_EXPIRED; ERR_FORBIDDEN: its role means nothing here
    enum role role;
    uint64_t expires_ms;         // with the leeway
    char user[JWT_USER_MAX + 1]; // "": it has no subject
    char account[ID_ACCOUNT_MAX + 1];
    char reason[ISSUER_REASON_MAX + 1]; // with err: for people
    bool strange;                       // with ERR_FORBIDDEN: the administrator should hear of it
};
void issuer_judge(const struct issuer *issuer, const struct jwt *jwt, int64_t now_ms, struct issuer_verdict *ret);
