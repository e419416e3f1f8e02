// When to try a lost connection again: the first time at once, then after 0.2 s, doubling, with jitter, never more than
// 5 s apart. Pure.
#pragma once

#include "util/attrs.h"

#define BACKOFF_MAX_MS    5000
#define BACKOFF_STEADY_MS 5000 // a connection that was good for so long was not a failed attempt

struct backoff {
    unsigned attempts; // failed ones in a row
    uint64_t random;   // seed of the jitter; each use advances it
};

// The connection could not be made, or was lost. Returns after how long to try again. `good_ms`: for how long it was
// good; 0 if it never was.
uint64_t backoff_lost(struct backoff *backoff, uint64_t good_ms);
void backoff_reset(struct backoff *backoff); // it has proved to be good
