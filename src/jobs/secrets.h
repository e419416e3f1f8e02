// Gets the values of the secrets that a claimed job names, on the dispatcher's loop.
#pragma once

#include "store/store.h"

// Who opens what is sealed. Appends the value; ERR_NOT_FOUND: not with any of the keys that are here.
struct secret_opener {
    int (*open)(void *arg, int64_t account, struct str name, struct str sealed, struct buf *out);
    void *arg;
};

struct secrets_ask {
    struct loop *loop;
    struct store *store;
    struct secret_opener opener; // `open` may be NULL: nobody can
    int64_t account;
    const char *uses; // NAME or NAME=VARIABLE, with spaces between them; borrowed until `done`
    struct str token; // of the run, for SECRET_RUN_TOKEN; borrowed until `done`
    // `values`: a JSON object of the values, by the names of their variables. `refusal`: why the job cannot have them,
    // for its log; empty: it can. Both are borrowed during the call. `err`: they could not be asked for.
    void (*done)(void *arg, int err, struct str values, struct str refusal);
    void *arg;
};
void secrets_fetch(const struct secrets_ask *ask);
