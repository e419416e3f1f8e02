// Operations on tickets of streams (auth/auth.h), for servers that share the store. Conventions: store/store.h.
#pragma once

#include "store/op.h"
#include "util/str.h"

#define STORE_TICKET_ID_LEN 64 // SHA-256 in hex

// --- Commits

// ERR_RATE: the account has `max` tickets that are good still.
struct store_ticket_add {
    struct store_op op;
    int64_t account, key_row; // key_row 0: none; a ticket goes with its key, and with its account
    char id[STORE_TICKET_ID_LEN + 1];
    struct str principal; // the caller's own form
    uint64_t lasts_ms, max;
};

// The first use binds it to a stream; each makes it last for `lasts_ms` from then on. ERR_NOT_FOUND: it is unknown, or
// has ended. ERR_UNAUTHORIZED: it is another stream's.
struct store_ticket_use {
    struct store_op op;
    char id[STORE_TICKET_ID_LEN + 1];
    unsigned kind; // of the stream; not 0
    struct str execution_id;
    uint64_t lasts_ms;
    char *ret_principal;
    bool ret_suspended; // its account is
};

// Of those whose streams are open: they last for `lasts_ms` from now on. Those that are unknown are left out.
struct store_tickets_keep {
    struct store_op op;
    struct str ids_json; // an array of ids
    uint64_t lasts_ms;
};
