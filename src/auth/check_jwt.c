// A JSON Web Token: verified, perhaps after its issuer's keys were fetched, then its account is looked up in the store.
#include "auth/auth_private.h"
#include "auth/verifier.h"
#include "util/clock.h"

#define NO_ACCOUNT "the token's account does not exist here; an operator can make it"

struct jwt_check {
    struct auth_check *check;
    struct loop *reply_to;
    char *token; // our own copy
    uint8_t hash[32];
    struct verified verified;
    struct verifier_waiter waiter;
    struct store_account_list find;
};

// The reason lives until `done` has returned. `done` may free the check.
static void jwt_finish_as(struct jwt_check *it, int err, bool guess)
{
    struct auth_check *check = it->check;
    check->reason = err && it->verified.verdict.reason[0] ? it->verified.verdict.reason : NULL;
    check->strange = err == ERR_FORBIDDEN && it->verified.verdict.strange;
    if (guess)
        check_finish_failed(check);
    else
        check_finish(check, err);
    free(it->token);
    free(it);
}

static void jwt_finish(struct jwt_check *it, int err)
{
    jwt_finish_as(it, err, false);
}

static void account_found(struct store_op *op)
{
    struct jwt_check *it = CONTAINER_OF(op, struct jwt_check, find.op);
    struct auth *auth = it->check->auth;
    struct principal *principal = &it->check->principal;
    const struct issuer_verdict *verdict = &it->verified.verdict;
    int err = op->err;
    if (err == 0 && it->find.ret_count == 1) {
        *principal = (struct principal){
            .role = verdict->role,
            .account = it->find.ret_accounts[0].row,
            .expires_ms = verdict->expires_ms,
            .jwt_key = it->verified.key,
            .suspended = it->find.ret_accounts[0].suspended_ms != 0,
        };
        snprintf(principal->user, sizeof(principal->user), "%s", verdict->user);
        pthread_mutex_lock(&auth->lock);
        err = auth_judge(auth, principal);
        pthread_mutex_unlock(&auth->lock);
        if (err == 0)
            verifier_remember(auth->verifier, it->hash, &it->verified, principal);
    } else if (err == 0 || err == ERR_NOT_FOUND || err == ERR_EXPIRED) {
        err = ERR_FORBIDDEN;
        it->verified.verdict.strange = true;
        snprintf(it->verified.verdict.reason, sizeof(it->verified.verdict.reason), NO_ACCOUNT);
    } else {
        err = ERR_UNAVAILABLE;
    }
    store_op_release(op);
    jwt_finish(it, err);
}

static void find_account(struct jwt_check *it)
{
    it->find = (struct store_account_list){
        .op = {.kind = STORE_ACCOUNT_LIST, .reply_to = it->reply_to, .done = account_found},
        .name = str_of(it->verified.verdict.account),
        .limit = 1,
    };
    store_submit(it->check->auth->store, &it->find.op);
}

// A token that its issuer has signed is no guess at a credential, whatever it is worth.
static void jwt_judged(struct jwt_check *it)
{
    int err = it->verified.verdict.err;
    if (err == 0)
        find_account(it);
    else
        jwt_finish(it, err);
}

static void jwt_ask(struct jwt_check *it, bool waited);

static void jwt_waited(struct mail *mail)
{
    jwt_ask(CONTAINER_OF(mail, struct jwt_check, waiter.mail), true);
}

static void jwt_wait(struct jwt_check *it)
{
    it->waiter = (struct verifier_waiter){
        .mail.deliver = jwt_waited,
        .reply_to = it->reply_to,
        .id = it->verified.id,
    };
    int err = verifier_wait(it->check->auth->verifier, &it->waiter);
    if (err == ERR_CONFLICT)
        jwt_ask(it, true);
    else if (err)
        jwt_finish(it, err);
}

static void jwt_ask(struct jwt_check *it, bool waited)
{
    struct verifier *verifier = it->check->auth->verifier;
    switch (verifier_judge(verifier, str_of(it->token), clock_real_ms(), waited, &it->verified)) {
    case VERIFIER_JUDGED:
        jwt_judged(it);
        break;
    case VERIFIER_REFUSED:
        jwt_finish_as(it, it->verified.verdict.err, it->verified.verdict.err == ERR_UNAUTHORIZED);
        break;
    case VERIFIER_WAIT:
        jwt_wait(it);
        break;
    }
}

static bool check_verified(struct auth *auth, struct auth_check *check, const uint8_t hash[32])
{
    if (!verifier_recall(auth->verifier, hash, &check->principal))
        return false;
    pthread_mutex_lock(&auth->lock);
    int err = auth_judge(auth, &check->principal);
    pthread_mutex_unlock(&auth->lock);
    if (err && err != ERR_SUSPENDED && err != ERR_TOKEN_EXPIRED)
        return false; // its key or its account is gone: the long way tells why
    check_finish(check, err);
    return true;
}

void check_jwt(struct auth *auth, struct auth_check *check, const struct credential *credential, struct loop *reply_to)
{
    uint8_t hash[32];
    sha256(credential->text.data, credential->text.len, hash);
    if (check_verified(auth, check, hash))
        return;
    struct jwt_check *it = xcalloc(1, sizeof(*it));
    it->check = check;
    it->reply_to = reply_to;
    it->token = str_dup(credential->text);
    memcpy(it->hash, hash, sizeof(it->hash));
    jwt_ask(it, false);
}
