// What a reader of a log asks for in its query.
#pragma once

#include "api/call.h"

struct log_query {
    struct position position;
    struct filter *filter;
    enum follow_format format;
    bool has_format, follow, restored;
    bool states;    // NDJSON that follows tells the states of the runner, too
    bool resumed;   // the position is the id of an event
    unsigned limit; // of a page
};
void log_query_release(struct log_query *query);
// Returns false after it has answered with the error.
bool log_query_parse(struct call *call, enum position_route route, struct log_query *ret);
