// Time. Real time is in milliseconds since 1970 (UTC). Monotonic time is in nanoseconds or milliseconds since some
// fixed start.
#pragma once

#include "util/buf.h"

int64_t clock_real_ms(void);
uint64_t clock_mono_ns(void);
uint64_t clock_mono_ms(void);
uint64_t clock_boot_ms(void); // as clock_mono_ms, and goes on while the machine sleeps

#define TIME_RFC3339_LEN 24 // "2025-11-15T10:30:15.123Z"

// Writes exactly TIME_RFC3339_LEN bytes, without a NUL. Years 0000 to 9999; other times are clamped to that range.
void time_format_rfc3339(int64_t real_ms, char out[TIME_RFC3339_LEN]);
// Reads RFC 3339, with or without a fraction (cut to milliseconds), with 'T' or a space, and with 'Z', an offset, or no
// zone (which means UTC). Returns false if malformed.
bool time_parse_rfc3339(struct str s, int64_t *ret_real_ms);
// Reads "90s", "10m", "2h", "3d", "2w", "500ms" or plain seconds. Returns false if malformed or over 100 years.
bool duration_parse(struct str s, int64_t *ret_ms);
// Appends "45s", "1m 23s", "2h 3m 4s" or "1d 2h 3m 4s", as the status text shows durations.
void duration_format(int64_t ms, struct buf *out);
