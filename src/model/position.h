// Where a reader begins: one number, under several customary names. See the contract, "Position".
#pragma once

#include "util/error.h"
#include "util/str.h"

enum position_kind { POSITION_FROM, POSITION_SINCE, POSITION_TAIL };

struct position {
    enum position_kind kind;
    uint64_t from;    // for POSITION_FROM: the first sequence number wanted
    int64_t since_ms; // for POSITION_SINCE
    uint64_t tail;    // for POSITION_TAIL: number of lines
    bool has_since;   // for POSITION_TAIL: only lines since since_ms count
    bool output_only; // for POSITION_TAIL: events do not count, because they are not shown
};

enum position_route { POSITION_PAGE, POSITION_SSE, POSITION_WEBSOCKET, POSITION_CLI };

// Give it each query parameter. *ret_taken is false for a parameter that is not a position.
struct position_parser {
    enum position_route route;
    int64_t now_ms;
    bool set;                                         // one of the following was given
    bool set_by_name, set_by_event_id, set_by_header; // both together only on SSE
    bool has_tail, has_since;                         // these two may come together
    struct position position;                         // the beginning (from 0) until a position is given
    struct position position_by_name;
};
void position_parser_init(struct position_parser *parser, enum position_route route, int64_t now_ms);
// Errors: ERR_BAD_CURSOR if the value is malformed or too small; ERR_MALFORMED for a second position, except `tail`
// with `since`. On SSE, `last_event_id` wins over other names. The header Last-Event-ID, which is offered by that name,
// wins over all.
int position_parser_offer(struct position_parser *parser, struct str name, struct str value, bool *ret_taken);
