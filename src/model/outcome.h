// What becomes of an execution: its status, its exit code and the seal. Pure: what stands and what is asked for go in,
// what stands afterwards comes out. Every adapter of the store asks this at the commit, and the simulator does.
#pragma once

#include "model/status.h"

struct outcome { // what stands
    enum execution_status status;
    bool sealed, has_exit_code;
    int exit_code;
    uint64_t epoch;                              // of its present or last runner; 0: never had one
    int64_t started_ms, completed_ms, sealed_ms; // 0: not yet
};

enum outcome_cause {
    OUTCOME_TOLD,      // somebody says what its status is
    OUTCOME_CANCELLED, // it is to be cancelled; `status` is not looked at
    OUTCOME_CLAIMED,   // a runner takes it: one epoch more; `status` is not looked at
    OUTCOME_ENDED,     // its runner says how it ended, and that all of the log is there
    OUTCOME_SILENT,    // its runner is silent past its lease
    OUTCOME_GIVEN_UP,  // and past the grace
    OUTCOME_BACK,      // its runner was heard of again
    OUTCOME_CAUSES
};

struct outcome_ask {
    enum outcome_cause cause;
    enum execution_status status; // of TOLD and ENDED
    bool has_exit_code;
    int exit_code;
    int64_t completed_ms; // when the job ended; 0, or before it started: now
};

// 0 with what stands afterwards, which may be what stood before; ERR_SEALED, ERR_BAD_TRANSITION. `ret` may be `now`.
//
// Sealed by: the end that its runner tells; the end of the grace; and a terminal status or a cancel where no runner can
// say that the log is whole, as there never was one, or, for a cancel, as it is lost. A runner that comes back to that
// finds a newer epoch. A cancel of one that is running changes nothing here: its runner is to be told. One that has
// ended stays as it is. An outcome that was told before the end of the log stands; the end adds the seal, and an exit
// code if there was none. After the seal the same again is fine: the same status, or the end with the same exit code.
int outcome_next(const struct outcome *now, const struct outcome_ask *ask, int64_t now_ms, struct outcome *ret);
bool outcome_equal(const struct outcome *a, const struct outcome *b);
bool outcome_over(const struct outcome *outcome); // how the job ended is known, or the log is sealed
