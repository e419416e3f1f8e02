#include "model/roster_entry.h"

#include "util/clock.h"
#include "util/error.h"

#include <jansson.h>

static struct str text_of(const json_t *object, const char *name)
{
    const char *text = json_string_value(json_object_get(object, name));
    return str_of(text ? text : "");
}

static uint64_t number_of(const json_t *object, const char *name, uint64_t otherwise)
{
    const json_t *value = json_object_get(object, name);
    return json_is_integer(value) && json_integer_value(value) >= 0 ? (uint64_t)json_integer_value(value) : otherwise;
}

static uint32_t small_of(const json_t *object, const char *name, uint64_t otherwise)
{
    return (uint32_t)MIN(number_of(object, name, otherwise), (uint64_t)UINT32_MAX);
}

static unsigned words_of(const json_t *object, const char *name, struct str out[ROSTER_WORDS_MAX])
{
    const json_t *words = json_object_get(object, name);
    unsigned count = 0;
    for (size_t i = 0; i < json_array_size(words) && count < ROSTER_WORDS_MAX; i++) {
        const json_t *word = json_array_get(words, i);
        if (json_is_string(word))
            out[count++] = str_n(json_string_value(word), json_string_length(word));
    }
    return count;
}

static void give(const json_t *item, struct str text, void (*each)(void *arg, const struct roster_entry *entry),
                 void *arg)
{
    const json_t *worker = json_object_get(item, "worker");
    struct str labels[ROSTER_WORDS_MAX], executors[ROSTER_WORDS_MAX], runtimes[ROSTER_WORDS_MAX];
    struct roster_entry entry = {
        .account = json_integer_value(json_object_get(item, "account")),
        .worker_id = text_of(worker, "worker_id"),
        .instance = text_of(item, "instance"),
        .drains = json_is_true(json_object_get(worker, "draining")),
        .offer =
            {
                .slots = small_of(worker, "slots", 0),
                .slots_free = small_of(worker, "slots_free", 0),
                .cpus_milli = small_of(worker, "cpus_milli", 0),
                .cpus_free = small_of(item, "cpus_free", number_of(worker, "cpus_milli", 0)),
                .memory_bytes = number_of(worker, "memory_bytes", 0),
                .memory_free = number_of(item, "memory_free", number_of(worker, "memory_bytes", 0)),
                .labels = labels,
                .executors = executors,
                .runtimes = runtimes,
                .label_count = words_of(worker, "labels", labels),
                .executor_count = words_of(worker, "executors", executors),
                .runtime_count = words_of(worker, "runtimes", runtimes),
                .confined_only = json_is_true(json_object_get(item, "trusted_only")),
            },
        .worker = text,
    };
    if (!time_parse_rfc3339(text_of(worker, "connected_at"), &entry.since_ms))
        entry.since_ms = 0;
    each(arg, &entry);
}

int roster_read(struct str roster, void (*each)(void *arg, const struct roster_entry *entry), void *arg)
{
    json_t *all = json_loadb(roster.data ? roster.data : "", roster.len, 0, NULL), *item;
    size_t i;
    int err = json_is_array(all) ? 0 : ERR_MALFORMED;
    json_array_foreach(all, i, item)
    {
        const json_t *worker = json_object_get(item, "worker");
        char *text = text_of(worker, "worker_id").len > 0 ? json_dumps(worker, JSON_COMPACT) : NULL;
        if (text)
            give(item, str_of(text), each, arg);
        else
            err = ERR_MALFORMED;
        free(text);
    }
    json_decref(all);
    return err;
}
