#include "model/metadata.h"

#include "util/error.h"

#include <jansson.h>

static json_t *object_of(struct str text)
{
    json_t *value = json_loadb(text.data, text.len, 0, NULL);
    if (json_is_object(value))
        return value;
    json_decref(value);
    return NULL;
}

// Returns the new value of a member: the patch's value; or, if that is an object, the former value with the patch
// merged into it.
static json_t *merged(json_t *former, json_t *patch)
{
    if (!json_is_object(patch))
        return json_incref(patch);
    json_t *target = json_is_object(former) ? json_incref(former) : json_object();
    const char *name;
    json_t *value;
    json_object_foreach(patch, name, value)
    {
        if (json_is_null(value))
            json_object_del(target, name);
        else
            json_object_set_new(target, name, merged(json_object_get(target, name), value));
    }
    return target;
}

static int whole_text(json_t *whole, size_t max, char **ret)
{
    CLEANUP(free_ptr) char *text = json_dumps(whole, JSON_COMPACT);
    if (!text)
        return ERR_INTERNAL;
    if (max > 0 && strlen(text) > max)
        return ERR_TOO_LARGE;
    *ret = TAKE_PTR(text);
    return 0;
}

int metadata_merge(struct str current, struct str patch, size_t max, char **ret)
{
    json_t *change = object_of(patch);
    if (!change)
        return ERR_INVALID;
    json_t *former = current.len > 0 ? object_of(current) : json_object();
    int err = ERR_CORRUPT;
    if (former) {
        json_t *whole = merged(former, change);
        err = whole_text(whole, max, ret);
        json_decref(whole);
    }
    json_decref(former);
    json_decref(change);
    return err;
}

// Writes numbers as SQLite does, so that filters that users have written still find them.
static void real_text(double value, char *out, size_t size)
{
    char digits[40];
    snprintf(digits, sizeof(digits), "%.15g", value);
    size_t mantissa = strcspn(digits, "e");
    bool point = memchr(digits, '.', mantissa) != NULL;
    snprintf(out, size, "%.*s%s%s", (int)mantissa, digits, point ? "" : ".0", digits + mantissa);
}

// Returns a view without data if the value is not a scalar.
static struct str scalar_text(const json_t *value, char *scratch, size_t size)
{
    switch (json_typeof(value)) {
    case JSON_STRING:
        return str_n(json_string_value(value), json_string_length(value));
    case JSON_TRUE:
        return STR("true");
    case JSON_FALSE:
        return STR("false");
    case JSON_INTEGER:
        snprintf(scratch, size, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
        return str_of(scratch);
    case JSON_REAL:
        real_text(json_real_value(value), scratch, size);
        return str_of(scratch);
    default:
        return (struct str){0};
    }
}

int metadata_labels(struct str metadata, void (*each)(void *arg, struct str name, struct str value), void *arg)
{
    json_t *whole = object_of(metadata);
    if (!whole)
        return ERR_INVALID;
    const char *name;
    json_t *value;
    json_object_foreach(whole, name, value)
    {
        char scratch[64];
        struct str text = scalar_text(value, scratch, sizeof(scratch));
        if (text.data)
            each(arg, str_of(name), text);
    }
    json_decref(whole);
    return 0;
}
