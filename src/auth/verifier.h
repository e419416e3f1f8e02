// Says what JSON Web Tokens are worth: the issuers with their keys, those that are fetched with their age, and what was
// verified a moment ago. Thread-safe; private to this room.
#pragma once

#include "auth/auth.h"
#include "auth/issuer.h"
#include "loop/loop.h"

struct verifier;
struct verifier *verifier_new(void);
void verifier_free(struct verifier **verifier); // nobody may wait any more

// Takes over what the file holds. Sets that were fetched stay with an issuer whose URL is as before. Returns whether
// keys are gone or new, so that what was judged by them must be judged again.
bool verifier_set(struct verifier *verifier, struct issuer_file *file, const struct auth_fetch *fetch);
// For auth_keys_fetched. *ret_changed as verifier_set returns it.
int verifier_fetched(struct verifier *verifier, uint64_t id, struct str json, bool *ret_changed, struct buf *ret_error);
// Begins the fetches that are due.
void verifier_refresh(struct verifier *verifier);

enum verifier_answer {
    VERIFIER_JUDGED,  // the signature is good; ret->verdict says what the claims are worth
    VERIFIER_REFUSED, // ret->verdict.err: ERR_UNAUTHORIZED, as a guess; ERR_UNAVAILABLE: the keys cannot be had now
    VERIFIER_WAIT,    // the key may be in the set that ret->id names: wait for it, and ask again
};
struct verified {
    struct issuer_verdict verdict;
    uint64_t key;     // of which issuer, and by which key: for verifier_knows; not 0
    uint64_t version; // private
    uint64_t id;
};
// `waited`: it does not say VERIFIER_WAIT any more.
enum verifier_answer verifier_judge(struct verifier *verifier, struct str token, int64_t now_ms, bool waited,
                                    struct verified *ret);
bool verifier_knows(struct verifier *verifier, uint64_t key);

struct verifier_waiter {
    struct list_node node;
    struct mail mail; // its `deliver` runs on the loop once the set has come, or has failed
    struct loop *reply_to;
    uint64_t id;
};
// Begins a fetch if none is under way. Returns 0; ERR_CONFLICT if there is nothing to wait for any more;
// ERR_UNAVAILABLE if too many wait.
int verifier_wait(struct verifier *verifier, struct verifier_waiter *waiter);

// What was found for a token, by its hash, for a minute.
bool verifier_recall(struct verifier *verifier, const uint8_t hash[32], struct principal *ret);
void verifier_remember(struct verifier *verifier, const uint8_t hash[32], const struct verified *verified,
                       const struct principal *principal);
