// How a worker introduces itself.
#include "api/workers/private.h"
#include "model/config_limits.h"
#include "util/clock.h"

#define WORD_MAX  255
#define HELD_MAX  WORKER_STREAMS_MAX
#define SLOTS_MAX 100000
#define CPUS_MAX  10000000 // thousandths

static bool take_text(const json_t *message, const char *name, char *out, size_t size)
{
    const json_t *value = json_object_get(message, name);
    struct str text = str_n(json_string_value(value), json_string_length(value));
    if (!value || json_is_null(value))
        return true;
    if (!json_is_string(value) || text.len >= size || str_find(text, '\0'))
        return false;
    snprintf(out, size, "%.*s", STR_ARGS(text));
    return true;
}

static bool take_number(const json_t *message, const char *name, json_int_t most, uint64_t *ret)
{
    const json_t *value = json_object_get(message, name);
    *ret = 0;
    if (!value || json_is_null(value))
        return true;
    *ret = (uint64_t)json_integer_value(value);
    return json_is_integer(value) && json_integer_value(value) >= 0 && json_integer_value(value) <= most;
}

static bool take_words(const json_t *message, const char *name, struct worker_words *ret)
{
    const json_t *values = json_object_get(message, name);
    size_t count = json_array_size(values);
    if (!values || json_is_null(values))
        return true;
    if (!json_is_array(values) || count > WORKER_WORDS_MAX)
        return false;
    ret->words = xcalloc(count + 1, sizeof(*ret->words));
    for (size_t i = 0; i < count; i++) {
        const json_t *value = json_array_get(values, i);
        size_t len = json_string_length(value);
        if (!json_is_string(value) || len == 0 || len > WORD_MAX || strlen(json_string_value(value)) != len)
            return false;
        ret->words[ret->count++] = xstrdup(json_string_value(value));
    }
    return true;
}

static bool take_held(const json_t *message, struct worker_offer *ret)
{
    const json_t *values = json_object_get(message, "held");
    size_t count = json_array_size(values);
    if (!values || json_is_null(values))
        return true;
    if (!json_is_array(values) || count > HELD_MAX)
        return false;
    ret->held = xcalloc(count + 1, sizeof(*ret->held));
    for (size_t i = 0; i < count; i++) {
        const json_t *value = json_array_get(values, i), *id = json_object_get(value, "execution_id"),
                     *epoch = json_object_get(value, "epoch");
        if (!id_execution_valid(str_n(json_string_value(id), json_string_length(id))) || !json_is_integer(epoch) ||
            json_integer_value(epoch) < 1)
            return false;
        ret->held[ret->held_count++] =
            (struct worker_held){xstrdup(json_string_value(id)), (uint64_t)json_integer_value(epoch)};
    }
    return true;
}

static bool take_flag(const json_t *message, const char *name, bool *ret)
{
    const json_t *value = json_object_get(message, name);
    *ret = json_is_true(value);
    return !value || json_is_boolean(value);
}

static bool take_id(const json_t *message, char out[WORKER_ID_MAX + 1])
{
    if (!take_text(message, "worker_id", out, WORKER_ID_MAX + 1))
        return false;
    if (out[0])
        return id_execution_valid(str_of(out));
    char unique[ID_SORTABLE_LEN + 1];
    id_sortable(clock_real_ms(), unique);
    snprintf(out, WORKER_ID_MAX + 1, "worker_%s", unique);
    return true;
}

static bool take_clock(const json_t *message, int64_t *ret_ms)
{
    const json_t *value = json_object_get(message, "clock");
    if (!value || json_is_null(value))
        return true;
    return json_is_string(value) &&
           time_parse_rfc3339(str_n(json_string_value(value), json_string_length(value)), ret_ms);
}

const char *worker_hello_parse(const json_t *message, struct worker_offer *ret)
{
    uint64_t slots, cpus, memory;
    *ret = (struct worker_offer){0};
    if (!take_id(message, ret->id))
        return "worker_id must be at most 128 letters, digits or any of ._:-";
    if (!take_text(message, "instance", ret->instance, sizeof(ret->instance)))
        return "instance must be at most 64 bytes";
    if (!take_text(message, "hostname", ret->hostname, sizeof(ret->hostname)))
        return "hostname must be at most 255 bytes";
    if (!take_text(message, "version", ret->version, sizeof(ret->version)))
        return "version must be at most 64 bytes";
    if (!take_number(message, "slots", SLOTS_MAX, &slots))
        return "slots must be a whole number from 0 to 100000";
    if (!take_number(message, "cpus", CPUS_MAX, &cpus))
        return "cpus must be thousandths of one, a whole number from 0 to 10000000";
    if (!take_number(message, "memory", INT64_MAX, &memory))
        return "memory must be bytes, a whole number";
    if (!take_words(message, "labels", &ret->labels) || !take_words(message, "executors", &ret->executors) ||
        !take_words(message, "runtimes", &ret->runtimes))
        return "labels, executors and runtimes must be lists of at most 256 words of 1 to 255 bytes";
    if (!take_clock(message, &ret->clock_ms))
        return "clock must be a time in RFC 3339";
    if (!take_held(message, ret))
        return "held must be a list of at most 16384 objects with execution_id and epoch";
    if (!take_flag(message, "trusted_only", &ret->trusted_only) || !take_flag(message, "drained", &ret->drained))
        return "trusted_only and drained must be true or false";
    ret->slots = (uint32_t)slots;
    ret->cpus = (uint32_t)cpus;
    ret->memory = memory;
    return NULL;
}

void worker_send_welcome(struct worker_socket *socket)
{
    const struct api_options *options = &socket->node.api->options;
    CLEANUP(buf_release) struct buf text = {0};
    struct json_writer json = json_writer_to(&text);
    json_open_object(&json, NULL);
    json_add_text(&json, "type", "welcome");
    json_add_text(&json, "worker_id", worker_session_offer(socket->session)->id);
    json_add_u64(&json, "lease_seconds", hub_lease_ms(options->hub) / 1000);
    json_add_u64(&json, "heartbeat_seconds",
                 MAX(MIN(hub_lease_ms(options->hub) / 3, (uint64_t)HEARTBEAT_MS) / 1000, (uint64_t)1));
    json_add_text(&json, "incarnation", store_incarnation(options->store));
    json_open_array(&json, "chunk_versions");
    json_add_u64(&json, NULL, CHUNK_VERSION);
    json_close(&json);
    json_add_u64(&json, "streams_max", WORKER_STREAMS_MAX);
    json_add_u64(&json, "stream_window", WORKER_STREAM_WINDOW);
    json_add_u64(&json, "frame_max", WORKER_FRAME_MAX);
    json_close(&json);
    worker_send(socket, buf_str(&text));
}
