// Operations on API keys. Conventions: store/store.h.
#pragma once

#include "model/role.h"
#include "store/op.h"
#include "util/str.h"

struct api_key {
    int64_t row, account;
    char *key_id; // public name, "key_…"
    char *name;
    enum role role;
    uint8_t hash[32];                                         // SHA-256 of the whole key
    int64_t created_ms, expires_ms, last_used_ms, revoked_ms; // 0: none
    bool account_suspended;                                   // the store sets it
};
void api_key_release(struct api_key *key);

struct store_key_create {
    struct store_op op;
    struct api_key key;      // in: everything except row; out: row and account
    struct str account_name; // empty: key.account is used. ERR_NOT_FOUND, ERR_EXPIRED
};
// Returns ERR_NOT_FOUND; ERR_FORBIDDEN for a key above `role`; ERR_LAST_OPERATOR for an operator's key, unless another
// one lasts at least as long and its account is not suspended.
struct store_key_revoke {
    struct store_op op;
    int64_t account;
    struct str account_name; // as above
    struct str key_id;
    enum role role; // role of the caller
    int64_t ret_row;
};
// Returns ERR_NOT_FOUND, or ERR_FORBIDDEN for a key above `role`. The name is only for people, so a key that has ended
// gets a new one, too.
struct store_key_rename {
    struct store_op op;
    int64_t account;
    struct str account_name; // as above
    struct str key_id, name;
    enum role role; // role of the caller
};
struct store_key_used {
    struct store_op op;
    int64_t row, used_ms;
};

struct store_key_find {
    struct store_op op;
    uint8_t hash[32];
    struct api_key ret_key; // ERR_NOT_FOUND; revoked and expired ones are returned
};
struct store_key_list {
    struct store_op op;
    int64_t account;
    struct str account_name; // empty: `account` is used. ERR_NOT_FOUND, ERR_EXPIRED
    struct api_key *ret_keys;
    size_t ret_count;
};
