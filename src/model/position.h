// Where a reader wants to begin: one number under several customary names. See the contract, "Position".
#pragma once

#include "util/error.h"
#include "util/str.h"

enum position_kind { POSITION_FROM, POSITION_SINCE, POSITION_TAIL };

struct position {
    enum position_kind kind;
    uint64_t from;    // POSITION_FROM: first sequence number wanted
    int64_t since_ms; // POSITION_SINCE
    uint64_t tail;    // POSITION_TAIL: lines
    bool has_since;   // POSITION_TAIL: the last ones since since_ms
    bool output_only; // POSITION_TAIL: events are not counted, as they are not shown
};

enum position_route { POSITION_PAGE, POSITION_SSE, POSITION_WEBSOCKET, POSITION_CLI };

// Feed it each query parameter; those that are not positions are left alone (*ret_taken = false).
struct position_parser {
    enum position_route route;
    int64_t now_ms;
    bool set;                                         // by any of the following
    bool set_by_name, set_by_event_id, set_by_header; // both at once only on SSE
    bool has_tail, has_since;                         // these two go together
    struct position position;                         // from 0 until one was set
    struct position position_by_name;
};
void position_parser_init(struct position_parser *parser, enum position_route route, int64_t now_ms);
// ERR_BAD_CURSOR if malformed or below the least, ERR_MALFORMED if a second one, but for `tail` with `since`. On SSE
// `last_event_id` wins over any other, and the header Last-Event-ID, which is offered by that name, over both.
int position_parser_offer(struct position_parser *parser, struct str name, struct str value, bool *ret_taken);
