// What a runner tells of how its job ran: why it ended so, its result, and what was measured.
#include "api/runner/stream_private.h"
#include "model/result.h"

#define REASON_MAX   1000 // bytes
#define TEXT_MAX     255
#define MEMBERS_MAX  64
#define NAME_LEN_MAX 64

static bool is_name(const char *name)
{
    size_t len = strlen(name);
    return len > 0 && len <= NAME_LEN_MAX && strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_") == len;
}

static bool is_fact(const json_t *value)
{
    return json_is_integer(value) || json_is_boolean(value) ||
           (json_is_string(value) && json_string_length(value) <= TEXT_MAX);
}

// Small facts of any name, so that a newer runner may know more.
static void parse_execution(const json_t *details, struct buf *ret)
{
    json_t *facts = json_object();
    const char *name;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)details, name, value)
    {
        bool apart = strcmp(name, "reason") == 0 || strcmp(name, "result") == 0;
        if (!apart && is_name(name) && is_fact(value) && json_object_size(facts) < MEMBERS_MAX)
            json_object_set(facts, name, value);
    }
    char *text = json_object_size(facts) > 0 ? json_dumps(facts, JSON_COMPACT) : NULL;
    if (text)
        buf_append_text(ret, text);
    free(text);
    json_decref(facts);
}

void runner_details_parse(const json_t *details, struct runner_details *ret)
{
    const char *problem, *reason = json_string_value(json_object_get(details, "reason"));
    const json_t *result = json_object_get(details, "result");
    if (!json_is_object(details))
        return;
    if (reason)
        buf_append(&ret->reason, reason, utf8_prefix(reason, strlen(reason), REASON_MAX));
    if (json_is_string(result))
        result_compact(str_n(json_string_value(result), json_string_length(result)), &ret->result, &problem);
    parse_execution(details, &ret->execution);
}

void runner_details_release(struct runner_details *details)
{
    buf_release(&details->reason);
    buf_release(&details->execution);
    buf_release(&details->result);
}
