#include "model/trace_import.h"

#include "model/engine_state.h"
#include "model/record.h"
#include "model/run.h"
#include "util/clock.h"
#include "util/id.h"

// Both spellings of a member, as the routes and as tables of databases have it.
struct member {
    const char *name, *other; // other may be NULL
};
static const struct member RUN = {"runId", "run_id"}, WORKFLOW = {"workflowId", "workflow_id"},
                           NODE = {"nodeRef", "node_ref"}, NODE_ID = {"nodeId", "node_id"}, ID = {"id", NULL},
                           NODE_NAME = {"nodeName", "node_name"}, TYPE = {"type", "event_type"},
                           LEVEL = {"level", NULL}, TIME = {"timestamp", NULL}, MESSAGE = {"message", NULL},
                           ERROR = {"error", NULL}, SUMMARY = {"outputSummary", "output_summary"},
                           DATA = {"data", NULL}, METADATA = {"metadata", NULL}, STATUS = {"status", NULL},
                           STARTED = {"startedAt", "started_at"}, COMPLETED = {"completedAt", "completed_at"};
static const struct member *const of_events[] = {&RUN,  &WORKFLOW, &NODE,  &NODE_ID, &ID,   &NODE_NAME, &TYPE, &LEVEL,
                                                 &TIME, &MESSAGE,  &ERROR, &SUMMARY, &DATA, &METADATA};

#define TRACE_TYPES "STARTED PROGRESS COMPLETED FAILED AWAITING_INPUT SKIPPED, also as NODE_…; or a state:"

// Absent and null are the same.
static json_t *member(const json_t *object, struct member names)
{
    json_t *value = json_object_get(object, names.name);
    if ((!value || json_is_null(value)) && names.other)
        value = json_object_get(object, names.other);
    return json_is_null(value) ? NULL : value;
}

PRINTF_LIKE(2, 3) static bool wrong(struct buf *reason, const char *format, ...)
{
    CLEANUP(free_ptr) char *text = NULL;
    va_list args;
    va_start(args, format);
    if (vasprintf(&text, format, args) < 0)
        text = NULL;
    va_end(args);
    buf_append_text(reason, text ? text : "is wrong");
    return false;
}

static bool take_text(const json_t *object, struct member names, const char **ret, struct buf *reason)
{
    const json_t *value = member(object, names);
    *ret = json_string_value(value);
    return !value || *ret || wrong(reason, "%s must be a string", names.name);
}

static bool take_time(const json_t *object, struct member names, int64_t *ret, struct buf *reason)
{
    const json_t *value = member(object, names);
    *ret = 0;
    if (!value)
        return true;
    return (json_is_string(value) && time_parse_rfc3339(str_of(json_string_value(value)), ret)) ||
           wrong(reason, "%s must be a date and time as in RFC 3339", names.name);
}

static bool take_ids(const json_t *object, struct trace_item *ret, struct buf *reason)
{
    if (!take_text(object, RUN, &ret->run_id, reason) || !take_text(object, WORKFLOW, &ret->workflow_id, reason))
        return false;
    if (!ret->run_id)
        return wrong(reason, "runId is missing");
    return id_execution_valid(str_of(ret->run_id)) ||
           wrong(reason, "runId must be letters, digits and . _ : -, begin with a letter or a digit, and have at most "
                         "255 characters");
}

// --- A state

static bool read_state(const json_t *object, struct trace_item *ret, struct buf *reason)
{
    ret->is_state = true;
    if (!take_text(object, STATUS, &ret->state, reason) || !take_time(object, STARTED, &ret->started_ms, reason) ||
        !take_time(object, COMPLETED, &ret->completed_ms, reason))
        return false;
    return engine_state_status(str_of(ret->state), &ret->status) ||
           wrong(reason, "status is no state that is known; one of:" ENGINE_STATE_WORDS);
}

// --- An event

static bool take_number(const json_t *id, uint64_t *ret)
{
    if (json_is_integer(id) && json_integer_value(id) >= 0) {
        *ret = (uint64_t)json_integer_value(id);
        return true;
    }
    return json_is_string(id) && str_to_u64(str_of(json_string_value(id)), ret) && *ret < INT64_MAX;
}

// The event type of ours; empty after it has said what is wrong.
static struct str type_of(const char *type, struct buf *reason)
{
    struct str none = str_n(NULL, 0);
    struct str found = type ? run_event_type(str_of(type)) : none;
    if (type && found.len == 0)
        found = engine_state_event(str_of(type));
    if (!type)
        wrong(reason, "type is missing");
    else if (found.len == 0)
        wrong(reason, "type is none that is known; one of: " TRACE_TYPES ENGINE_STATE_WORDS);
    return found;
}

static bool is_of_events(const char *name)
{
    for (size_t i = 0; i < ARRAY_LEN(of_events); i++) {
        if (strcmp(name, of_events[i]->name) == 0 || (of_events[i]->other && strcmp(name, of_events[i]->other) == 0))
            return true;
    }
    return false;
}

static json_t *import_of(json_t *object, const char *type)
{
    json_t *import = json_object(), *more = json_object(), *value;
    const char *name;
    json_object_set(import, "id", json_object_get(object, "id"));
    if (run_event_type(str_of(type)).len == 0)
        json_object_set_new(import, "type", json_string(type));
    json_object_foreach(object, name, value)
    {
        if (!is_of_events(name))
            json_object_set(more, name, value);
    }
    if (json_object_size(more) > 0)
        json_object_set(import, "more", more);
    json_decref(more);
    return import;
}

// Sets a member that is there.
static void put(json_t *into, const char *name, json_t *value)
{
    if (value)
        json_object_set(into, name, value);
}

static json_t *details_of(json_t *object, const char *type)
{
    json_t *details = json_object(), *error = member(object, ERROR);
    if (json_is_string(error))
        json_object_set_new(details, "error", json_pack("{s:O}", "message", error));
    else
        put(details, "error", error);
    put(details, "outputSummary", member(object, SUMMARY));
    put(details, "metadata", member(object, METADATA));
    json_object_set_new(details, "import", import_of(object, type));
    return details;
}

static bool read_event(json_t *object, struct trace_item *ret, struct buf *reason)
{
    const char *type, *level, *node, *text;
    if (!take_text(object, TYPE, &type, reason) || !take_text(object, LEVEL, &level, reason) ||
        !take_text(object, NODE, &node, reason) || (!node && !take_text(object, NODE_ID, &node, reason)) ||
        !take_text(object, NODE_NAME, &text, reason) || !take_text(object, MESSAGE, &text, reason) ||
        !take_time(object, TIME, &ret->time_ms, reason))
        return false;
    struct str event_type = type_of(type, reason);
    enum record_level known;
    if (event_type.len == 0)
        return false;
    if (!member(object, TIME))
        return wrong(reason, "timestamp is missing");
    if (level && !record_level_parse(str_of(level), &known))
        return wrong(reason, "level must be debug, info, warn or error");
    ret->numbered = take_number(json_object_get(object, "id"), &ret->number);
    ret->record = json_object();
    json_object_set_new(ret->record, "event_type", json_stringn(event_type.data, event_type.len));
    if (node)
        json_object_set_new(ret->record, "node_id", json_string(node));
    put(ret->record, "node_name", member(object, NODE_NAME));
    put(ret->record, "level", member(object, LEVEL));
    put(ret->record, "timestamp", member(object, TIME));
    put(ret->record, "message", member(object, MESSAGE));
    put(ret->record, "data", member(object, DATA));
    json_object_set_new(ret->record, "technical_details", details_of(object, type));
    return true;
}

bool trace_item_read(json_t *object, struct trace_item *ret, struct buf *ret_reason)
{
    *ret = (struct trace_item){0};
    if (!json_is_object(object))
        return wrong(ret_reason, "must be a JSON object");
    if (!take_ids(object, ret, ret_reason))
        return false;
    bool state = member(object, STATUS) && !member(object, TYPE);
    return state ? read_state(object, ret, ret_reason) : read_event(object, ret, ret_reason);
}

void trace_item_release(struct trace_item *item)
{
    json_decref(item->record);
    *item = (struct trace_item){0};
}

void trace_item_set_place(struct trace_item *item, uint64_t n)
{
    json_t *import = json_object_get(json_object_get(item->record, "technical_details"), "import");
    json_object_set_new(import, "n", json_integer((json_int_t)n));
}

bool trace_item_of_record(const json_t *record, bool *ret_numbered, uint64_t *ret_number, uint64_t *ret_n)
{
    const json_t *import = json_object_get(json_object_get(record, "technical_details"), "import");
    const json_t *n = json_object_get(import, "n");
    *ret_number = 0;
    *ret_numbered = take_number(json_object_get(import, "id"), ret_number);
    *ret_n = (uint64_t)json_integer_value(n);
    return json_is_integer(n);
}
