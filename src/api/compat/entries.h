// Pages of records in the shape of another design, by offset or by cursor. Everything on the loop's thread but what
// process says.
#pragma once

#include "api/call.h"
#include "model/filter.h"

struct entries {
    // Set by the caller.
    struct call *call;                 // kept until `done`
    const struct execution *execution; // valid until `done`
    struct filter *filter;             // a reference; NULL: all records. It must not look at texts
    bool by_cursor;                    // from the record `cursor` on, without counting; else by offset
    uint64_t cursor, offset;           // how many matching records are passed over
    unsigned limit;                    // at least 1
    // Writes one; log_entry_append is one such.
    void (*append)(struct buf *out, const struct record *record, struct str execution_id, uint64_t sequence_number);
    // Called once. ERR_UNAVAILABLE, ERR_CORRUPT … : the call is not answered yet.
    void (*done)(struct entries *it, int err);
    // Results.
    struct buf json;      // the entries, with commas between them
    unsigned taken;       // how many
    uint64_t matched;     // by offset: how many match in the whole log
    uint64_t next_cursor; // the record behind the last one that was taken, or looked at
    uint64_t end;         // of the log
    // Private.
    struct store_read read;
    struct filter_run run;
    uint64_t begin, from; // records below `begin` are looked at only for what continues them; `from` is the next one
    bool looked_back, begins_again;
    bool before_known, before_wanted; // of the record before `from`, and whether it matched
    enum record_stream before_stream;
};
void entries_read(struct entries *it);
void entries_release(struct entries *it);
