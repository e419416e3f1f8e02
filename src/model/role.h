// Roles: who may do what. One table of their words, as keys, requests and the store have them.
#pragma once

#include "util/str.h"

// X(NAME, word, what stands before it in a sentence, and in a list of words), from the least to the most.
#define ROLES(X)                     \
    X(VIEWER, "viewer", "", "")      \
    X(USER, "user", ", ", " ")       \
    X(SERVICE, "service", ", ", " ") \
    X(ADMIN, "admin", ", ", " ")     \
    X(OPERATOR, "operator", " or ", " ")

enum role {
    ROLE_NONE, // nobody's
#define ROLE_ENUM(name, word, before, space) ROLE_##name,
    ROLES(ROLE_ENUM)
#undef ROLE_ENUM
        ROLE_COUNT
};

#define ROLE_SAID_(name, word, before, space)   before word
#define ROLE_LISTED_(name, word, before, space) space word
#define ROLES_SAID                              ROLES(ROLE_SAID_)   // "viewer, user … or operator"
#define ROLES_LISTED                            ROLES(ROLE_LISTED_) // "viewer user … operator"

const char *role_name(enum role role);            // "none" for what is no role
bool role_parse(struct str word, enum role *ret); // false, with *ret as it was, for what nobody can be given
