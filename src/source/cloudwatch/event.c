#include "source/cloudwatch/event.h"

#include "util/json_writer.h"

#define TIME_MS_MAX INT64_C(253402300799999) // the year 9999

// Fields that a subscription's filter has extracted.
static const struct known_key field_keys[] = {
    {"execution_id", KNOWN_EXECUTION}, {"run_id", KNOWN_EXECUTION}, {"node", KNOWN_NODE_ID},
    {"stream", KNOWN_STREAM},          {"level", KNOWN_LEVEL},      {0},
};

struct cloudwatch *cloudwatch_new(void)
{
    return xcalloc(1, sizeof(struct cloudwatch));
}

void cloudwatch_free(struct cloudwatch **cloudwatch)
{
    struct cloudwatch *it = TAKE_PTR(*cloudwatch);
    if (!it)
        return;
    buf_release(&it->packed);
    buf_release(&it->plain);
    buf_release(&it->extra);
    buf_release(&it->scratch);
    known_release(&it->fields);
    free(it);
}

struct str cloudwatch_text(const json_t *value)
{
    return json_is_string(value) ? str_n(json_string_value(value), json_string_length(value)) : (struct str){0};
}

// --- Events

// `task/runner/ID`, as ECS names its streams: the last part is the name of what has run.
static struct str last_part(struct str stream)
{
    const char *slash = stream.len ? memrchr(stream.data, '/', stream.len) : NULL;
    return slash ? str_n(slash + 1, stream.len - (size_t)(slash + 1 - stream.data)) : stream;
}

static void take_fields(struct cloudwatch *it, const json_t *fields)
{
    const char *name;
    json_t *value;
    known_reset(&it->fields);
    json_object_foreach((json_t *)(uintptr_t)fields, name, value)
    {
        struct str key = str_of(name);
        if (str_starts(key, STR("$."))) // of a filter over JSON
            key = str_n(key.data + 2, key.len - 2);
        if (json_is_string(value))
            known_take(&it->fields, field_keys, key, cloudwatch_text(value));
    }
}

static void add_member(struct json_writer *json, const char *name, struct str text)
{
    if (text.len)
        json_add_str(json, name, text);
}

static void write_data(struct buf *out, const struct cloudwatch_event *event)
{
    struct json_writer json = json_writer_to(out);
    const char *name;
    json_t *value;
    json_open_object(&json, NULL);
    add_member(&json, "log_group", event->group);
    add_member(&json, "log_stream", event->stream);
    add_member(&json, "event_id", event->id);
    if (json_object_size(event->fields) > 0) {
        json_open_object(&json, "extracted_fields");
        json_object_foreach((json_t *)(uintptr_t)event->fields, name, value)
        {
            if (json_is_string(value))
                json_add_str(&json, name, cloudwatch_text(value));
        }
        json_close(&json);
    }
    json_close(&json);
}

static const char *fill_extra(struct cloudwatch *it, const struct known_event *known,
                              const struct cloudwatch_event *event)
{
    CLEANUP(buf_release) struct buf data = {0};
    write_data(&data, event);
    buf_reset(&it->extra);
    const char *reason = known_append(known, KNOWN_NODE_ID, FIELD_node_id, &it->extra, &it->scratch);
    if (!reason)
        reason = record_field_append(&it->extra, FIELD_data, buf_str(&data), &it->scratch);
    return reason || it->extra.len <= RECORD_EXTRA_MAX ? reason : "its fields are larger than 64 KiB";
}

static struct str execution_of(const struct cloudwatch_event *event, const struct known_event *known)
{
    struct str said = known_get(known, KNOWN_EXECUTION);
    if (event->execution_id.len)
        return event->execution_id;
    return said.len ? said : last_part(event->stream);
}

int cloudwatch_event_read(struct cloudwatch *it, const struct cloudwatch_event *event,
                          const struct arrival_reader *reader)
{
    if (!json_is_integer(event->time) || json_integer_value(event->time) < 0 ||
        json_integer_value(event->time) > TIME_MS_MAX || !json_is_string(event->message))
        return ERR_MALFORMED;
    struct str message = cloudwatch_text(event->message);
    int err = arrivals_spend(&it->spent, event->group.len + event->stream.len + message.len);
    if (err)
        return err;
    take_fields(it, event->fields);
    const struct known_event known = {&it->fields, &it->none};
    const char *reason = fill_extra(it, &known, event);
    if (reason) {
        reader->refused(reader->arg, reason);
        return 0;
    }
    const struct arrival arrival = {
        .execution_id = execution_of(event, &known),
        .id = event->id,
        .record = {.time_ms = json_integer_value(event->time),
                   .stream = known_stream(&known),
                   .level = known_level(&known),
                   .message = message,
                   .extra = buf_str(&it->extra)},
    };
    reader->each(reader->arg, &arrival);
    return 0;
}
