// What a job asks of a worker, what a worker offers, and whether the one fits the other. Pure.
#pragma once

#include "util/buf.h"
#include "util/str.h"

#define DEMAND_LABELS_MAX 16
#define DEMAND_TEXT_MAX   1024 // of its canonical form

struct demand {
    uint32_t cpus_milli;   // thousandths; 0: none in particular
    uint64_t memory_bytes; // 0: none in particular
    struct str executor;   // "process" or "container"
    struct str runtime;    // "python:3.11", or empty: any
    struct str labels[DEMAND_LABELS_MAX];
    unsigned label_count;
    bool unconfined; // its submitter may be given a worker that shares the server's data folder without confinement
};

// A label, an executor, a runtime: printable ASCII without spaces, not empty.
bool demand_word_valid(struct str word);
// One text for equal demands: labels sorted, once each. Jobs with the same text wait in one line. False, with nothing
// appended, if a word of it is not valid, or it is longer than DEMAND_TEXT_MAX.
bool demand_append(const struct demand *demand, struct buf *out);
// Views into `text`. False if it is none.
bool demand_parse(struct str text, struct demand *ret);

struct offer {
    unsigned slots, slots_free;
    uint32_t cpus_milli, cpus_free;
    uint64_t memory_bytes, memory_free;
    const struct str *labels, *executors, *runtimes;
    unsigned label_count, executor_count, runtime_count;
    bool confined_only; // takes no job of a submitter that may not be trusted; see docs/internals/jobs.md
};

enum demand_fit {
    DEMAND_FITS,
    DEMAND_BUSY, // it would, were enough of it free
    DEMAND_NO_EXECUTOR,
    DEMAND_NO_RUNTIME,
    DEMAND_NO_LABEL,  // *ret_label says which
    DEMAND_TOO_LARGE, // more cpus or memory than it has at all
    DEMAND_NOT_TRUSTED,
};
// ret_label may be NULL.
enum demand_fit demand_fits(const struct demand *demand, const struct offer *offer, struct str *ret_label);
// A runtime "python:3.11" is wanted: "python:3.11" and "python:3.11.2" do, "python" wants any.
bool runtime_matches(struct str wanted, struct str offered);
