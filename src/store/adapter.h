// What an adapter of the store needs beside the port: the table of kinds, and what it tells of its transactions.
#pragma once

#include "store/store.h"

struct store_kind { // made from the table in store/op.h
    bool commits, needs_space;
    size_t row_at, account_at; // where in the struct the member is; 0: none
    void (*release)(struct store_op *op);
};
extern const struct store_kind store_kinds[STORE_OP_KINDS];

// By the adapter's one writer, around each transaction with all operations of it: before it begins, and before their `done`s.
void store_versions_begin(struct store *store, struct store_op *const *ops, size_t count);
void store_versions_end(struct store *store, struct store_op *const *ops, size_t count);
