#include "runner/refusal.h"

// What a server says about an execution that somebody else continues or has ended.
static const int for_good[] = {ERR_FENCED, ERR_CONFLICT, ERR_EXPIRED, ERR_BAD_TRANSITION, ERR_SEALED, ERR_IDEMPOTENCY};

bool refusal_is_for_good(int err)
{
    for (size_t i = 0; i < ARRAY_LEN(for_good); i++) {
        if (for_good[i] == err)
            return true;
    }
    return false;
}

void refusal_append(struct buf *out, const struct run_file *run, int err, const char *text)
{
    // Without an epoch this run never held the execution, and it did not create it either.
    bool another_s = run->existed && run->epoch == 0;
    if (err == ERR_IDEMPOTENCY || (another_s && refusal_is_for_good(err) && err != ERR_EXPIRED))
        buf_printf(out, "execution %s exists already and is not this run's", run->execution_id);
    else
        buf_append_text(out, text ? text : error_text(err));
}
