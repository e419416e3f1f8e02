// Operations of several stores that are one (store/shards/): each knows its number among them, and has the accounts of
// the first one, its home. Conventions: store/store.h.
#pragma once

#include "store/op.h"
#include "store/ops/account.h"
#include "util/id.h"

#define SHARD_SET_MAX (ID_SORTABLE_LEN + 1)

// --- Commits

// The store learns its place among others, once and for all, or is asked for it. ERR_NOT_FOUND: it has none, and was
// only asked. ERR_CONFLICT: it has another one, which ret_… tells; or, without one (ret_set is empty), it has
// executions or accounts that are its own.
struct store_shard_join {
    struct store_op op;
    bool asks;       // nothing is written
    unsigned number; // 0: the home
    // For the home: how many there are, of which it remembers the most and fewer are ERR_CONFLICT, and a bit for each
    // that is closed.
    unsigned stores, closed;
    struct str set; // name of all of them; empty, for the home: it makes one unless it has one
    char ret_set[SHARD_SET_MAX];
    unsigned ret_number, ret_stores, ret_closed;
    int64_t ret_changed_ms;              // when it came to them; of the home, when one came or was closed or opened
    int64_t ret_now_ms;                  // by the store's clock
    char ret_incarnation[SHARD_SET_MAX]; // that the store had then
    int64_t ret_account;                 // the highest row of an account that it has; 0: none
};

struct account_row { // as the home has it
    int64_t row, created_ms, suspended_ms, resumed_ms, deleted_ms;
    char name[ACCOUNT_NAME_MAX + 1];
    char retention[RETENTION_TEXT_MAX + 1];
};

// Accounts become here what they are in the home. What a deleted one still has is purged in the background.
#define ACCOUNT_ROWS_MAX 256
struct store_account_place {
    struct store_op op;
    const struct account_row *rows; // borrowed until done
    size_t count;                   // at most ACCOUNT_ROWS_MAX
};

// --- Queries

struct store_account_rows { // by row, deleted ones too
    struct store_op op;
    int64_t after_row;
    unsigned limit; // at most ACCOUNT_ROWS_MAX
    struct account_row *ret_rows;
    size_t ret_count; // `limit` of them: there may be more
};

struct store_created { // whether an execution was made here with this idempotency key, which is still kept
    struct store_op op;
    int64_t account;
    struct str key;
    bool batch; // whether a batch was
    bool ret_known;
};
