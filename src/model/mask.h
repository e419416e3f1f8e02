// Finds texts that must not be seen in bytes that pass, and puts "***" in their place: of each maximal run of bytes
// that belong to an occurrence of any of the texts, one. What overlaps or touches is one run, so nothing of a longer
// text is left when a shorter one lies in it. The outcome does not depend on how the bytes are split over the calls.
// Pure.
//
// The cost is linear in the bytes, whatever the texts are (an automaton of Aho and Corasick). Where no text can begin,
// only about every third byte is looked at.
#pragma once

#include "util/buf.h"

#define MASK_TEXT_MIN 4 // bytes; what is shorter is in too much that is no secret
#define MASK_MARK     "***"

// The texts. Shared by any number of threads once it is sealed.
struct mask;

struct mask *mask_new(void);
void mask_free(struct mask **mask);
void mask_add(struct mask *mask, struct str text); // ignored if it is shorter than MASK_TEXT_MIN
void mask_seal(struct mask *mask);                 // nothing is added afterwards; before the first use
void mask_text(const struct mask *mask, struct str text, struct buf *out); // appends the whole text, masked

typedef void mask_emit(void *arg, struct str bytes); // the view is borrowed until the call returns

struct mask_run { // [start, end) of the stream belongs to occurrences
    uint64_t start, end;
};

// One stream of bytes. What may be the beginning of a text is held until it is decided: at most the longest text.
struct masker {
    const struct mask *mask;
    uint32_t state;        // of the automaton
    uint64_t at;           // bytes that were fed
    uint64_t emitted;      // bytes that are decided and were given on
    bool masking;          // the last one of them was masked
    struct buf held;       // ends with the bytes from `emitted` on
    struct mask_run *runs; // those that end behind `emitted`, in order, none touches the next
    size_t run_first, run_count, run_cap;
};

void masker_init(struct masker *masker, const struct mask *mask); // the mask is borrowed
void masker_release(struct masker *masker);
void masker_feed(struct masker *masker, struct str bytes, mask_emit *emit, void *arg);
// The stream has ended: gives on what is held. The masker can be used for another stream then.
void masker_end(struct masker *masker, mask_emit *emit, void *arg);
