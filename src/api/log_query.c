// The query parameters of all routes that read a log.
#include "api/log_query.h"

#include "util/clock.h"

void log_query_release(struct log_query *query)
{
    filter_unref(&query->filter);
}

struct query_parse {
    struct call *call;
    struct position_parser position;
    struct filter_builder *filter;
    int err;
    const char *reason;
};

// Reads positions and filters with the model's parsers. The table has already refused names that the route does not
// have.
static bool parse_param(struct str name, struct str value, void *arg)
{
    struct query_parse *parse = arg;
    bool taken = false;

    parse->reason = NULL;
    parse->err = position_parser_offer(&parse->position, name, value, &taken);
    if (parse->err)
        parse->reason = parse->err == ERR_BAD_CURSOR ? "is malformed or below the first position"
                                                     : "is a second position; give one";
    if (!parse->err && !taken)
        parse->err = filter_builder_offer(parse->filter, name, value, &taken, &parse->reason);
    if (parse->err)
        parse->reason = arena_printf(http_arena(parse->call->request), "parameter %.*s: %s", STR_ARGS(name),
                                     parse->reason ? parse->reason : "is wrong");
    return parse->err == 0;
}

// Reads the parameters that only pages have.
static void parse_page(struct call *call, struct log_query *query)
{
    struct field_value format = call_param(call, "format");
    query->limit = (unsigned)call_param(call, "limit").number;
    query->follow = call_param(call, "follow").number;
    query->states = call_param(call, "states").number;
    if (format.given)
        query->has_format = format_by_name(format.text, &query->format);
}

static void parse_accept(struct call *call, struct log_query *query)
{
    struct str accept = http_header(call->request, STR("Accept"));
    while (accept.len && !query->has_format) {
        struct str one = str_split(&accept, ',');
        one = str_trim(str_split(&one, ';'));
        query->has_format = format_by_media_type(one, &query->format);
        if (!query->has_format)
            return; // only the first media type counts
    }
}

bool log_query_parse(struct call *call, enum position_route route, struct log_query *ret)
{
    struct query_parse parse = {.call = call, .filter = filter_builder_new()};
    bool taken;

    struct str incarnation = call_param(call, "incarnation").text;
    *ret = (struct log_query){.restored = incarnation.len &&
                                          !str_eq(incarnation, str_of(store_incarnation(call->api->options.store)))};
    if (route == POSITION_PAGE)
        parse_page(call, ret);
    position_parser_init(&parse.position, route, clock_real_ms());
    bool good = http_params_each(call->request, parse_param, &parse);
    struct str event_id = http_header(call->request, STR("Last-Event-ID"));
    if (good && route == POSITION_SSE && event_id.len) {
        parse.err = position_parser_offer(&parse.position, STR("Last-Event-ID"), event_id, &taken);
        parse.reason = "Last-Event-ID is malformed";
        good = parse.err == 0;
    }
    if (good) {
        parse.err = filter_builder_finish(parse.filter, &ret->filter, &parse.reason);
        good = parse.err == 0;
    }
    if (good) {
        ret->position = parse.position.position;
        ret->resumed = parse.position.set_by_event_id;
        if (route == POSITION_PAGE && !ret->has_format)
            parse_accept(call, ret);
        const struct format *format = format_of(ret->format);
        ret->position.output_only = ret->has_format && format->can & FORMAT_OUTPUT_ONLY;
        if (ret->has_format && !(format->can & FORMAT_CAN_FILTER) && ret->filter) {
            parse.reason = "format=chunk takes no filters";
            parse.err = ERR_MALFORMED;
            good = false;
        }
        if (ret->follow && !ret->has_format) {
            ret->has_format = true;
            ret->format = FORMAT_NDJSON;
        }
    }
    filter_builder_free(&parse.filter);
    if (!good) {
        log_query_release(ret);
        call_fail(call, parse.err == ERR_INVALID ? ERR_MALFORMED : parse.err, parse.reason);
    }
    return good;
}
