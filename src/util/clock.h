// Time. Real time is milliseconds since the epoch (UTC); monotonic time is nanoseconds or milliseconds since some
// start.
#pragma once

#include "util/buf.h"

int64_t clock_real_ms(void);
uint64_t clock_mono_ns(void);
uint64_t clock_mono_ms(void);

#define TIME_RFC3339_LEN 24 // "2025-11-15T10:30:15.123Z"

// Writes exactly TIME_RFC3339_LEN bytes, no NUL. Years 0000 to 9999; outside of them it is clamped.
void time_format_rfc3339(int64_t real_ms, char out[TIME_RFC3339_LEN]);
// RFC 3339 with or without a fraction (cut to ms), 'T' or space, 'Z', an offset, or no zone (taken as UTC). False if
// malformed.
bool time_parse_rfc3339(struct str s, int64_t *ret_real_ms);
// "90s", "10m", "2h", "3d", "2w", "500ms" or plain seconds; false if malformed or over 100 years.
bool duration_parse(struct str s, int64_t *ret_ms);
// "45s", "1m 23s", "2h 3m 4s", "1d 2h 3m 4s", as the status text shows durations.
void duration_format(int64_t ms, struct buf *out);
