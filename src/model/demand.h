// What a job asks of a worker, what a worker offers, and whether the two fit. Pure.
#pragma once

#include "util/buf.h"
#include "util/str.h"

#define DEMAND_LABELS_MAX 16
#define DEMAND_TEXT_MAX   1024 // of its canonical form

struct demand {
    uint32_t cpus_milli;   // thousandths; 0: not asked for
    uint64_t memory_bytes; // 0: not asked for
    struct str executor;   // "process" or "container"
    struct str runtime;    // "python:3.11"; empty: any
    struct str labels[DEMAND_LABELS_MAX];
    unsigned label_count;
    bool unconfined; // its submitter may use a worker that shares the server's data folder without confinement
};

// Whether it can be a label, an executor or a runtime: printable ASCII without spaces, not empty.
bool demand_word_valid(struct str word);
// Appends one text for equal demands: labels sorted, each once. Jobs with the same text wait in one line. Returns
// false, and appends nothing, if a word is not valid or the text is longer than DEMAND_TEXT_MAX.
bool demand_append(const struct demand *demand, struct buf *out);
// The result holds views into `text`. Returns false if the text is not a demand.
bool demand_parse(struct str text, struct demand *ret);

struct offer {
    unsigned slots, slots_free;
    uint32_t cpus_milli, cpus_free;
    uint64_t memory_bytes, memory_free;
    const struct str *labels, *executors, *runtimes;
    unsigned label_count, executor_count, runtime_count;
    bool confined_only; // it takes no job of a submitter that is not trusted; see docs/internals/jobs.md
};

enum demand_fit {
    DEMAND_FITS,
    DEMAND_BUSY, // it would fit if enough of the worker were free
    DEMAND_NO_EXECUTOR,
    DEMAND_NO_RUNTIME,
    DEMAND_NO_LABEL,  // *ret_label is the missing one
    DEMAND_TOO_LARGE, // it wants more cpus or memory than the worker has
    DEMAND_NOT_TRUSTED,
};
// ret_label may be NULL.
enum demand_fit demand_fits(const struct demand *demand, const struct offer *offer, struct str *ret_label);

// What would have to be otherwise for a demand to be met by any of several workers.
struct demand_why {
    enum demand_fit fit; // DEMAND_FITS or DEMAND_BUSY if one of them could, else the best that was found
    struct str label;    // with DEMAND_NO_LABEL: that the best one has not; the demand's
    bool drains;         // one that takes no more jobs could
};
#define DEMAND_WHY_NOBODY         \
    {                             \
        .fit = DEMAND_NO_EXECUTOR \
    }
void demand_why_add(struct demand_why *why, const struct demand *demand, const struct offer *offer, bool drains);

// If "python:3.11" is wanted, "python:3.11" and "python:3.11.2" match; if "python" is wanted, any version matches.
bool runtime_matches(struct str wanted, struct str offered);
