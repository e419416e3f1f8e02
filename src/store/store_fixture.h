// What tests of the store share: a store of any adapter in a folder of its own, and operations as plain calls. One
// thread.
#pragma once

#include "store/store.h"
#include "util/testing.h"

#include <stdatomic.h>

struct fixture_adapter {
    const char *name;
    // Opens the store in `folder`, anew or again; `now_ms` is its clock.
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
void fixture_free(struct fixture **fixture); // and its folder
// Hands the operation in, waits for it, returns op->err.
int fixture_run(struct fixture *fixture, struct store_op *op);
// Hands all in before waiting for any.
void fixture_run_all(struct fixture *fixture, struct store_op **ops, size_t count);

int64_t fixture_account(struct fixture *fixture, const char *name);
int64_t fixture_create(struct fixture *fixture, int64_t account, const char *execution_id,
                       enum execution_status status);
struct execution fixture_get(struct fixture *fixture, int64_t account, const char *execution_id); // owned by the caller

// `count` records; each message names its number (from `first`) and is padded with repeatable noise to `size` bytes.
struct chunk *fixture_chunk(uint64_t first, uint32_t count, size_t size, int64_t time_ms);
struct store_append fixture_append(struct fixture *fixture, int64_t row, const char *producer, uint64_t first,
                                   struct chunk *chunk);
// Reads all from `from` on in reads of `max_bytes`, asserts that it has no hole and no overlap, and calls `each`.
uint64_t fixture_read(struct fixture *fixture, int64_t row, uint64_t from, size_t max_bytes,
                      void (*each)(void *arg, uint64_t sequence, const struct record *record), void *arg);

// `count` records of 40 bytes, numbered from `first` by their producer.
struct store_append fixture_append_lines(struct fixture *fixture, int64_t row, const char *producer, uint64_t first,
                                         uint32_t count);
// Ends the log as completed, with 0; `final` is the producer's last counter. To be released; or its error.
struct store_complete fixture_complete(struct fixture *fixture, int64_t row, const char *producer, int64_t final);
int fixture_complete_err(struct fixture *fixture, int64_t row, const char *producer, int64_t final);
size_t fixture_list_count(struct fixture *fixture, struct store_list list); // of the first page

int64_t fixture_clock(void *arg); // an adapter's clock, of fixture->now_ms

// Runs the tests on each adapter of the port, each with a store of its own; how many failed.
#define FIXTURE_EACH(tests) fixture_each((tests), ARRAY_LEN(tests))
int fixture_each(const struct CMUnitTest *tests, size_t count);
#define ON_EACH(name) cmocka_unit_test_setup_teardown(name, fixture_set_up, fixture_tear_down)
int fixture_set_up(void **state);
int fixture_tear_down(void **state);
