// Rules for the status, the exit code and the seal of an execution. Pure: the present state and a request go in, the
// next state comes out. Every adapter of the store calls this at commit, and so does the simulator.
#pragma once

#include "model/status.h"

struct outcome { // the present state
    enum execution_status status;
    bool sealed, has_exit_code;
    int exit_code;
    uint64_t epoch;                              // epoch of the present or last runner; 0: there was never one
    int64_t started_ms, completed_ms, sealed_ms; // 0: not yet
    bool waits;                                  // for somebody's answer; one that was lost meanwhile still does
    bool late; // its records come late from elsewhere, as long as it has no runner; never changes
};

enum outcome_cause {
    OUTCOME_TOLD,      // somebody reports the status
    OUTCOME_CANCELLED, // somebody cancels it; `status` is ignored
    OUTCOME_CLAIMED,   // a runner takes it, with the next epoch; `status` is ignored
    OUTCOME_ENDED,     // its runner reports how it ended, and that the log is complete
    OUTCOME_SILENT,    // its runner has been silent for longer than its lease
    OUTCOME_GIVEN_UP,  // its runner has been silent for longer than the grace, too
    OUTCOME_BACK,      // its runner was heard of again; it still waits if it did
    OUTCOME_SKIPPED,   // it is queued and will never run; `status` is ignored
    OUTCOME_RETURNED,  // its worker gives it back without having begun it; `status` is ignored
    // The wait is over, by an answer or without one: it goes on, and a lost one does when it is back; `status` is
    // ignored
    OUTCOME_ANSWERED,
    OUTCOME_UNANSWERED, // nobody has answered in time, and that ends it; `status` is ignored
    OUTCOME_QUIET, // nobody ends its log, and nothing has come for long enough (model/quiet.h); `status` is ignored
    OUTCOME_CAUSES
};

struct outcome_ask {
    enum outcome_cause cause;
    enum execution_status status; // for TOLD and ENDED
    bool has_exit_code;
    int exit_code;
    int64_t completed_ms; // when the job ended; 0, or a time before its start, means now
};

// Returns 0 and the next state, which may be the present one; or ERR_SEALED or ERR_BAD_TRANSITION. `ret` may be `now`.
//
// These seal the log: the end that its runner reports; the end of the grace; a terminal status, if there was never a
// runner that could say that the log is complete, or while the execution is queued; a cancel, if there was never a
// runner or it is lost; that it was quiet. A runner that comes back then finds a newer epoch. If its records come late
// and it has no runner, only that it was quiet seals it. It is lost then, unless its end was told before.
//
// A wait ends with each other status but lost. ANSWERED and UNANSWERED are refused where nothing waits.
//
// A cancel of a running execution changes nothing here: its runner must be told. A cancel of an ended one changes
// nothing. If an outcome was reported before the end of the log, it stands: the end adds only the seal, and an exit
// code if there was none. After the seal the same report is accepted again: the same status, or the end with the same
// exit code. A return keeps the epoch; the next claim raises it.
int outcome_next(const struct outcome *now, const struct outcome_ask *ask, int64_t now_ms, struct outcome *ret);
bool outcome_equal(const struct outcome *a, const struct outcome *b);
bool outcome_over(const struct outcome *outcome); // true if it is known how the job ended, or if the log is sealed
