#include "model/position.h"

#include "util/when.h"

// What the number of each name means.
enum meaning { MEANS_NOTHING, MEANS_FROM, MEANS_AFTER, MEANS_SINCE, MEANS_TAIL, MEANS_EVENT_ID };

#define ROUTE_COUNT 4

// The table "Position" of the contract: what each name means on each route.
static const struct {
    const char *name;
    enum meaning on[ROUTE_COUNT]; // page, SSE, WebSocket, CLI
} names[] = {
    {"from", {MEANS_FROM, MEANS_FROM, MEANS_FROM, MEANS_FROM}},
    {"after", {MEANS_AFTER, MEANS_AFTER, MEANS_AFTER, MEANS_NOTHING}},
    {"cursor", {MEANS_FROM, MEANS_AFTER, MEANS_AFTER, MEANS_NOTHING}},
    // The last index that a reader saw is the last number plus one, so it is the first number that it wants.
    {"since_index", {MEANS_FROM, MEANS_FROM, MEANS_FROM, MEANS_NOTHING}},
    {"last_event_id", {MEANS_NOTHING, MEANS_EVENT_ID, MEANS_NOTHING, MEANS_NOTHING}},
    {"lastEventId", {MEANS_NOTHING, MEANS_EVENT_ID, MEANS_NOTHING, MEANS_NOTHING}}, // some polyfills send it
    {"last-event-id", {MEANS_NOTHING, MEANS_EVENT_ID, MEANS_NOTHING, MEANS_NOTHING}},
    {"since", {MEANS_SINCE, MEANS_SINCE, MEANS_SINCE, MEANS_SINCE}},
    {"tail", {MEANS_TAIL, MEANS_TAIL, MEANS_TAIL, MEANS_TAIL}},
};

void position_parser_init(struct position_parser *parser, enum position_route route, int64_t now_ms)
{
    *parser = (struct position_parser){.route = route, .now_ms = now_ms};
}

static enum meaning meaning_of(enum position_route route, struct str name)
{
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        bool header = strchr(names[i].name, '-') != NULL;
        struct str known = str_of(names[i].name);
        if (header ? str_eq_nocase(name, known) : str_eq(name, known))
            return names[i].on[route];
    }
    return MEANS_NOTHING;
}

static int parse_value(const struct position_parser *parser, enum meaning meaning, struct str value,
                       struct position *ret)
{
    int64_t number = 0;
    *ret = (struct position){0};
    if (meaning == MEANS_SINCE) {
        ret->kind = POSITION_SINCE;
        return when_parse_since(value, parser->now_ms, &ret->since_ms) ? 0 : ERR_BAD_CURSOR;
    }
    int64_t least = meaning == MEANS_AFTER || meaning == MEANS_EVENT_ID ? -1 : 0;
    if (!str_to_i64(value, &number) || number < least)
        return ERR_BAD_CURSOR;
    if (meaning == MEANS_TAIL) {
        ret->kind = POSITION_TAIL;
        ret->tail = (uint64_t)number;
    } else {
        // Unsigned, so that the greatest number does not overflow.
        ret->from = (uint64_t)number + (least < 0 ? 1 : 0);
    }
    return 0;
}

// `tail` and `since` together are one position: the last N lines of those since then.
static bool joins_other(struct position_parser *parser, enum meaning meaning, struct position *position)
{
    bool tail = meaning == MEANS_TAIL && parser->has_since && !parser->has_tail;
    bool since = meaning == MEANS_SINCE && parser->has_tail && !parser->has_since;
    if (!tail && !since)
        return false;
    *position = (struct position){.kind = POSITION_TAIL,
                                  .tail = tail ? position->tail : parser->position_by_name.tail,
                                  .since_ms = since ? position->since_ms : parser->position_by_name.since_ms,
                                  .has_since = true};
    return true;
}

int position_parser_offer(struct position_parser *parser, struct str name, struct str value, bool *ret_taken)
{
    struct position position;
    enum meaning meaning = meaning_of(parser->route, name);
    *ret_taken = meaning != MEANS_NOTHING;
    if (meaning == MEANS_NOTHING)
        return 0;
    bool by_event_id = meaning == MEANS_EVENT_ID, by_header = by_event_id && str_find(name, '-');
    // A browser that has seen no id sends none; some libraries send an empty one.
    if (by_event_id && value.len == 0)
        return 0;
    int err = parse_value(parser, meaning, value, &position);
    if (err < 0)
        return err;
    if (by_event_id) {
        // The parameter is as old as the page's URL; the header is what the browser saw last.
        if (parser->set_by_event_id && (by_header ? parser->set_by_header : !parser->set_by_header))
            return ERR_MALFORMED;
        if (parser->set_by_header)
            return 0;
    } else {
        if (parser->set_by_name && !joins_other(parser, meaning, &position))
            return ERR_MALFORMED;
        parser->set_by_name = true;
        parser->has_tail |= meaning == MEANS_TAIL;
        parser->has_since |= meaning == MEANS_SINCE;
        parser->position_by_name = position;
        if (parser->set_by_event_id)
            return 0;
    }
    parser->set = true;
    parser->set_by_event_id |= by_event_id;
    parser->set_by_header |= by_header;
    parser->position = position;
    return 0;
}
