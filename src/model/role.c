#include "model/role.h"

static const char *const role_names[ROLE_COUNT] = {[ROLE_NONE] = "none",
                                                   [ROLE_RUN] = "run",
#define ROLE_WORD(name, word, before, space) [ROLE_##name] = word,
                                                   ROLES(ROLE_WORD)
#undef ROLE_WORD
};

const char *role_name(enum role role)
{
    return (unsigned)role < ROLE_COUNT ? role_names[role] : role_names[ROLE_NONE];
}

bool role_parse(struct str word, enum role *ret)
{
    for (enum role role = ROLE_VIEWER; role < ROLE_COUNT; role++) {
        if (str_eq(word, str_of(role_names[role]))) {
            *ret = role;
            return true;
        }
    }
    return false;
}
