// How long sealed executions are kept, and which of them go. Pure: rules and facts go in, times and verdicts come out.
// All times count from the seal. See docs/internals/retention.md.
#pragma once

#include "model/status.h"
#include "util/buf.h"

#define RETENTION_DEFAULT  "30d"
#define RETENTION_TEXT_MAX 255

struct retention {                // the rules of a server or of an account
    int64_t age_ms[STATUS_COUNT]; // so long after the seal, by the status that it ended with; 0: for ever
    uint64_t executions_max;      // of an account, sealed and not pinned: the newest so many are kept; 0: any number
    uint64_t bytes_max;           // the same for the bytes of their messages
};

// Reads "30d, failed=90d, executions=10000, bytes=100G". A duration alone is for each status that the text does not
// name, and has a unit; 0 is for ever, and no limit. Bytes may have K, M, G or T, in powers of 1024. What the text does
// not name stays as it is in *retention, so an account's text is read over the server's rules. False, with nothing
// changed, if it is malformed, or longer than RETENTION_TEXT_MAX.
bool retention_parse(struct str text, struct retention *retention);
#define RETENTION_MUST "a duration such as 30d, failed=90d, executions=10000 or bytes=100G, several with commas"

// One execution's own: a duration, or 0 for ever.
bool retention_own_parse(struct str text, int64_t *ret_ms);

struct retention_facts { // of one execution
    enum execution_status status;
    bool sealed, purged, pinned, has_own;
    int64_t sealed_ms;
    int64_t own_ms; // with has_own: its own age, which beats that of the rules; 0: for ever
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
