// JSON bodies of requests.
#include "api/body.h"

#include "model/config_limits.h"

json_t *call_json_object(struct call *call)
{
    struct str type = http_header(call->request, STR("Content-Type")), body = http_body(call->request);
    struct str media = type;
    media = str_trim(str_split(&media, ';'));
    if (type.len && !str_eq_nocase(media, STR("application/json"))) {
        call_fail(call, ERR_MEDIA_TYPE, "send application/json");
        return NULL;
    }
    if (!json_shape_within(body, LIMIT_JSON_DEPTH, SIZE_MAX)) {
        call_fail(call, ERR_MALFORMED, "the JSON is nested more than 64 deep");
        return NULL;
    }
    json_error_t error;
    json_t *object = json_loadb(body.data ? body.data : "", body.len, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &error);
    if (!object) {
        call_fail(call, ERR_MALFORMED,
                  arena_printf(http_arena(call->request), "not JSON: line %d: %s", error.line, error.text));
        return NULL;
    }
    if (!json_is_object(object)) {
        json_decref(object);
        call_fail(call, ERR_MALFORMED, "send one JSON object");
        return NULL;
    }
    return object;
}

char *json_text(const json_t *value)
{
    char *text = json_dumps(value, JSON_COMPACT | JSON_SORT_KEYS);
    char *copy = xstrdup(text ? text : "{}");
    free(text);
    return copy;
}
