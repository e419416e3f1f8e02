// Which executions a crowd has, by the list of executions; and how their logs are asked for.
#include "cli/log_crowd_private.h"
#include "model/status.h"

#define PAGE     "200"
#define RUNNING  "running,waiting,paused"
#define RUN_MOST "1000"

// --- Listing

// `again`: a failure is not told, as it is tried again.
static json_t *page(struct crowd *crowd, const char *path, bool again)
{
    CLEANUP(client_response_release) struct client_response response = {0};
    json_t *list = NULL;
    if (!again) {
        crowd->code = cli_get_json(crowd->cli, crowd->client, path, &list);
        return list;
    }
    if (client_request(crowd->client, "GET", path, str_n(NULL, 0), NULL, &response) || response.status != 200)
        return NULL;
    return json_loadb(response.body.data ? response.body.data : "", response.body.len, 0, NULL);
}

static json_t *next_page(struct crowd *crowd, const json_t *before, bool again)
{
    CLEANUP(buf_release) struct buf path = {0};
    buf_append_str(&path, buf_str(&crowd->query));
    query_append(&path, "limit", PAGE);
    if (before)
        query_append(&path, "cursor", json_string_value(json_object_get(before, "next_cursor")));
    return page(crowd, buf_cstr(&path), again);
}

static const char *text_of(const json_t *execution, const char *name)
{
    const char *text = json_string_value(json_object_get(execution, name));
    return text ? text : "";
}

static bool is_known(const struct crowd *crowd, const json_t *execution)
{
    return map_find(&crowd->members, str_of(text_of(execution, "execution_id"))) != NULL;
}

// Adds those of a page to `found`, the newest first. False if all were known.
static bool take_page(const struct crowd *crowd, const json_t *list, json_t *found)
{
    const json_t *executions = json_object_get(list, "executions");
    bool any = false;
    for (size_t i = 0; i < json_array_size(executions); i++) {
        json_t *execution = json_array_get(executions, i);
        any |= !is_known(crowd, execution);
        json_array_append_new(found, json_pack("{s:s,s:s}", "execution_id", text_of(execution, "execution_id"),
                                               "status", text_of(execution, "status")));
    }
    return any;
}

// Makes it, unless it is there.
static struct member *crowd_add(struct crowd *crowd, const char *id)
{
    struct map_node *known = map_find(&crowd->members, str_of(id));
    if (known)
        return CONTAINER_OF(known, struct member, node);
    struct member *member = xcalloc(1, sizeof(*member));
    member->id = xstrdup(id);
    member->number = crowd->members.count;
    map_insert(&crowd->members, &member->node, str_of(member->id));
    list_push_back(&crowd->waiting, &member->turn);
    crowd->left++;
    return member;
}

// The oldest first.
static void add_found(struct crowd *crowd, const json_t *found)
{
    for (size_t i = json_array_size(found); i-- > 0;) {
        const json_t *execution = json_array_get(found, i);
        bool known = is_known(crowd, execution);
        struct member *member = crowd_add(crowd, text_of(execution, "execution_id"));
        if (!known || !member->task)
            member->queued = strcmp(text_of(execution, "status"), "queued") == 0;
    }
}

// From the newest back to those that are known. Until all were found once, to the oldest.
static bool find(struct crowd *crowd, bool again)
{
    CLEANUP(json_free) json_t *found = json_array();
    CLEANUP(json_free) json_t *list = next_page(crowd, NULL, again);
    bool more = list != NULL;
    while (more) {
        bool any = take_page(crowd, list, found);
        more = (any || !crowd->listed) && json_is_string(json_object_get(list, "next_cursor"));
        json_t *next = more ? next_page(crowd, list, again) : json_incref(list);
        json_decref(list);
        list = next;
        more = more && list;
    }
    if (!list)
        return false;
    add_found(crowd, found);
    crowd->listed = true;
    return true;
}

// Those that run, and are not open, go before the others.
static void hurry(struct crowd *crowd)
{
    CLEANUP(buf_release) struct buf path = {0};
    buf_append_str(&path, buf_str(&crowd->query));
    query_append(&path, "status", RUNNING);
    query_append(&path, "limit", RUN_MOST);
    CLEANUP(json_free) json_t *list = page(crowd, buf_cstr(&path), true);
    const json_t *executions = json_object_get(list, "executions");
    for (size_t i = 0; i < json_array_size(executions); i++) {
        struct member *member = crowd_add(crowd, text_of(json_array_get(executions, i), "execution_id"));
        member->queued = false;
        member->urgent = true;
        if (member->state != MEMBER_WAITING)
            continue;
        list_remove(&member->turn);
        list_push_front(&crowd->waiting, &member->turn);
    }
}

bool crowd_list(struct crowd *crowd)
{
    bool found = find(crowd, true);
    if (found && !list_empty(&crowd->waiting))
        hurry(crowd);
    return found;
}

static int append_metadata(struct crowd *crowd)
{
    const char *const *pairs;
    size_t count = cli_values(crowd->cli, "metadata", &pairs);
    for (size_t i = 0; i < count; i++) {
        const char *equals = strchr(pairs[i], '=');
        if (!equals || equals == pairs[i])
            return cli_usage_error(crowd->cli, "-m wants KEY=VALUE, not \"%s\"", pairs[i]);
        CLEANUP(free_ptr) char *name = xasprintf("metadata.%.*s", (int)(equals - pairs[i]), pairs[i]);
        query_append(&crowd->query, name, equals + 1);
    }
    return 0;
}

int crowd_begin(struct crowd *crowd)
{
    CLEANUP(json_free) json_t *status = NULL;
    buf_append_text(&crowd->query, "/api/v1/executions");
    int code = append_metadata(crowd);
    if (code == 0 && crowd->batch) {
        CLEANUP(free_ptr) char *path = xasprintf("/api/v1/batches/%s", crowd->batch);
        query_append(&crowd->query, "batch_id", crowd->batch);
        code = cli_get_json(crowd->cli, crowd->client, path, &status);
    }
    if (code)
        return code;
    find(crowd, false);
    return crowd->code;
}

// --- Subscribing

// Of what query_append has written.
static json_t *decoded(struct str value)
{
    CLEANUP(buf_release) struct buf text = {0};
    for (size_t i = 0; i < value.len; i++) {
        unsigned code = 0;
        if (value.data[i] == '%' && value.len - i > 2 && sscanf(value.data + i + 1, "%2x", &code) == 1)
            i += 2;
        buf_append_byte(&text, code ? (char)code : value.data[i]);
    }
    return json_stringn(text.len > 0 ? text.data : "", text.len);
}

static void add_parameter(json_t *object, struct str pair)
{
    struct str value = pair, name = str_split(&value, '=');
    json_t *added = decoded(value), *there = json_object_getn(object, name.data, name.len);
    if (!there)
        json_object_setn_new(object, name.data, name.len, added);
    else if (json_is_array(there))
        json_array_append_new(there, added);
    else
        json_object_setn_new(object, name.data, name.len, json_pack("[O,o]", there, added));
}

static void add_parameters(json_t *object, const char *query)
{
    struct str rest = str_of(query);
    while (rest.len > 0) {
        struct str pair = str_split(&rest, '&');
        if (pair.len > 0)
            add_parameter(object, pair);
    }
}

void crowd_append_query(json_t *frame, const struct log_reader *reader)
{
    json_t *filters = json_object();
    if (reader->printer->any)
        json_object_set_new(frame, "from", json_integer((json_int_t)reader->printer->next));
    else
        add_parameters(frame, reader->position);
    add_parameters(filters, reader->filters);
    json_object_set_new(frame, "filters", filters);
    if (reader->incarnation[0])
        json_object_set_new(frame, "incarnation", json_string(reader->incarnation));
}
