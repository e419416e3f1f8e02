// What becomes of the runner of a log that is followed, as far as people are to be told.
#pragma once

#include "model/status.h"

#include <jansson.h>

// Unknown: the server has none of it, but another one of the store may.
enum runner_link { RUNNER_UNKNOWN, RUNNER_AWAY, RUNNER_CONNECTED };

struct log_state {        // zero: nothing was heard yet
    bool known;           // something was heard
    bool connected, away; // as far as is known; away: it was connected before, or is lost
    enum execution_status status;
};

enum runner_link runner_link_of(const json_t *connected); // true, false, null, or NULL

// Takes what a server says. Returns what to tell people; NULL: nothing.
const char *log_state_take(struct log_state *state, enum execution_status status, enum runner_link runner);
