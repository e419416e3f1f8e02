// Operations on accounts. Conventions: store/store.h.
#pragma once

#include "model/retention.h"
#include "store/op.h"
#include "util/id.h"
#include "util/str.h"

struct store_account_ensure { // makes it if it does not exist
    struct store_op op;
    struct str name;
    int64_t ret_account;
    bool ret_created;
};

#define ACCOUNT_DEFAULT  "default" // made at the first start
#define ACCOUNT_NAME_MAX ID_ACCOUNT_MAX

enum account_state { ACCOUNT_ACTIVE, ACCOUNT_SUSPENDED, ACCOUNT_DELETED, ACCOUNT_AS_IT_IS };

struct account {
    int64_t row, created_ms, suspended_ms; // suspended_ms 0: it is not suspended
    char name[ACCOUNT_NAME_MAX + 1];
    uint64_t file_bytes;                    // of all content that it has uploaded
    char retention[RETENTION_TEXT_MAX + 1]; // its own rules (model/retention.h); "": none
};

// ERR_CONFLICT, or ERR_EXPIRED if an account of that name was deleted: names are not used again.
struct store_account_create {
    struct store_op op;
    struct str name; // must be valid
    struct account ret_account;
};

// Returns ERR_NOT_FOUND; ERR_EXPIRED if it was deleted; ERR_LAST_OPERATOR as when a key ends. To ask for what it is
// already is fine. If it is deleted, its keys are revoked, too. ERR_CONFLICT if it holds executions that are not
// purged, unless `purge` says that all of them must go. They are removed in the background, also after a restart.
struct store_account_change {
    struct store_op op;
    struct str name;
    enum account_state state;
    bool purge;
    bool has_retention;
    struct str retention; // with has_retention; must be well-formed; empty: none of its own any more
    struct account ret_account;
    uint64_t ret_change; // grows with each change of any account, as long as this process lives
};

struct store_account_list { // in the order in which they were made, without deleted ones
    struct store_op op;
    struct str name; // only this one: ERR_NOT_FOUND, ERR_EXPIRED; empty: any
    int64_t after_row;
    unsigned limit;
    struct account *ret_accounts;
    size_t ret_count;
    int64_t ret_next_row; // 0: there are no more
};
