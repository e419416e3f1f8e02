// Moments as people write and read them, in local time or in UTC.
#pragma once

#include "util/buf.h"

struct when_options {
    int64_t now_ms;
    bool utc;  // what has no zone is UTC; else local
    bool late; // the last moment that is meant: of an hour that comes twice the second one, of a second its last
               // millisecond
};

// A date, a time of today, or both, with 'T' or a space between, with or without seconds and a fraction; then a zone,
// or none: 'Z', an offset, UTC, or a name of the local zone. yesterday, today, alone or with a time; now. So long ago:
// 1h30m, 10m, 2w, with or without " ago". Seconds since the epoch: nine digits or more, or any after '@'. False if it
// is none of these.
bool when_parse(struct str text, const struct when_options *options, int64_t *ret_real_ms);

// What programs write: RFC 3339, in UTC if it has no zone, or so long ago.
bool when_parse_since(struct str text, int64_t now_ms, int64_t *ret_real_ms);

// "2026-10-25 02:30:00", with the zone where the hour comes twice, or in UTC. when_parse reads it.
void when_format(int64_t real_ms, bool utc, struct buf *out);

// For narrow places: "10:30:15" of today, "25 Oct 10:30" of this year, else "25 Oct 2026".
void when_format_short(int64_t real_ms, int64_t now_ms, bool utc, struct buf *out);

// Times of lines that follow upon each other: "10:30:15", with the date when it is another than that of the line
// before, and the zone when it changed or when the hour comes twice.
struct when_lines {
    bool utc;
    bool dates_apart; // the date is not part of the time: it is told by `ret_date`
    bool any;
    int year, day;
    long offset;
};
// *ret_date: true if the date is another than before, or at first another than that of `now_ms` (with dates_apart).
void when_lines_append(struct when_lines *lines, int64_t real_ms, int64_t now_ms, struct buf *out, bool *ret_date);
void when_format_date(int64_t real_ms, bool utc, struct buf *out); // "25 Oct 2026"
