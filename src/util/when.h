// Moments as people write and read them, in local time or in UTC.
#pragma once

#include "util/buf.h"

struct when_options {
    int64_t now_ms;
    bool utc; // a time without a zone is UTC; otherwise local
    // Takes the last moment that the text can mean: in an hour that comes twice the second one, in a second its last
    // millisecond.
    bool late;
};

// Reads a moment. Returns false if the text is none of these:
// - a date, a time of today, or both with 'T' or a space between; with or without seconds and a fraction; then a zone
//   or none. A zone is 'Z', an offset, UTC, or a name of the local zone.
// - yesterday or today, alone or with a time; now.
// - a time ago: 1h30m, 10m, 2w, with or without " ago".
// - seconds since 1970: nine digits or more, or any number after '@'.
bool when_parse(struct str text, const struct when_options *options, int64_t *ret_real_ms);

// Reads what programs write: RFC 3339 (in UTC if it has no zone), or a time ago.
bool when_parse_since(struct str text, int64_t now_ms, int64_t *ret_real_ms);

// Appends "2026-10-25 02:30:00". The zone follows if the hour comes twice or the time is in UTC. when_parse reads it.
void when_format(int64_t real_ms, bool utc, struct buf *out);

// For narrow places. Appends "10:30:15" for today, "25 Oct 10:30" for this year, else "25 Oct 2026".
void when_format_short(int64_t real_ms, int64_t now_ms, bool utc, struct buf *out);

// Times of lines that follow each other: "10:30:15". The date is added if it is not that of the line before. The zone
// is added if it changed or if the hour comes twice.
struct when_lines {
    bool utc;
    bool dates_apart; // the date is not part of the time; `ret_date` tells it
    bool any;
    int year, day;
    long offset;
};
// Sets *ret_date to true if the date is not that of the line before. For the first line, with dates_apart: if it is not
// that of `now_ms`.
void when_lines_append(struct when_lines *lines, int64_t real_ms, int64_t now_ms, struct buf *out, bool *ret_date);
void when_format_date(int64_t real_ms, bool utc, struct buf *out); // "25 Oct 2026"
