// What a job wants of another one before it starts, and whether that is still possible. Pure.
#pragma once

#include "model/outcome.h"
#include "util/buf.h"

// X(NAME, word, meaning)
#define DEPENDENCY_WISHES(X)                           \
    X(OK, "ok", "it completed; of a batch: all of it") \
    X(ANY, "any", "it ended, however")                 \
    X(FAILED, "failed", "it ended, and not well; of a batch: one did")

enum dependency_wish {
#define DEPENDENCY_ENUM(name, word, meaning) DEPENDENCY_##name,
    DEPENDENCY_WISHES(DEPENDENCY_ENUM)
#undef DEPENDENCY_ENUM
        DEPENDENCY_WISH_COUNT
};

enum dependency_verdict { DEPENDENCY_WAITS, DEPENDENCY_SATISFIED, DEPENDENCY_IMPOSSIBLE };

#define DEPENDENCIES_MAX 64 // of one job

const char *dependency_word(enum dependency_wish wish);
bool dependency_parse(struct str word, enum dependency_wish *ret);
// `over`: no further attempt follows; for a batch: it takes no more jobs, and all its jobs have ended. `failed`: one
// ended with another status than `completed`.
enum dependency_verdict dependency_judge(enum dependency_wish wish, bool over, bool failed);
// Appends why it is impossible, for people: "it was to run if exec_1 completed, and that one ended as failed". `ended`
// is the status of the parent; for a batch it is ignored.
void dependency_reason(enum dependency_wish wish, struct str parent, bool batch, enum execution_status ended,
                       struct buf *out);
