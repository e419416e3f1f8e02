// Events that come late from elsewhere: in any order, and more than once. Each is numbered once, as it is stored, and
// keeps its number. Pure: the server and the simulator use it.
//
// - An event is named by its key: a hash of the source's own id; where it has none, of its time and content, and which
//   of the same ones of its delivery it is. A delivery that is repeated has the same keys.
// - What is numbered together is what has come within the reorder window: a delivery, and those that follow it within
//   that time. It is sorted by time; what has the same time, by the source's ids, then as it came. What comes later
//   gets later numbers, whatever its time is: numbers never change.
#pragma once

#include "model/record.h"

#define LATE_KEY_LEN 16

struct late_key {
    uint8_t bytes[LATE_KEY_LEN];
};

struct late_event {
    struct record record; // what it points to is borrowed
    struct str id;        // the source's own; empty: none. Borrowed
    uint64_t order;       // as it came
    struct late_key key;
};

// `nth`: how many events with the same time and content are before it in its delivery; for those without an id.
struct late_key late_key_of(struct str id, const struct record *record, uint32_t nth);
bool late_key_equal(const struct late_key *a, const struct late_key *b);
void late_sort(struct late_event *events, size_t count);
// Leaves each key once, the one that came first, and the order as it is. Returns how many there are then.
size_t late_unique(struct late_event *events, size_t count);
// Leaves those that are not known, in their order. Returns how many.
size_t late_unknown(struct late_event *events, size_t count, const bool *known);
