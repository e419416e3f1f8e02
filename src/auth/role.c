#include "auth/auth.h"

#define R(role) (1u << ROLE_##role)

static const unsigned action_roles[ACTION_COUNT] = {
    [ACTION_READ] = R(VIEWER) | R(USER) | R(SERVICE) | R(ADMIN) | R(OPERATOR),
    [ACTION_SUBMIT] = R(USER) | R(SERVICE) | R(ADMIN) | R(OPERATOR),
    [ACTION_CANCEL] = R(USER) | R(SERVICE) | R(ADMIN) | R(OPERATOR),
    [ACTION_WRITE] = R(USER) | R(SERVICE) | R(ADMIN) | R(OPERATOR),
    [ACTION_RECORD] = R(RUN) | R(USER) | R(SERVICE) | R(ADMIN) | R(OPERATOR),
    [ACTION_INPUT] = R(RUN) | R(VIEWER) | R(USER) | R(SERVICE) | R(ADMIN) | R(OPERATOR),
    [ACTION_BLOB] = R(RUN) | R(USER) | R(SERVICE) | R(ADMIN) | R(OPERATOR),
    [ACTION_LEAVE] = R(RUN) | R(USER) | R(SERVICE) | R(ADMIN) | R(OPERATOR),
    [ACTION_WORK] = R(SERVICE) | R(ADMIN) | R(OPERATOR),
    [ACTION_PURGE] = R(ADMIN) | R(OPERATOR),
    [ACTION_KEYS] = R(ADMIN) | R(OPERATOR),
    [ACTION_SECRETS] = R(ADMIN) | R(OPERATOR),
    [ACTION_OPERATE] = R(OPERATOR),
    [ACTION_PUBLIC] = R(NONE) | R(RUN) | R(VIEWER) | R(USER) | R(SERVICE) | R(ADMIN) | R(OPERATOR),
};

bool role_may(enum role role, enum action action)
{
    return (unsigned)role < ROLE_COUNT && (unsigned)action < ACTION_COUNT && action_roles[action] & 1u << role;
}

bool principal_owns(const struct principal *principal, const struct execution *execution)
{
    if (principal->account != execution->account)
        return false;
    if (principal->role == ROLE_RUN)
        return principal->run_row == execution->row;
    if (principal->role != ROLE_USER)
        return true;
    return execution->owner && principal->user[0] && strcmp(execution->owner, principal->user) == 0;
}
