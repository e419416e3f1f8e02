// A transaction whose COMMIT was not answered is in doubt: it may be there or not. Each server numbers its
// transactions, and each transaction begins by writing its number to the server's own row. What that row says decides,
// once a connection is there again: by itself it is right after a crash or a failover of the database, too. Pure.
#pragma once

#include "util/error.h"

struct doubt {
    bool held;       // the row is locked: that transaction, or one before it, is still under way
    uint64_t stored; // what the row says; 0: there is none
    uint64_t number; // of the transaction in doubt, the server's last one. From 1
};

enum doubt_verdict {
    DOUBT_FAILED, // it is not there, and never will be
    DOUBT_COMMITTED,
    DOUBT_ASK_AGAIN,
};

enum doubt_verdict doubt_judge(const struct doubt *doubt);
