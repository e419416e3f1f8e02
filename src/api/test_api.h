// For tests of the interface: a house whose store answers when the test says so.
#pragma once

#include "api/test_house.h"
#include "store/store_stub.h"

#define ACCOUNT 3
#define ROW     7

struct fixture {
    struct store_stub store;
    struct loop *loop;
    struct house house;
    int64_t keys;
    uint64_t epoch, claim_mark; // as the store has them
};

struct key {
    char secret[API_KEY_LEN + 1];
    uint8_t hash[32];
    int64_t row;
};

// With a table of routes; its last row has a NULL pattern.
UNUSED static int fixture_new(void **state, const struct route *routes)
{
    struct fixture *it = xcalloc(1, sizeof(*it));
    stub_init(&it->store);
    assert_int_equal(loop_new(&it->loop), 0);
    house_open(&it->house, it->loop, &it->store.base, routes);
    *state = it;
    return 0;
}

UNUSED static int fixture_free(void **state)
{
    struct fixture *it = *state;
    house_close(&it->house);
    assert_int_equal(it->store.count, 0);
    loop_free(&it->loop);
    free(it);
    return 0;
}

// --- The store's answers

UNUSED static struct store_op *take(struct fixture *it, enum store_op_kind kind)
{
    for (int turns = 0; it->store.count == 0 && turns < 10000; turns++)
        loop_turns(it->loop, 1);
    return stub_take(&it->store, kind);
}
#define TAKE(it, kind, type) CONTAINER_OF(take((it), (kind)), struct type, op)

UNUSED static void commit_something(struct fixture *it)
{
    struct store_update update = {.op.kind = STORE_UPDATE, .row = ROW};
    struct store_op *op = &update.op;
    store_versions_begin(&it->store.base, &op, 1);
    store_versions_end(&it->store.base, &op, 1);
}

UNUSED static struct key key_new(struct fixture *it)
{
    struct key key = {.row = ++it->keys};
    api_key_make(key.secret, key.hash);
    return key;
}

UNUSED static void answer_key_of(struct fixture *it, const struct key *key, enum role role)
{
    struct store_key_find *find = TAKE(it, STORE_KEY_FIND, store_key_find);
    find->ret_key = (struct api_key){
        .row = key->row, .account = ACCOUNT, .key_id = xstrdup("key_1"), .name = xstrdup(""), .role = role};
    memcpy(find->ret_key.hash, key->hash, sizeof(key->hash));
    stub_answer(&find->op, 0);
}

UNUSED static void answer_key(struct fixture *it, const struct key *key)
{
    answer_key_of(it, key, ROLE_SERVICE);
}

UNUSED static void answer_execution(struct fixture *it)
{
    struct store_get *get = TAKE(it, STORE_GET, store_get);
    get->ret_execution = (struct execution){.row = ROW,
                                            .account = ACCOUNT,
                                            .execution_id = xstrdup("e"),
                                            .status = it->epoch ? STATUS_RUNNING : STATUS_QUEUED,
                                            .restored_from = UINT64_MAX,
                                            .epoch = it->epoch,
                                            .claim_mark = it->claim_mark};
    get->ret_version = store_version(&it->store.base, ROW);
    stub_answer(&get->op, 0);
}

// This server does not know it: the store gives the lease back to whoever has its epoch.
UNUSED static void answer_return(struct fixture *it, uint64_t epoch, int err)
{
    struct store_lease *lease = TAKE(it, STORE_LEASE, store_lease);
    assert_int_equal(lease->lease_kind, LEASE_RUNNER);
    assert_int_equal(lease->subject, ROW);
    assert_int_equal(lease->ask.cause, NODE_LEASE_RETURN);
    assert_int_equal(lease->ask.node, hub_node(it->house.hub));
    assert_int_equal(lease->ask.epoch, epoch);
    if (err == 0)
        lease->ret_lease = (struct node_lease){.node = lease->ask.node, .epoch = epoch};
    stub_answer(&lease->op, err);
}
