// What tests of the store share: a store with any adapter, in its own folder, and operations as simple calls. For one
// thread.
#pragma once

#include "store/store.h"
#include "util/testing.h"

#include <stdatomic.h>

struct fixture_adapter {
    const char *name;
    // Opens the store in `folder`, for the first time or again. `now_ms` is its clock.
    int (*open)(const char *folder, _Atomic int64_t *now_ms, struct store **ret);
};

struct fixture {
    const struct fixture_adapter *adapter;
    struct loop *loop;
    struct store *store;
    char folder[64];
    _Atomic int64_t now_ms;
};

struct fixture *fixture_new(const struct fixture_adapter *adapter);
void fixture_reopen(struct fixture *fixture);
void fixture_free(struct fixture **fixture); // also removes its folder
// Submits the operation, waits for it, and returns op->err.
int fixture_run(struct fixture *fixture, struct store_op *op);
// Submits all operations before it waits for any.
void fixture_run_all(struct fixture *fixture, struct store_op **ops, size_t count);

int64_t fixture_account(struct fixture *fixture, const char *name);
int64_t fixture_create(struct fixture *fixture, int64_t account, const char *execution_id,
                       enum execution_status status);
struct execution fixture_get(struct fixture *fixture, int64_t account, const char *execution_id); // owned by the caller

// Makes `count` records. Each message says its number (from `first`) and is padded with repeatable noise to `size`
// bytes.
struct chunk *fixture_chunk(uint64_t first, uint32_t count, size_t size, int64_t time_ms);
struct store_append fixture_append(struct fixture *fixture, int64_t row, const char *producer, uint64_t first,
                                   struct chunk *chunk);
// Reads everything from `from` on, in reads of `max_bytes`. Asserts that there is no hole and no overlap. Calls `each`.
uint64_t fixture_read(struct fixture *fixture, int64_t row, uint64_t from, size_t max_bytes,
                      void (*each)(void *arg, uint64_t sequence, const struct record *record), void *arg);

// Appends `count` records of 40 bytes; their producer numbers them from `first`.
struct store_append fixture_append_lines(struct fixture *fixture, int64_t row, const char *producer, uint64_t first,
                                         uint32_t count);
// Ends the log as completed with exit code 0. `final` is the producer's last counter. The caller must release it.
struct store_complete fixture_complete(struct fixture *fixture, int64_t row, const char *producer, int64_t final);
int fixture_complete_err(struct fixture *fixture, int64_t row, const char *producer, int64_t final);
size_t fixture_list_count(struct fixture *fixture, struct store_list list); // of the first page

int64_t fixture_clock(void *arg); // the clock of an adapter: fixture->now_ms

// --- adapters_fixture.c. Runs the tests on each adapter of the port, each with its own store. Returns how many failed.
#define FIXTURE_EACH(tests) fixture_each((tests), ARRAY_LEN(tests))
int fixture_each(const struct CMUnitTest *tests, size_t count);
int fixture_each_merging(const struct CMUnitTest *tests, size_t count); // on those that merge at once
#define ON_EACH(name) cmocka_unit_test_setup_teardown(name, fixture_set_up, fixture_tear_down)
int fixture_set_up(void **state);
int fixture_tear_down(void **state);
