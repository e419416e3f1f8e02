// Operations on runs that wait for somebody's answer (model/waiting.h). Conventions: store/store.h. STORE_UPDATE lets
// one wait.
#pragma once

#include "model/execution.h"
#include "store/op.h"

// --- Commits

// Ends a wait: one transaction with the record that tells it. An answer lets the run go on; so does the end of its time
// by `resume`, while `fail` ends it as timed out. One that is lost goes on when its runner is back.
//
// ERR_BAD_TRANSITION: it does not wait; ERR_SEALED; ERR_EXPIRED: it is purged. Of an answer: ERR_NOT_FOUND: this user
// may not even see it; ERR_FORBIDDEN: may not answer; ERR_CONFLICT: it waits for something else by now; ERR_INVALID
// with ret_reason about the data; ERR_IDEMPOTENCY. Of the end of its time: ERR_BAD_TRANSITION also if that has not
// come.
struct store_answer {
    struct store_op op;
    int64_t row;
    bool unanswered;       // its time has passed; what follows is for answers alone
    struct str user;       // who answers; of an asking user it is judged, others may
    bool asking_user;      // sees only what it owns, or is asked for
    struct str waiting_id; // of the wait that is answered; empty: whichever it is
    struct str data;       // JSON
    // Names the answer: not empty, it is taken once, and its repetition finds the record of the first. ERR_IDEMPOTENCY
    // if the data differ within 24 h.
    struct str producer;
    struct execution ret_execution;
    uint64_t ret_sequence;  // of the record
    bool ret_existed;       // it was a repetition
    const char *ret_reason; // static
};

// --- Queries

struct store_waiting { // what an execution waits for, or has waited for last
    struct store_op op;
    int64_t row;
    char *ret_waiting; // a text of model/waiting.h; NULL: it has never waited
    bool ret_over;
};

#define STORE_WAITS_MAX 64
struct store_waits_due { // those whose time has passed, the first that were due
    struct store_op op;
    int64_t now_ms;
    int64_t ret_rows[STORE_WAITS_MAX];
    size_t ret_count;
};
