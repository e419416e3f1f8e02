#include "auth/auth_private.h"
#include "util/clock.h"

void check_finish(struct auth_check *check, int err)
{
    check->err = err;
    if (err)
        check->principal = (struct principal){0};
    check->done(check);
}

void check_finish_failed(struct auth_check *check)
{
    struct auth *auth = check->auth;
    uint64_t now_ms = clock_mono_ms();
    pthread_mutex_lock(&auth->lock);
    bool too_many = failures_too_many(&auth->failures, check->peer, now_ms);
    if (!too_many)
        failures_count(&auth->failures, check->peer, now_ms);
    pthread_mutex_unlock(&auth->lock);
    if (too_many)
        check->reason = NULL;
    check_finish(check, too_many ? ERR_RATE : ERR_UNAUTHORIZED);
}
