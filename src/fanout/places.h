// How many followers each account has, over all loops. Thread-safe: one mutex, held for a look-up.
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct places;

struct places *places_new(void);
void places_free(struct places **places);
// False: the account has `max` of them, or more.
bool places_take(struct places *places, int64_t account, uint64_t max);
void places_leave(struct places *places, int64_t account); // once for each that was taken
