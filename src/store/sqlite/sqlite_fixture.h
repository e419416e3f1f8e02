// What tests of the SQLite adapter share, in addition to store_fixture.h: a store that merges sometimes or all the
// time, and looks into its file.
#pragma once

#include "store/sqlite/sqlite_store.h"
#include "store/store_fixture.h"

// Opens the store in the folder with this tuning.
int fixture_open_tuned(const char *folder, struct sqlite_tuning tuning, struct buf *ret_error, struct store **ret);
extern const struct fixture_adapter fixture_plain; // with the default tuning
extern const struct fixture_adapter fixture_merging;
int fixture_set_up_plain(void **state);
int fixture_set_up_merging(void **state);
#define PLAIN(name)   cmocka_unit_test_setup_teardown(name, fixture_set_up_plain, fixture_tear_down)
#define MERGING(name) cmocka_unit_test_setup_teardown(name, fixture_set_up_merging, fixture_tear_down)

// In these tests all records come from one producer, so each record names its own sequence number. For fixture_read.
void fixture_check_record(void *arg, uint64_t sequence, const struct record *record);
// Appends as that producer: `count` records of `size` bytes.
void fixture_append_next(struct fixture *fixture, int64_t row, uint64_t *next, uint32_t count, size_t size);
// Reads the log and ends it. The store's digest must be that of what it returns.
void fixture_complete_with_digest(struct fixture *fixture, int64_t row, uint64_t count);
void fixture_await_merged(struct fixture *fixture); // until the hot table is empty

// Returns the one number that a query of the store's file gives; 0 without a row.
int64_t fixture_query(const struct fixture *fixture, const char *sql);
int64_t fixture_query_path(const char *path, const char *sql);
void fixture_execute(const struct fixture *fixture, const char *sql);     // for statements without rows
uint64_t fixture_file_bytes(struct fixture *fixture, const char *suffix); // of runnel.db and what is beside it; 0: none
