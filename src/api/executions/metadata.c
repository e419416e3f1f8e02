#include "api/body.h"
#include "api/executions/executions.h"
#include "model/config_limits.h"

static size_t count_members(const json_t *value)
{
    size_t count = json_is_object(value) ? json_object_size(value) : json_array_size(value);
    size_t own = count;
    const char *key;
    json_t *item;
    json_object_foreach((json_t *)(uintptr_t)value, key, item) count += count_members(item);
    for (size_t i = 0; json_is_array(value) && i < own; i++)
        count += count_members(json_array_get(value, i));
    return count;
}

const char *metadata_check(const json_t *value)
{
    if (!json_is_object(value))
        return "must be an object";
    if (count_members(value) > LIMIT_METADATA_MEMBERS)
        return METADATA_TOO_MANY;
    CLEANUP(free_ptr) char *text = json_text(value);
    return strlen(text) > LIMIT_METADATA ? METADATA_TOO_LARGE : NULL;
}
