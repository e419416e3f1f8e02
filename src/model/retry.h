// When a job that did not succeed is tried again. Pure: the end of an attempt and the job's rule go in, what follows
// comes out. Settling calls this, and so does the simulator.
#pragma once

#include "model/outcome.h"
#include "util/buf.h"

#define RETRIES_MAX          100
#define RETRY_DELAY_MAX_MS   (INT64_C(24) * 3600 * 1000)
#define RETRY_LOST_MARGIN_MS 15000 // after `lost`, so that the silent worker has killed its job before

// Which ends are tried again. A rule without words: every end that is not a success and was not asked for. What was
// cancelled or skipped is never tried again.
struct retry_rule {
    unsigned retries; // after the first attempt; 0: none
    int64_t delay_ms; // before the first retry; doubles with each; at most RETRY_DELAY_MAX_MS
    bool any_failure; // `failed` with any exit code or signal
    bool timed_out, lost;
    uint8_t exit_codes[32]; // one bit for each: `failed` with that code
    uint64_t signals;       // one bit for each, from 1: exit code 128 + n
};

struct retry_attempt {
    unsigned number; // counts from 1
    bool unwanted;   // it was asked to cancel, or its batch is over: no attempt follows, however it ended
    const struct outcome *outcome;
};

struct retry_verdict {
    bool again;
    int64_t delay_ms; // counted from the end of the attempt
};

struct retry_verdict retry_decide(const struct retry_rule *rule, const struct retry_attempt *attempt);
// Whether another attempt follows if this one is lost. Then its worker must have killed it before
// (docs/internals/jobs.md).
bool retry_after_lost(const struct retry_rule *rule, unsigned attempt);
// Adds one word of `retry_on`: "failed", "timed_out", "lost", "exit:N", "exit:N-M", "signal:NAME" or "signal:N".
// Returns false, and leaves the rule, for any other word. Codes are 1 to 255, signals 1 to 63, with or without "SIG".
bool retry_rule_add(struct retry_rule *rule, struct str word);
// Appends its words with commas between them, as retry_rule_add reads them; signals by number. Nothing for a rule
// without words.
void retry_rule_append(const struct retry_rule *rule, struct buf *out);
// Reads all words. Returns false if one is wrong.
bool retry_rule_parse(struct str words, struct retry_rule *rule);
