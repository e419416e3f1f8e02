// What an answer says about hits: their records, as far as they are shown, and where in the text the matches are.
#pragma once

#include "api/search/scan.h"

#define HIT_TEXT_MAX   4096u // bytes of a message that are shown, around its first match
#define HIT_RANGES_MAX 100u  // matches that are told for one hit

struct hits_ask {
    struct call *call;
    int64_t row;
    const char *execution_id; // shown in each hit; NULL: not shown. Borrowed
    struct filter *filter;    // borrowed
    const uint64_t *numbers;  // in ascending order; borrowed
    size_t count;
    struct buf *out;                  // gets JSON objects with commas between them. Borrowed
    void (*done)(void *arg, int err); // on the loop, later. Records that are gone are left out
    void *arg;
};
void hits_write(const struct hits_ask *ask);
