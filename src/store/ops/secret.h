// Operations on secrets. The store gets and gives values only as they are sealed. Conventions: store/store.h.
#pragma once

#include "model/secret.h"
#include "store/op.h"

struct secret {
    char name[SECRET_NAME_MAX + 1];
    uint64_t version;                        // how many values it has had
    int64_t created_ms, changed_ms, used_ms; // used_ms 0: never
};

// Makes it, or gives it another value. ERR_RATE if the account has `max` others; ERR_EXPIRED if the account was
// deleted.
struct store_secret_set {
    struct store_op op;
    int64_t account;
    struct str name, sealed;
    // Not empty: the same value is sealed anew. It must be sealed so now, else ERR_CONFLICT, or ERR_NOT_FOUND; its
    // version and times stay.
    struct str former;
    uint64_t max; // 0: no limit
    struct secret ret_secret;
    bool ret_created;
};

struct store_secret_delete { // ERR_NOT_FOUND
    struct store_op op;
    int64_t account;
    struct str name;
};

// The sealed values of those that a job is given, and that they were used, unless they are only looked at.
// ERR_NOT_FOUND: ret_missing does not exist.
struct store_secret_take {
    struct store_op op;
    int64_t account;
    const struct str *names;
    size_t count; // at most SECRETS_USED_MAX
    bool looks;
    struct buf ret_sealed[SECRETS_USED_MAX];
    size_t ret_missing; // index in `names`
};

struct store_secret_list { // by name
    struct store_op op;
    int64_t account;
    struct str name;  // only this one: ERR_NOT_FOUND; empty: any
    struct str after; // empty: from the first
    unsigned limit;   // at most SECRETS_LIST_MAX; 0 means that
    struct secret *ret_secrets;
    size_t ret_count;
};
#define SECRETS_LIST_MAX 1000
