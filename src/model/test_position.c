#include "model/position.h"
#include "util/testing.h"

#define NOW 1763202615123

struct offer {
    const char *name, *value;
};

static int parse_two(enum position_route route, struct offer first, struct offer second, struct position_parser *ret)
{
    bool taken;
    position_parser_init(ret, route, NOW);
    int err = position_parser_offer(ret, str_of(first.name), str_of(first.value), &taken);
    if (err == 0 && second.name)
        err = position_parser_offer(ret, str_of(second.name), str_of(second.value), &taken);
    return err;
}

static void assert_from(enum position_route route, const char *name, const char *value, uint64_t from)
{
    struct position_parser parser;
    assert_int_equal(parse_two(route, (struct offer){name, value}, (struct offer){0}, &parser), 0);
    assert_true(parser.set);
    assert_int_equal(parser.position.kind, POSITION_FROM);
    assert_int_equal(parser.position.from, from);
}

static void each_name_means_what_the_contract_says(void **state)
{
    (void)state;
    for (unsigned route = POSITION_PAGE; route <= POSITION_WEBSOCKET; route++) {
        assert_from((enum position_route)route, "from", "7", 7);
        assert_from((enum position_route)route, "after", "7", 8);
        assert_from((enum position_route)route, "after", "-1", 0);
        assert_from((enum position_route)route, "since_index", "7", 7);
    }
    assert_from(POSITION_PAGE, "cursor", "7", 7);
    assert_from(POSITION_WEBSOCKET, "cursor", "7", 8);
    assert_from(POSITION_WEBSOCKET, "cursor", "-1", 0);
    assert_from(POSITION_SSE, "cursor", "7", 8);
    assert_from(POSITION_SSE, "last_event_id", "7", 8);
    assert_from(POSITION_SSE, "lastEventId", "7", 8);
    assert_from(POSITION_SSE, "Last-Event-ID", "7", 8);
    assert_from(POSITION_CLI, "from", "7", 7);
    assert_from(POSITION_PAGE, "after", "9223372036854775807", 9223372036854775808u);
}

static void the_beginning_is_the_default(void **state)
{
    (void)state;
    struct position_parser parser;
    position_parser_init(&parser, POSITION_PAGE, NOW);
    assert_false(parser.set);
    assert_int_equal(parser.position.kind, POSITION_FROM);
    assert_int_equal(parser.position.from, 0);
}

static void tails_and_times_are_positions_too(void **state)
{
    (void)state;
    struct position_parser parser;
    for (unsigned route = POSITION_PAGE; route <= POSITION_CLI; route++) {
        assert_int_equal(
            parse_two((enum position_route)route, (struct offer){"tail", "20"}, (struct offer){0}, &parser), 0);
        assert_int_equal(parser.position.kind, POSITION_TAIL);
        assert_int_equal(parser.position.tail, 20);
        assert_int_equal(
            parse_two((enum position_route)route, (struct offer){"since", "10m"}, (struct offer){0}, &parser), 0);
        assert_int_equal(parser.position.kind, POSITION_SINCE);
        assert_int_equal(parser.position.since_ms, NOW - 600000);
    }
    assert_int_equal(
        parse_two(POSITION_PAGE, (struct offer){"since", "2025-11-15T10:30:15.123Z"}, (struct offer){0}, &parser), 0);
    assert_int_equal(parser.position.since_ms, NOW);
}

static void names_of_other_routes_are_left_alone(void **state)
{
    (void)state;
    const struct {
        enum position_route route;
        const char *name;
    } cases[] = {{POSITION_PAGE, "last_event_id"}, {POSITION_WEBSOCKET, "Last-Event-ID"},
                 {POSITION_CLI, "after"},          {POSITION_PAGE, "limit"},
                 {POSITION_PAGE, "From"},          {POSITION_PAGE, ""}};
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct position_parser parser;
        bool taken = true;
        position_parser_init(&parser, cases[i].route, NOW);
        assert_int_equal(position_parser_offer(&parser, str_of(cases[i].name), STR("x"), &taken), 0);
        assert_false(taken || parser.set);
    }
}

static void what_is_no_position_is_a_bad_cursor(void **state)
{
    (void)state;
    const struct offer cases[] = {{"from", "-1"},    {"from", ""},
                                  {"from", "x"},     {"from", "1.5"},
                                  {"from", " 1"},    {"after", "-2"},
                                  {"cursor", "-1"},  {"since_index", "-1"},
                                  {"tail", "-1"},    {"tail", "all"},
                                  {"since", "soon"}, {"since", ""},
                                  {"since", "-5m"},  {"after", "9223372036854775808"}};
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct position_parser parser;
        assert_int_equal(parse_two(POSITION_PAGE, cases[i], (struct offer){0}, &parser), ERR_BAD_CURSOR);
        assert_false(parser.set);
    }
    struct position_parser parser;
    assert_int_equal(parse_two(POSITION_WEBSOCKET, (struct offer){"cursor", "-2"}, (struct offer){0}, &parser),
                     ERR_BAD_CURSOR);
    assert_int_equal(parse_two(POSITION_SSE, (struct offer){"last_event_id", "abc"}, (struct offer){0}, &parser),
                     ERR_BAD_CURSOR);
}

static void two_positions_are_malformed(void **state)
{
    (void)state;
    struct position_parser parser;
    const struct offer from = {"from", "1"};
    assert_int_equal(parse_two(POSITION_PAGE, from, from, &parser), ERR_MALFORMED);
    assert_int_equal(parse_two(POSITION_PAGE, from, (struct offer){"tail", "5"}, &parser), ERR_MALFORMED);
    assert_int_equal(parse_two(POSITION_SSE, from, (struct offer){"since", "5m"}, &parser), ERR_MALFORMED);
    const struct offer event_id = {"last_event_id", "1"};
    assert_int_equal(parse_two(POSITION_SSE, event_id, event_id, &parser), ERR_MALFORMED);
}

static void the_last_event_id_wins_in_any_order(void **state)
{
    (void)state;
    const struct offer from = {"from", "1"}, query = {"last_event_id", "9"}, header = {"last-event-id", "99"};
    const struct {
        struct offer first, second;
        uint64_t from;
    } cases[] = {{from, query, 10},   {query, from, 10},    {from, header, 100},
                 {header, from, 100}, {query, header, 100}, {header, query, 100}};
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct position_parser parser;
        assert_int_equal(parse_two(POSITION_SSE, cases[i].first, cases[i].second, &parser), 0);
        assert_int_equal(parser.position.from, cases[i].from);
    }
    // An empty one says nothing.
    struct position_parser parser;
    assert_int_equal(parse_two(POSITION_SSE, from, (struct offer){"Last-Event-ID", ""}, &parser), 0);
    assert_int_equal(parser.position.from, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_name_means_what_the_contract_says),
        cmocka_unit_test(the_beginning_is_the_default),
        cmocka_unit_test(tails_and_times_are_positions_too),
        cmocka_unit_test(names_of_other_routes_are_left_alone),
        cmocka_unit_test(what_is_no_position_is_a_bad_cursor),
        cmocka_unit_test(two_positions_are_malformed),
        cmocka_unit_test(the_last_event_id_wins_in_any_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
