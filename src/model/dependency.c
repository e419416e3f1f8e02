#include "model/dependency.h"

static const char *const words[DEPENDENCY_WISH_COUNT] = {
#define DEPENDENCY_ROW(name, word, meaning) [DEPENDENCY_##name] = word,
    DEPENDENCY_WISHES(DEPENDENCY_ROW)
#undef DEPENDENCY_ROW
};

const char *dependency_word(enum dependency_wish wish)
{
    return words[wish];
}

bool dependency_parse(struct str word, enum dependency_wish *ret)
{
    for (unsigned i = 0; i < DEPENDENCY_WISH_COUNT; i++) {
        if (!str_eq(word, str_of(words[i])))
            continue;
        *ret = (enum dependency_wish)i;
        return true;
    }
    return false;
}

enum dependency_verdict dependency_judge(enum dependency_wish wish, bool over, bool failed)
{
    if (!over)
        return DEPENDENCY_WAITS;
    if (wish == DEPENDENCY_ANY || (wish == DEPENDENCY_FAILED) == failed)
        return DEPENDENCY_SATISFIED;
    return DEPENDENCY_IMPOSSIBLE;
}

void dependency_reason(enum dependency_wish wish, struct str parent, bool batch, enum execution_status ended,
                       struct buf *out)
{
    if (batch)
        buf_printf(out,
                   wish == DEPENDENCY_FAILED ? "it was to run if a job of %.*s failed, and all completed"
                                             : "it was to run if all jobs of %.*s completed, and one did not",
                   STR_ARGS(parent));
    else
        buf_printf(out, "it was to run if %.*s %s, and that one ended as %s", STR_ARGS(parent),
                   wish == DEPENDENCY_FAILED ? "failed" : "completed", status_word(ended));
}
