// What a run costs: a rate for each hour of a worker. Rounded up to the hundredth of the currency. Pure.
#pragma once

#include "util/buf.h"

#define COST_RATE_DEFAULT     "0.86"
#define COST_CURRENCY_DEFAULT "€"
#define COST_RATE_MAX         (INT64_C(1000000) * 1000000) // micros per hour

// Returns millionths of the currency. At 0.86 an hour, 45 s and 83 s both cost 20,000 (0.02). Returns 0 for no time or
// no rate; at most the largest number that fits.
int64_t cost_micros(int64_t duration_ms, int64_t rate_micros_per_hour);
// Appends for example "€0.02".
void cost_append(struct buf *out, struct str currency, int64_t micros);
// Reads "0.86" as 860,000. Returns false if it is not an amount of at least 0 with at most six decimals, or if it is
// above COST_RATE_MAX.
bool cost_rate_parse(struct str text, int64_t *ret_micros);
