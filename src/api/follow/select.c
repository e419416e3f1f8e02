// What a subscription asks for: position and filters, by the same names as the parameters of one follower.
#include "api/follow/streams_private.h"
#include "util/clock.h"

#include <jansson.h>

struct selecting {
    struct position_parser position;
    struct filter_builder *filter;
    struct buf scratch;
    struct buf *problem;
};

// A parameter's text, of a string, a whole number or true and false. False for anything else.
static bool text_of(struct selecting *it, const json_t *value, struct str *ret)
{
    buf_reset(&it->scratch);
    if (json_is_string(value))
        buf_append(&it->scratch, json_string_value(value), json_string_length(value));
    else if (json_is_integer(value))
        buf_append_i64(&it->scratch, json_integer_value(value));
    else if (json_is_boolean(value))
        buf_append_text(&it->scratch, json_is_true(value) ? "true" : "false");
    *ret = buf_str(&it->scratch);
    return json_is_string(value) || json_is_integer(value) || json_is_boolean(value);
}

static int wrong(struct selecting *it, int err, const char *name, const char *reason)
{
    buf_printf(it->problem, "%.64s: %s", name, reason);
    return err;
}

static int take_position(struct selecting *it, const char *name, const json_t *value)
{
    bool taken = false;
    struct str text;
    if (!text_of(it, value, &text))
        return wrong(it, ERR_BAD_CURSOR, name, "must be a number or a string");
    int err = position_parser_offer(&it->position, str_of(name), text, &taken);
    if (err)
        return wrong(it, err, name,
                     err == ERR_BAD_CURSOR ? "is malformed or below the first position"
                                           : "is a second position; give one");
    return taken ? 0 : wrong(it, ERR_INVALID, name, "is not known here");
}

static int take_filter_value(struct selecting *it, const char *name, const json_t *value)
{
    bool taken = false;
    const char *reason = NULL;
    struct str text;
    if (!text_of(it, value, &text) || text.len > FILTER_TEXT_MAX)
        return wrong(it, ERR_INVALID, name, "must be a string of at most 1024 bytes, a number, true or false");
    int err = filter_builder_offer(it->filter, str_of(name), text, &taken, &reason);
    if (err)
        return wrong(it, err, name, reason ? reason : "is wrong");
    return taken ? 0 : wrong(it, ERR_INVALID, name, "is no filter");
}

#define FILTER_VALUES_MAX 64

static int take_filter(struct selecting *it, const char *name, const json_t *value)
{
    if (!json_is_array(value))
        return take_filter_value(it, name, value);
    if (json_array_size(value) > FILTER_VALUES_MAX)
        return wrong(it, ERR_INVALID, name, "has more than 64 values");
    int err = 0;
    for (size_t i = 0; i < json_array_size(value) && err == 0; i++)
        err = take_filter_value(it, name, json_array_get(value, i));
    return err;
}

static int take_filters(struct selecting *it, const json_t *filters)
{
    const char *name;
    json_t *value;
    if (!json_is_object(filters) && !json_is_null(filters))
        return wrong(it, ERR_INVALID, "filters", "must be an object");
    json_object_foreach((json_t *)(uintptr_t)filters, name, value)
    {
        int err = take_filter(it, name, value);
        if (err)
            return err;
    }
    return 0;
}

static int take_members(struct selecting *it, const json_t *message)
{
    const char *name;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)message, name, value)
    {
        bool own = strcmp(name, "type") == 0 || strcmp(name, "id") == 0 || strcmp(name, "kind") == 0 ||
                   strcmp(name, "incarnation") == 0;
        int err = 0;
        if (strcmp(name, "filters") == 0)
            err = take_filters(it, value);
        else if (!own && !json_is_null(value))
            err = take_position(it, name, value);
        if (err)
            return err;
    }
    return 0;
}

int selection_parse(const struct api *api, const json_t *message, struct selection *ret, struct buf *ret_problem)
{
    struct selecting it = {.filter = filter_builder_new(), .problem = ret_problem};
    const json_t *incarnation = json_object_get(message, "incarnation");
    const char *reason = NULL;

    *ret = (struct selection){0};
    position_parser_init(&it.position, POSITION_WEBSOCKET, clock_real_ms());
    int err = take_members(&it, message);
    if (err == 0 && incarnation && !json_is_null(incarnation) && !json_is_string(incarnation))
        err = wrong(&it, ERR_INVALID, "incarnation", "must be a string");
    if (err == 0 && (err = filter_builder_finish(it.filter, &ret->filter, &reason)) < 0)
        buf_append_text(ret_problem, reason ? reason : "the filters do not go together");
    ret->position = it.position.position;
    ret->restored = json_is_string(incarnation) && json_string_length(incarnation) > 0 &&
                    strcmp(json_string_value(incarnation), store_incarnation(api->options.store)) != 0;
    filter_builder_free(&it.filter);
    buf_release(&it.scratch);
    return err;
}
