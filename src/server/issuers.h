// The issuers of JSON Web Tokens that the setting jwt_issuers names: their file, and the threads that fetch their keys.
// Everything on the main loop's thread.
#pragma once

#include "auth/auth.h"
#include "util/log.h"

struct issuers;

struct issuers_options {
    struct loop *loop;
    struct auth *auth;
    const struct logger *logger;
};
struct issuers *issuers_new(const struct issuers_options *options);
// Reads the file, and has it taken over; "": there are no issuers. ERR_INVALID with a text for people; then what was
// there stays.
int issuers_load(struct issuers *issuers, const char *path, struct buf *ret_error);
// NULL is fine. Fetches end early. When it returns, none is under way, and whoever waits for one has mail.
void issuers_stop(struct issuers *issuers);
void issuers_free(struct issuers **issuers);
