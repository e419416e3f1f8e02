// When a job that did not succeed is tried once more. Pure: what became of an attempt and the job's rule go in, what
// follows comes out. Settling asks this, and the simulator does.
#pragma once

#include "model/outcome.h"
#include "util/buf.h"

#define RETRIES_MAX          100
#define RETRY_DELAY_MAX_MS   (INT64_C(24) * 3600 * 1000)
#define RETRY_LOST_MARGIN_MS 15000 // after `lost`, so that the silent side has killed its job before

// Which ends are tried again. A rule without any word: each that is not a success and was not asked for. What was
// cancelled or skipped is never tried again.
struct retry_rule {
    unsigned retries; // after the first attempt; 0: none
    int64_t delay_ms; // before the first retry; doubles with each; at most RETRY_DELAY_MAX_MS
    bool any_failure; // `failed` with any exit code or signal
    bool timed_out, lost;
    uint8_t exit_codes[32]; // a bit for each: `failed` with that code
    uint64_t signals;       // a bit for each, from 1: exit code 128 + n
};

struct retry_attempt {
    unsigned number; // counts from 1
    bool unwanted;   // it was asked to cancel, or its batch is over: none follows, however it ended
    const struct outcome *outcome;
};

struct retry_verdict {
    bool again;
    int64_t delay_ms; // from the attempt's end
};

struct retry_verdict retry_decide(const struct retry_rule *rule, const struct retry_attempt *attempt);
// Another follows if this one is lost: whoever runs it must have killed it before (docs/internals/jobs.md).
bool retry_after_lost(const struct retry_rule *rule, unsigned attempt);
// One word of `retry_on`: "failed", "timed_out", "lost", "exit:N", "exit:N-M", "signal:NAME" or "signal:N". False if it
// is none; the rule is as it was then. Codes are 1 to 255, signals 1 to 63, with or without "SIG".
bool retry_rule_add(struct retry_rule *rule, struct str word);
// Its words, with commas between them, as retry_rule_add takes them: signals by number. Nothing for a rule without any.
void retry_rule_append(const struct retry_rule *rule, struct buf *out);
// All of them. False if one is none.
bool retry_rule_parse(struct str words, struct retry_rule *rule);
