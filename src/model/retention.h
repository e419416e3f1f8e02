// How long sealed executions are kept, which of them go, and how much is kept of one log. Pure: rules and facts go in,
// times and verdicts come out. All times count from the seal. See docs/internals/retention.md.
#pragma once

#include "model/status.h"
#include "util/buf.h"

#define RETENTION_DEFAULT  "30d"
#define RETENTION_TEXT_MAX 255

// Of one log, sealed or not: the newest so many records, and the newest of so many bytes of their messages, are kept;
// 0: any number.
struct retention_log {
    uint64_t records_max, bytes_max;
};
#define RETENTION_LOG_RECORDS_LEAST 1000 // a log goes by whole chunks, so less would mean nothing
#define RETENTION_LOG_BYTES_LEAST   65536

struct retention {                // the rules of a server or of an account
    int64_t age_ms[STATUS_COUNT]; // so long after the seal, by the status that it ended with; 0: for ever
    uint64_t executions_max;      // of an account, sealed and not pinned: the newest so many are kept; 0: any number
    uint64_t bytes_max;           // the same for the bytes of their messages
    struct retention_log log;
};

// Reads "30d, failed=90d, executions=10000, bytes=100G, log_records=1000000, log_bytes=1G". A duration alone is for
// each status that the text does not name, and has a unit; 0 is for ever, and no limit. Bytes may have K, M, G or T, in
// powers of 1024. What the text does not name stays as it is in *retention, so an account's text is read over the
// server's rules. False, with nothing changed, if it is malformed, or longer than RETENTION_TEXT_MAX.
bool retention_parse(struct str text, struct retention *retention);
#define RETENTION_MUST                                                                                         \
    "a duration such as 30d, failed=90d, executions=10000, bytes=100G, log_records=1000000 (1000 or more) or " \
    "log_bytes=1G "                                                                                            \
    "(64K or more), several with commas"

// One execution's own, which beat the rules part by part: "7d, log_records=100000, log_bytes=1G"; each part may be left
// out. False, with zeros, if it is malformed.
struct retention_own {
    bool has_age, has_records, has_bytes;
    int64_t age_ms; // 0: for ever
    struct retention_log log;
};
bool retention_own_parse(struct str text, struct retention_own *ret);
// `own`, and where it says nothing what `other` says.
struct retention_own retention_own_over(const struct retention_own *own, const struct retention_own *other);
#define RETENTION_OWN_MUST \
    "a duration such as 7d, or 0; log_records=100000 (1000 or more); log_bytes=1G (64K or more); several with commas"

// --- Whole executions

struct retention_facts { // of one execution
    enum execution_status status;
    bool sealed, purged, pinned;
    int64_t sealed_ms;
    struct retention_own own;
};

// When it goes by its age; 0: never, or not known before its seal.
int64_t retention_expires_ms(const struct retention *retention, const struct retention_facts *facts);
// Whether its time has come.
bool retention_due(const struct retention *retention, const struct retention_facts *facts, int64_t now_ms);
// What was sealed after this time cannot be due by the rules' ages. INT64_MIN: nothing is due by them.
int64_t retention_sealed_by(const struct retention *retention, int64_t now_ms);

// Adds up an account's executions that may go, from the newest on, and tells of each whether it is beyond the limits.
// From the first one that is, all older ones are.
struct retention_tally {
    uint64_t executions, bytes;
};
bool retention_beyond(const struct retention *retention, struct retention_tally *tally, uint64_t bytes);
bool retention_limits(const struct retention *retention); // whether it has such limits at all

// --- The front of a log

// The limits of a log: those of the execution itself, else those of the rules.
struct retention_log retention_log_of(const struct retention *rules, const struct retention_own *own);
bool retention_log_limits(const struct retention_log *limits); // whether there are any
// Whether a log of so many records, with so many bytes of messages, has more than it may keep.
bool retention_log_beyond(const struct retention_log *limits, uint64_t records, uint64_t bytes);
// Whether records at its front may go that leave so many records and bytes: what is kept is never less than a limit.
bool retention_log_lets_go(const struct retention_log *limits, uint64_t records_left, uint64_t bytes_left);
