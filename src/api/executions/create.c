// Making an execution.
#include "api/body.h"
#include "api/executions/executions.h"
#include "model/config_limits.h"
#include "util/clock.h"
#include "util/when.h"

#include <xxhash.h>

#define FIELDS_MAX 24

enum field_kind { FIELD_TEXT, FIELD_TEXTS, FIELD_TEXT_MAP, FIELD_METADATA, FIELD_NUMBER, FIELD_BOOL, FIELD_PAST };

struct create_field {
    const char *name;
    enum field_kind kind;
    size_t max; // bytes of a text, count of a list, greatest number
};

static const struct create_field create_fields[] = {
    {"execution_id", FIELD_TEXT, ID_EXECUTION_MAX},
    {"script_filename", FIELD_TEXT, 1024},
    {"script", FIELD_TEXT, 1024 * 1024},
    {"command", FIELD_TEXTS, 4096},
    {"args", FIELD_TEXTS, 4096},
    {"runtime", FIELD_TEXT, 255},
    {"image", FIELD_TEXT, 1024},
    {"env", FIELD_TEXT_MAP, 1024},
    {"inputs", FIELD_TEXTS, 4096},
    {"workflow_id", FIELD_TEXT, 255},
    {"batch_id", FIELD_TEXT, 255},
    {"metadata", FIELD_METADATA, 0},
    {"timeout_seconds", FIELD_NUMBER, 31536000},
    {"retries", FIELD_NUMBER, 100},
    {"priority", FIELD_NUMBER, 1000},
    {"queue", FIELD_BOOL, 0},
    {"started_at", FIELD_PAST, 0},
};

static const char *check_texts(const json_t *value, size_t max)
{
    if (!json_is_array(value) || json_array_size(value) > max)
        return "must be a list of strings, and not too long a one";
    for (size_t i = 0; i < json_array_size(value); i++)
        if (!json_is_string(json_array_get(value, i)))
            return "must be a list of strings";
    return NULL;
}

static const char *check_text_map(json_t *value, size_t max)
{
    const char *key;
    json_t *item;
    if (!json_is_object(value) || json_object_size(value) > max)
        return "must be an object of strings, and not too large a one";
    json_object_foreach(value, key, item) if (!json_is_string(item)) return "must be an object of strings";
    return NULL;
}

static const char *check_past(const json_t *value)
{
    int64_t ms;
    if (!json_is_string(value) ||
        !time_parse_rfc3339(str_n(json_string_value(value), json_string_length(value)), &ms) || ms <= 0)
        return "must be a time in RFC 3339";
    return ms > clock_real_ms() + CLOCKS_APART_MS ? "lies in the future" : NULL;
}

// What is wrong with the value, or NULL.
static const char *check_field(const struct create_field *field, json_t *value)
{
    if (json_is_null(value))
        return NULL;
    switch (field->kind) {
    case FIELD_TEXT:
        if (!json_is_string(value))
            return "must be a string";
        return json_string_length(value) > field->max ? "is too long" : NULL;
    case FIELD_TEXTS:
        return check_texts(value, field->max);
    case FIELD_TEXT_MAP:
        return check_text_map(value, field->max);
    case FIELD_METADATA:
        return metadata_check(value);
    case FIELD_NUMBER:
        if (!json_is_integer(value) || json_integer_value(value) < 0 || (size_t)json_integer_value(value) > field->max)
            return "must be a whole number, not negative and not too large";
        return NULL;
    case FIELD_BOOL:
        return json_is_boolean(value) ? NULL : "must be true or false";
    case FIELD_PAST:
        return check_past(value);
    }
    return NULL;
}

static const struct create_field *find_create_field(const char *name)
{
    for (size_t i = 0; i < ARRAY_LEN(create_fields); i++)
        if (strcmp(create_fields[i].name, name) == 0)
            return &create_fields[i];
    return NULL;
}

// Only who has run it already can know when that began.
static const char *check_started(const json_t *body)
{
    const json_t *started = json_object_get(body, "started_at");
    bool given = started && !json_is_null(started);
    return given && !json_is_false(json_object_get(body, "queue")) ? "is only for runs with queue false" : NULL;
}

// False after having answered 422.
static bool create_check(struct call *call, json_t *body)
{
    struct http_field_error errors[FIELDS_MAX];
    size_t count = 0;
    const char *name;
    json_t *value;

    json_object_foreach(body, name, value)
    {
        const struct create_field *field = find_create_field(name);
        const char *reason = field ? check_field(field, value) : "is not known";
        if (field && !reason && strcmp(name, "execution_id") == 0 && json_is_string(value) &&
            !id_execution_valid(str_n(json_string_value(value), json_string_length(value))))
            reason = "must match [A-Za-z0-9][A-Za-z0-9._:-]{0,254}";
        if (field && !reason && strcmp(name, "started_at") == 0)
            reason = check_started(body);
        if (reason && count < FIELDS_MAX)
            errors[count++] = (struct http_field_error){name, reason};
    }
    if (count)
        call_fail_fields(call, errors, count);
    return count == 0;
}

static char *text_or_null(const json_t *body, const char *name)
{
    const char *text = json_string_value(json_object_get(body, name));
    return text ? xstrdup(text) : NULL;
}

struct create {
    struct store_create create;
    struct call *call;
    char key[256 + sizeof(((struct principal *)NULL)->user)];
};

static void create_done(struct store_op *op)
{
    struct create *it = CONTAINER_OF(op, struct create, create.op);
    struct call *call = it->call;

    if (op->err == 0 && call->request) {
        http_add_header(call->request, "Location",
                        arena_printf(http_arena(call->request), "%s/api/v1/executions/%s", call->api->options.base_path,
                                     it->create.execution.execution_id));
        call_answer_execution(call, it->create.ret_existed ? 200 : 201, &it->create.execution);
    } else if (op->err == ERR_RATE) {
        call_fail(call, ERR_RATE, "the account has too many open executions");
    } else if (op->err) {
        call_fail(call, op->err, op->err == ERR_CONFLICT ? "this execution_id exists already" : NULL);
    }
    store_op_release(op);
    execution_release(&it->create.execution);
    free(it);
    call_unref(call);
}

// What was asked for is kept as `spec`; environment values may be secrets and are kept for the worker alone, never shown.
static void create_fill(struct execution *execution, const struct call *call, const json_t *body)
{
    *execution = (struct execution){
        .account = call->principal.account,
        .execution_id = text_or_null(body, "execution_id"),
        .status = STATUS_QUEUED,
        .owner = call->principal.user[0] ? xstrdup(call->principal.user) : NULL,
        .script_filename = text_or_null(body, "script_filename"),
        .runtime = text_or_null(body, "runtime"),
        .workflow_id = text_or_null(body, "workflow_id"),
        .batch_id = text_or_null(body, "batch_id"),
        .spec_json = json_text(body),
    };
    const char *started = json_string_value(json_object_get(body, "started_at"));
    if (started)
        time_parse_rfc3339(str_of(started), &execution->started_ms); // create_check has seen it
    const json_t *command = json_object_get(body, "command");
    if (json_is_array(command))
        execution->command_json = json_text(command);
    const json_t *metadata = json_object_get(body, "metadata");
    if (json_is_object(metadata))
        execution->metadata_json = json_text(metadata);
}

void executions_create(struct call *call)
{
    struct str key = http_header(call->request, STR("Idempotency-Key"));
    struct str raw = http_body(call->request);

    if (key.len > 255) {
        call_fail(call, ERR_MALFORMED, "Idempotency-Key is longer than 255 bytes");
        return;
    }
    json_t *body = call_json_object(call);
    if (!body)
        return;
    if (!create_check(call, body)) {
        json_decref(body);
        return;
    }
    struct create *it = xcalloc(1, sizeof *it);
    it->call = call;
    // A user's keys are its own: another user's request must not be answered with its execution.
    size_t owner_len = call->principal.role == ROLE_USER ? strlen(call->principal.user) : 0;
    memcpy(it->key, call->principal.user, owner_len);
    if (key.len)
        memcpy(it->key + owner_len, key.data, key.len);
    it->create = (struct store_create){
        .op = {.kind = STORE_CREATE, .reply_to = call->api->options.loop, .done = create_done},
        .idempotency_key = str_n(it->key, key.len ? owner_len + key.len : 0),
        .request_hash = XXH3_64bits(raw.data, raw.len),
        .open_max = call->api->limits->open_executions_max,
    };
    create_fill(&it->create.execution, call, body);
    json_decref(body);
    call_ref(call);
    store_submit(call->api->options.store, &it->create.op);
}
