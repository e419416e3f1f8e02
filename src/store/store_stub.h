// For tests of what drives the store: a store that does nothing. Submitted operations wait, in order, until the test
// answers them. One thread: stub_answer calls `done`. It has no capabilities: no figures and no backups.
#pragma once

#include "store/adapter.h"
#include "util/testing.h"

#define STUB_OPS_MAX 256

struct store_stub {
    struct store base;
    struct store_op *ops[STUB_OPS_MAX];
    size_t count;
};

static inline void stub_submit(struct store *store, struct store_op *op)
{
    struct store_stub *stub = CONTAINER_OF(store, struct store_stub, base);
    assert_true(stub->count < STUB_OPS_MAX);
    stub->ops[stub->count++] = op;
}

static inline void stub_init(struct store_stub *stub)
{
    static const struct store_vtable vtable = {.name = "stub", .submit = stub_submit};
    *stub = (struct store_stub){
        .base = {
            .vtable = &vtable, .incarnation = "STUB", .one_writer = true, .watch_mutex = PTHREAD_MUTEX_INITIALIZER}};
}

// Takes the first operation that waits. It must be of this kind.
static inline struct store_op *stub_take(struct store_stub *stub, enum store_op_kind kind)
{
    assert_true(stub->count > 0);
    struct store_op *op = stub->ops[0];
    assert_int_equal(op->kind, kind);
    memmove(stub->ops, stub->ops + 1, --stub->count * sizeof(struct store_op *));
    return op;
}
#define STUB_TAKE(stub, kind, type) CONTAINER_OF(stub_take((stub), (kind)), struct type, op)

static inline void stub_answer(struct store_op *op, int err)
{
    op->err = err;
    op->done(op);
}
