// One transaction of the writer. What it changed is collected while operations are applied, and used after the commit.
#pragma once

#include "store/sqlite/log/pack.h"
#include "store/store.h"

// An append of the present transaction. The hot index is told about it after the commit.
struct appended {
    int64_t row;
    struct log_state state;
    char *producer; // NULL: anonymous
    struct producer_state producer_state;
};

struct group {
    struct store_change *changes; // each holds a reference to its chunk
    size_t change_count, changes_cap;
    struct appended *appended;
    size_t appended_count, appended_cap;
    struct pack_builder pack;        // for the appends that are not in a row of `hot` yet
    struct buf pack_meta, pack_body; // scratch
    int64_t *rows;                   // rows whose versions it has begun to step, in addition to those of its operations
    size_t row_count, rows_cap;
    bool purges; // it leaves work in the table `purging`
    uint64_t records;
    uint64_t seals, seals_with_records, sealed_records;
    uint64_t summaries; // that were stored
};

void group_add_change(struct group *group, const struct store_change *change); // takes a reference to its chunk
void group_add_appended(struct group *group, const struct pack_entry *entry);  // copies it
void group_add_row(struct group *group, int64_t row);
void group_reset(struct group *group);
void group_release(struct group *group);
