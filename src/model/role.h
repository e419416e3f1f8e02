// Roles: who may do what. One table of the words that keys, requests and the store use.
#pragma once

#include "util/str.h"

// X(NAME, word, article for a sentence, separator for a list of words), from the least role to the greatest.
#define ROLES(X)                     \
    X(VIEWER, "viewer", "", "")      \
    X(USER, "user", ", ", " ")       \
    X(SERVICE, "service", ", ", " ") \
    X(ADMIN, "admin", ", ", " ")     \
    X(OPERATOR, "operator", " or ", " ")

enum role {
    ROLE_NONE, // no role
    ROLE_RUN,  // one execution, by a run token; no key can have it
#define ROLE_ENUM(name, word, before, space) ROLE_##name,
    ROLES(ROLE_ENUM)
#undef ROLE_ENUM
        ROLE_COUNT
};

#define ROLE_SAID_(name, word, before, space)   before word
#define ROLE_LISTED_(name, word, before, space) space word
#define ROLES_SAID                              ROLES(ROLE_SAID_)   // "viewer, user … or operator"
#define ROLES_LISTED                            ROLES(ROLE_LISTED_) // "viewer user … operator"

const char *role_name(enum role role);            // "none" for a value that is no role
bool role_parse(struct str word, enum role *ret); // returns false, and leaves *ret, for a word that nobody can be given
