#include "model/waiting.h"

#include "model/record_fields.h"
#include "util/clock.h"
#include "util/json_writer.h"

#include <jansson.h>

static const struct {
    const char *word;
    enum execution_status status;
} timeouts[WAITING_TIMEOUT_COUNT] = {
#define WAITING_ENTRY(name, word, status) [WAITING_##name] = {word, status},
    WAITING_TIMEOUTS(WAITING_ENTRY)
#undef WAITING_ENTRY
};

// --- What a client sends

static bool is_text(const json_t *value, size_t max)
{
    size_t len = json_string_length(value);
    return json_is_string(value) && len > 0 && len <= max && strlen(json_string_value(value)) == len;
}

static const char *form_problem(const json_t *form)
{
    if (!json_is_object(form))
        return "must be an object";
    return json_dumpb(form, NULL, 0, JSON_COMPACT) <= WAITING_FORM_MAX ? NULL : "is larger than 64 KiB";
}

static const char *assignees_problem(const json_t *assignees)
{
    static const char must[] = "must be a list of 1 to 100 names of users, each of 1 to 127 bytes";
    size_t count = json_array_size(assignees);
    if (!json_is_array(assignees) || count == 0 || count > WAITING_ASSIGNEES_MAX)
        return must;
    for (size_t i = 0; i < count; i++)
        if (!is_text(json_array_get(assignees, i), WAITING_USER_MAX))
            return must;
    return NULL;
}

static bool timeout_parse(const json_t *value, enum waiting_timeout *ret)
{
    const char *word = json_string_value(value);
    for (unsigned i = 0; word && i < WAITING_TIMEOUT_COUNT; i++) {
        if (strcmp(timeouts[i].word, word) != 0)
            continue;
        *ret = (enum waiting_timeout)i;
        return true;
    }
    return false;
}

static const char *timeout_problem(const json_t *value)
{
    enum waiting_timeout on_timeout;
    return timeout_parse(value, &on_timeout) ? NULL : "must be fail or resume";
}

static const char *node_problem(const json_t *value)
{
    return is_text(value, WAITING_NODE_MAX) ? NULL : "must be a text of 1 to 255 bytes";
}

static const char *until_problem(const json_t *value)
{
    return json_is_string(value) ? NULL : "must be a time in RFC 3339, or a duration such as 2h";
}

// The members but for `until`, whose time is kept as the server has understood it.
static const struct {
    const char *name;
    const char *(*problem)(const json_t *value);
} members[] = {
    {"form", form_problem},          {"assignees", assignees_problem}, {"until", until_problem},
    {"on_timeout", timeout_problem}, {"node_id", node_problem},
};

static bool refuse(struct waiting_problem *problem, const char *member, const char *reason)
{
    *problem = (struct waiting_problem){member, reason};
    return false;
}

static bool check_members(const json_t *waiting, struct waiting_problem *problem)
{
    const char *name;
    json_t *value;
    if (!json_is_object(waiting))
        return refuse(problem, NULL, "must be an object");
    json_object_foreach((json_t *)(uintptr_t)waiting, name, value)
    {
        size_t i = 0;
        while (i < ARRAY_LEN(members) && strcmp(members[i].name, name) != 0)
            i++;
        if (i == ARRAY_LEN(members))
            return refuse(problem, name, "is not known");
        const char *reason = json_is_null(value) ? NULL : members[i].problem(value);
        if (reason)
            return refuse(problem, members[i].name, reason);
    }
    return true;
}

static bool take_until(const json_t *waiting, int64_t now_ms, int64_t *ret_ms, struct waiting_problem *problem)
{
    const char *text = json_string_value(json_object_get(waiting, "until"));
    int64_t duration_ms;
    *ret_ms = 0;
    if (!text)
        return true;
    if (duration_parse(str_of(text), &duration_ms) && duration_ms > 0 && duration_ms < INT64_MAX - now_ms)
        *ret_ms = now_ms + duration_ms;
    else if (!time_parse_rfc3339(str_of(text), ret_ms))
        return refuse(problem, "until", "must be a time in RFC 3339, or a duration such as 2h");
    return *ret_ms > now_ms || refuse(problem, "until", "has passed already");
}

char *waiting_take(const struct json_t *waiting, const char *id, int64_t now_ms, int64_t *ret_until_ms,
                   struct waiting_problem *ret_problem)
{
    if (!check_members(waiting, ret_problem) || !take_until(waiting, now_ms, ret_until_ms, ret_problem))
        return NULL;
    json_t *kept = json_object();
    json_object_set_new(kept, "waiting_id", json_string(id));
    for (size_t i = 0; i < ARRAY_LEN(members); i++) {
        json_t *value = json_object_get(waiting, members[i].name);
        if (value && !json_is_null(value))
            json_object_set(kept, members[i].name, value);
    }
    if (*ret_until_ms > 0) {
        char time[TIME_RFC3339_LEN];
        time_format_rfc3339(*ret_until_ms, time);
        json_object_set_new(kept, "until", json_stringn(time, sizeof(time)));
        if (!json_object_get(kept, "on_timeout"))
            json_object_set_new(kept, "on_timeout", json_string(timeouts[WAITING_FAIL].word));
    }
    char *text = json_dumps(kept, JSON_COMPACT);
    json_decref(kept);
    return text;
}

// --- What is kept

static json_t *kept_load(struct str kept)
{
    return kept.len > 0 ? json_loadb(kept.data, kept.len, 0, NULL) : NULL;
}

static bool names_user(const json_t *assignees, struct str user)
{
    for (size_t i = 0; i < json_array_size(assignees); i++)
        if (str_eq(str_of(json_string_value(json_array_get(assignees, i))), user))
            return true;
    return false;
}

bool waiting_may_answer(struct str kept, struct str owner, struct str user)
{
    json_t *waiting = kept_load(kept);
    const json_t *assignees = json_object_get(waiting, "assignees");
    bool may = user.len > 0 && (assignees ? names_user(assignees, user) : str_eq(owner, user));
    json_decref(waiting);
    return may;
}

enum waiting_timeout waiting_on_timeout(struct str kept)
{
    enum waiting_timeout on_timeout = WAITING_FAIL;
    json_t *waiting = kept_load(kept);
    timeout_parse(json_object_get(waiting, "on_timeout"), &on_timeout);
    json_decref(waiting);
    return on_timeout;
}

enum execution_status waiting_timeout_status(enum waiting_timeout on_timeout)
{
    return timeouts[on_timeout].status;
}

bool waiting_is(struct str kept, struct str id)
{
    json_t *waiting = kept_load(kept);
    const char *name = json_string_value(json_object_get(waiting, "waiting_id"));
    bool is = name && str_eq(str_of(name), id);
    json_decref(waiting);
    return is;
}

char *waiting_node(struct str kept)
{
    json_t *waiting = kept_load(kept);
    const char *node = json_string_value(json_object_get(waiting, "node_id"));
    char *copy = node ? xstrdup(node) : NULL;
    json_decref(waiting);
    return copy;
}

// --- Records. Their members are in the order of the table of record_fields.h.

static void say_node(struct buf *extra, const char *node)
{
    record_extra_append_string(extra, "event_type", STR("human_interaction"));
    if (node)
        record_extra_append_string(extra, "node_id", str_of(node));
}

const char *waiting_say_answer(struct str user, const char *node, struct str data, struct buf *message,
                               struct buf *extra)
{
    CLEANUP(buf_release) struct buf details = {0}, scratch = {0};
    struct json_writer json = json_writer_to(&details);
    json_open_object(&json, NULL);
    json_add_str(&json, "answered_by", user);
    json_close(&json);
    buf_printf(message, "answered by %.*s", STR_ARGS(user));
    say_node(extra, node);
    const char *reason = record_field_append(extra, FIELD_data, data, &scratch);
    if (!reason)
        reason = record_field_append(extra, FIELD_technical_details, buf_str(&details), &scratch);
    return reason || extra->len <= RECORD_EXTRA_MAX ? reason : "is larger than 64 KiB";
}

void waiting_say_timeout(enum waiting_timeout on_timeout, int64_t until_ms, const char *node, struct buf *message,
                         struct buf *extra)
{
    char time[TIME_RFC3339_LEN];
    time_format_rfc3339(until_ms, time);
    buf_printf(message, "nobody has answered until %.*s%s", TIME_RFC3339_LEN, time,
               on_timeout == WAITING_RESUME ? "; the run goes on without an answer" : "");
    say_node(extra, node);
}
