#include "auth/issuer.h"

#include <jansson.h>

#define WORD_SHOWN  64     // bytes of a word of the token in a reason
#define SECONDS_MAX 4.0e12 // far beyond any date; larger ones would overflow
#define KEY_PREFIX  "key_" // what the owners of executions are called that came by an API key

static bool has(const struct issuer_list *list, struct str text)
{
    for (size_t i = 0; i < list->count; i++)
        if (str_eq(text, str_of(list->items[i])))
            return true;
    return false;
}

static bool has_word(const struct issuer_list *list, const char *word)
{
    return word && has(list, str_of(word));
}

static struct str text_of(const json_t *value)
{
    return json_is_string(value) ? str_n(json_string_value(value), json_string_length(value)) : (struct str){0};
}

bool issuer_claims(const struct issuer *issuer, const struct jwt *jwt)
{
    struct str iss = text_of(jwt_claim(jwt, "iss"));
    return iss.len > 0 && has(&issuer->iss, iss);
}

PRINTF_LIKE(3, 4) static bool refuse(struct issuer_verdict *ret, int err, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    ret->err = err;
    vsnprintf(ret->reason, sizeof(ret->reason), fmt, args);
    va_end(args);
    return false;
}

// --- Time

static bool judge_time(const struct issuer *issuer, const struct jwt *jwt, int64_t now_ms, struct issuer_verdict *ret)
{
    const json_t *exp = jwt_claim(jwt, "exp"), *nbf = jwt_claim(jwt, "nbf");
    if (!json_is_number(exp))
        return refuse(ret, ERR_UNAUTHORIZED, "the token has no `exp`: it must say when it expires");
    double expires = json_number_value(exp) + (double)issuer->leeway_seconds;
    if (expires > SECONDS_MAX)
        return refuse(ret, ERR_UNAUTHORIZED, "the token's `exp` is no time in seconds");
    if (expires * 1000 <= (double)now_ms)
        return refuse(ret, ERR_TOKEN_EXPIRED, "the token has expired; come back with a new one");
    ret->expires_ms = (uint64_t)(expires * 1000);
    if (!nbf)
        return true;
    if (!json_is_number(nbf))
        return refuse(ret, ERR_UNAUTHORIZED, "the token's `nbf` is no number");
    if ((json_number_value(nbf) - (double)issuer->leeway_seconds) * 1000 > (double)now_ms)
        return refuse(ret, ERR_UNAUTHORIZED, "the token is not valid yet");
    return true;
}

// --- Role

bool issuer_role_of(const struct issuer *issuer, struct str word, enum role *ret)
{
    for (size_t i = 0; i < issuer->roles.count; i++) {
        const char *is = strrchr(issuer->roles.items[i], '=');
        if (!str_eq(word, str_n(issuer->roles.items[i], (size_t)(is - issuer->roles.items[i]))))
            continue;
        *ret = ROLE_NONE;
        role_parse(str_of(is + 1), ret); // leaves "none" as it is
        return true;
    }
    return false;
}

// Of several words the greatest role counts. Sets *ret_word to the word of it.
static bool role_of_list(const struct issuer *issuer, const json_t *words, enum role *ret, const char **ret_word)
{
    const json_t *word;
    size_t i;
    bool found = false;
    json_array_foreach(words, i, word)
    {
        enum role role;
        if (!json_is_string(word) || !issuer_role_of(issuer, text_of(word), &role) || (found && role <= *ret))
            continue;
        *ret = role;
        *ret_word = json_string_value(word);
        found = true;
    }
    return found;
}

static bool judge_word(const struct issuer *issuer, const json_t *claim, struct issuer_verdict *ret,
                       const char **ret_word)
{
    struct str word = text_of(claim);
    if (json_is_string(claim) && issuer_role_of(issuer, word, &ret->role)) {
        *ret_word = json_string_value(claim);
        return true;
    }
    if (json_is_array(claim) && role_of_list(issuer, claim, &ret->role, ret_word))
        return true;
    ret->strange = true;
    return refuse(ret, ERR_FORBIDDEN,
                  "the token's role \"%.*s\" means nothing here; `roles` of its issuer names those "
                  "that do",
                  (int)utf8_prefix(word.data, word.len, WORD_SHOWN), word.data ? word.data : "");
}

// *ret_word is the word of the claim; NULL if there is no claim.
static bool judge_role(const struct issuer *issuer, const struct jwt *jwt, struct issuer_verdict *ret,
                       const char **ret_word)
{
    const json_t *claim = jwt_claim(jwt, issuer->role_claim);
    *ret_word = NULL;
    if (claim) {
        if (!judge_word(issuer, claim, ret, ret_word))
            return false;
    } else if (!issuer->role[0]) {
        ret->strange = true;
        return refuse(ret, ERR_FORBIDDEN, "the token has no role: there is no claim \"%.*s\"", WORD_SHOWN,
                      issuer->role_claim);
    } else {
        role_parse(str_of(issuer->role), &ret->role);
    }
    if (ret->role == ROLE_NONE)
        return refuse(ret, ERR_FORBIDDEN, "tokens with the role \"%.*s\" may do nothing here", WORD_SHOWN, *ret_word);
    return true;
}

// --- Audience, subject, account

static bool judge_audience(const struct issuer *issuer, const struct jwt *jwt, const char *word,
                           struct issuer_verdict *ret)
{
    const json_t *aud = jwt_claim(jwt, "aud");
    const json_t *one;
    size_t i;
    if (!aud && has_word(&issuer->audience_optional, word))
        return true;
    bool named = json_is_string(aud) && has(&issuer->audience, text_of(aud));
    json_array_foreach(aud, i, one) named = named || (json_is_string(one) && has(&issuer->audience, text_of(one)));
    return named || refuse(ret, ERR_UNAUTHORIZED, "the token is not for this server: its `aud` is another one");
}

static bool plain(struct str text)
{
    for (size_t i = 0; i < text.len; i++)
        if ((unsigned char)text.data[i] < ' ' || text.data[i] == 0x7f)
            return false;
    return true;
}

static bool judge_subject(const struct issuer *issuer, const struct jwt *jwt, const char *word,
                          struct issuer_verdict *ret)
{
    const json_t *claim = jwt_claim(jwt, "sub");
    struct str sub = text_of(claim);
    if (!claim && has_word(&issuer->subject_optional, word))
        return true;
    size_t len = sub.len + strlen(issuer->user_prefix);
    if (sub.len == 0 || len > JWT_USER_MAX || !plain(sub))
        return refuse(ret, ERR_UNAUTHORIZED, "the token's `sub` must be a text of 1 to 255 bytes");
    snprintf(ret->user, sizeof(ret->user), "%s%.*s", issuer->user_prefix, STR_ARGS(sub));
    if (str_starts(str_of(ret->user), STR(KEY_PREFIX)))
        return refuse(ret, ERR_UNAUTHORIZED,
                      "a `sub` that begins with " KEY_PREFIX " would name an API key; set "
                      "user_prefix for its issuer");
    return true;
}

static bool judge_anonymous(const struct issuer *issuer, const struct jwt *jwt, struct issuer_verdict *ret)
{
    const json_t *anonymous = jwt_claim(jwt, "is_anonymous");
    if (!anonymous || json_is_false(anonymous) || (json_is_true(anonymous) && issuer->anonymous))
        return true;
    return refuse(ret, ERR_FORBIDDEN, "anonymous users may do nothing here");
}

static bool judge_account(const struct issuer *issuer, const struct jwt *jwt, struct issuer_verdict *ret)
{
    const json_t *claim = issuer->account_claim[0] ? jwt_claim(jwt, issuer->account_claim) : NULL;
    struct str name = claim ? text_of(claim) : str_of(issuer->account);
    if (name.len == 0)
        return refuse(ret, ERR_FORBIDDEN, "the token names no account: there is no claim \"%.*s\" with a text",
                      WORD_SHOWN, issuer->account_claim);
    if (!id_account_valid(name))
        return refuse(ret, ERR_FORBIDDEN, "the token's account is no name of an account");
    snprintf(ret->account, sizeof(ret->account), "%.*s", STR_ARGS(name));
    return true;
}

void issuer_judge(const struct issuer *issuer, const struct jwt *jwt, int64_t now_ms, struct issuer_verdict *ret)
{
    const char *word;
    *ret = (struct issuer_verdict){.role = ROLE_NONE};
    bool good = judge_time(issuer, jwt, now_ms, ret) && judge_role(issuer, jwt, ret, &word) &&
                judge_audience(issuer, jwt, word, ret) && judge_subject(issuer, jwt, word, ret) &&
                judge_anonymous(issuer, jwt, ret) && judge_account(issuer, jwt, ret);
    if (!good)
        ret->role = ROLE_NONE;
}
