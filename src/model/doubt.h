// A transaction whose COMMIT was not answered is in doubt: it may be there or not. What a database says of it decides,
// once a connection is there again. Pure.
#pragma once

#include "util/error.h"

// What becomes of the transaction with its number.
enum transaction_state {
    TRANSACTION_ABORTED, // or the database has not come to that number
    TRANSACTION_COMMITTED,
    TRANSACTION_UNDER_WAY,
};

struct doubt {
    enum transaction_state state;
    // It is the database that gave it the number. Another one that has taken over gives out again the numbers that it
    // had not heard of, and may speak of somebody else's.
    bool same_history;
};

enum doubt_verdict {
    DOUBT_FAILED, // it is not there, and never will be
    DOUBT_COMMITTED,
    DOUBT_ASK_AGAIN,
    DOUBT_OPEN, // nobody will ever know
};

enum doubt_verdict doubt_judge(const struct doubt *doubt);
