#include "api/jobs/roster_read.h"

#include "util/error.h"

#include <jansson.h>

int roster_read(struct str roster, void (*each)(void *arg, const struct roster_entry *entry), void *arg)
{
    json_t *all = json_loadb(roster.data ? roster.data : "", roster.len, 0, NULL), *item;
    size_t i;
    int err = json_is_array(all) ? 0 : ERR_MALFORMED;
    json_array_foreach(all, i, item)
    {
        json_t *worker = json_object_get(item, "worker");
        const char *id = json_string_value(json_object_get(worker, "worker_id"));
        char *text = id ? json_dumps(worker, JSON_COMPACT) : NULL;
        if (text)
            each(arg, &(struct roster_entry){.account = json_integer_value(json_object_get(item, "account")),
                                             .worker_id = str_of(id),
                                             .worker = str_of(text)});
        else
            err = ERR_MALFORMED;
        free(text);
    }
    json_decref(all);
    return err;
}
