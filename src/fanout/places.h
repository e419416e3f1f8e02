// How many followers each account has, over all loops. Thread-safe: one mutex, held for a look-up.
#pragma once

#include "util/tally.h"

struct places;

struct places *places_new(void);
void places_free(struct places **places);
// False: the account has `max` of them, or more, together with those that it has at other servers.
bool places_take(struct places *places, int64_t account, uint64_t max);
void places_leave(struct places *places, int64_t account); // once for each that was taken
// Adds to `tally` the accounts of which other servers should know, as each may have `max` of them.
void places_tally(struct places *places, uint64_t max, struct tally *tally);
// What the accounts have at other servers, instead of what was known of that; `elsewhere` is empty then.
void places_elsewhere(struct places *places, struct tally *elsewhere);
