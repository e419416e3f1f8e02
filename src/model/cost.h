// What a run costs: a rate for each hour of a worker, rounded up to the hundredth of the currency. Pure.
#pragma once

#include "util/buf.h"

#define COST_RATE_DEFAULT     "0.86"
#define COST_CURRENCY_DEFAULT "€"
#define COST_RATE_MAX         (INT64_C(1000000) * 1000000) // micros per hour

// Millionths of the currency. 0.86 an hour: 45 s and 83 s are both 20,000 (0.02). 0 for no time or no rate; it stays at
// the largest number that fits.
int64_t cost_micros(int64_t duration_ms, int64_t rate_micros_per_hour);
// "€0.02".
void cost_append(struct buf *out, struct str currency, int64_t micros);
// "0.86" → 860,000. False if it is no amount of at least 0 with at most six decimals, or above COST_RATE_MAX.
bool cost_rate_parse(struct str text, int64_t *ret_micros);
