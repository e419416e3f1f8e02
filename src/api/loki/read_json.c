// {"streams":[{"stream":{labels},"values":[["NANOSECONDS","line",{metadata}]]}]}
#include "api/loki/push.h"
#include "model/foreign_json.h"

static struct str text_of(const json_t *value)
{
    return json_is_string(value) ? str_n(json_string_value(value), json_string_length(value)) : (struct str){0};
}

static int read_pairs(struct loki_pairs *ret, const json_t *object)
{
    const char *name;
    json_t *value;
    loki_pairs_reset(ret);
    json_object_foreach((json_t *)(uintptr_t)object, name, value)
    {
        if (!json_is_string(value))
            return ERR_MALFORMED;
        loki_pairs_add(ret, str_of(name), text_of(value));
    }
    return 0;
}

static int add_stream(struct loki_push *push, const json_t *stream)
{
    size_t i;
    json_t *value;
    json_array_foreach(json_object_get(stream, "values"), i, value)
    {
        struct loki_entry entry = {.stream = json_object_get(stream, "stream"), .value = value};
        if (!str_to_u64(text_of(json_array_get(value, 0)), &entry.ns) || !json_is_string(json_array_get(value, 1)))
            return ERR_MALFORMED;
        int err = loki_push_add(push, &entry);
        if (err)
            return err;
    }
    return 0;
}

static int read_entry(struct loki_push *push, const struct loki_entry *entry)
{
    const json_t *value = entry->value;
    int err = 0;
    if (push->stream != entry->stream) {
        err = read_pairs(&push->labels, entry->stream);
        push->stream = entry->stream;
    }
    if (err == 0)
        err = read_pairs(&push->metadata, json_array_get(value, 2));
    if (err == 0)
        err = loki_push_line(push, (int64_t)(entry->ns / 1000000), text_of(json_array_get(value, 1)));
    return err;
}

static int read_streams(struct loki_push *push, const json_t *streams)
{
    size_t i;
    json_t *stream;
    int err = json_is_array(streams) ? 0 : ERR_MALFORMED;
    json_array_foreach(streams, i, stream)
    {
        if (err == 0)
            err = add_stream(push, stream);
    }
    loki_push_sort(push);
    for (i = 0; i < push->count && err == 0; i++)
        err = read_entry(push, &push->entries[i]);
    return err;
}

int loki_read_json(struct str body, const struct arrival_reader *reader, const char **ret_reason)
{
    json_error_t error;
    CLEANUP(loki_push_release) struct loki_push push = {.reader = reader};
    json_t *root = foreign_json_load(body, 0, &error);
    int err = read_streams(&push, json_object_get(root, "streams"));
    json_decref(root);
    if (err == ERR_TOO_LARGE)
        *ret_reason = ARRIVALS_TOO_LARGE;
    else if (err == ERR_MALFORMED)
        *ret_reason = "the body is no push of Loki in JSON: "
                      "{\"streams\":[{\"stream\":{},\"values\":[[\"NANOSECONDS\",\"line\"]]}]}";
    return err;
}
