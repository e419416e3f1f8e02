#include "model/metadata.h"

#include <jansson.h>

#include "util/error.h"

static json_t *object_of(struct str text)
{
    json_t *value = json_loadb(text.data, text.len, 0, NULL);
    if (json_is_object(value))
        return value;
    json_decref(value);
    return NULL;
}

// What the member becomes: the patch's own value, or, where that is an object, the former one with it merged in.
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
