// What of a run is in Loki: where it is found there, and its lines, asked for there and handed on.
#include "api/api_private.h"
#include "api/compat/compat.h"
#include "mirror/mirror.h"

#define TIMEOUT_MS 10000
#define NS_PER_MS  UINT64_C(1000000)
#define FORMS      2 // enum loki_labels

// --- Where it is found

static struct loki_run run_of(const struct execution *execution, const struct store_mirror_places *places)
{
    return (struct loki_run){str_of(places->ret_account_name), str_of(execution->execution_id)};
}

void runs_add_loki(struct json_writer *json, const struct execution *execution,
                   const struct store_mirror_places *places)
{
    const struct loki_run run = run_of(execution, places);
    json_open_array(json, "loki");
    for (size_t i = 0; i < places->ret_count; i++) {
        const struct mirror_place *place = &places->ret_places[i];
        CLEANUP(buf_release) struct buf query = {0};
        loki_query_append(&query, (enum loki_labels)place->labels, &run, str_of(place->node));
        json_open_object(json, NULL);
        json_add_text(json, "nodeRef", place->node[0] ? place->node : NULL);
        loki_labels_add(json, "labels", (enum loki_labels)place->labels, &run, str_of(place->node));
        json_add_str(json, "query", buf_str(&query));
        json_add_time(json, "from", place->from_ms);
        json_add_time(json, "to", place->until_ms);
        json_add_u64(json, "lines", place->lines);
        json_close(json);
    }
    json_close(json);
}

// --- Its lines

struct passing {
    struct call *call;
    struct store_mirror_places places;
    struct mirror_query query;
    struct buf node; // that is asked for; the request may be gone when Loki answers
    // Where the page begins: which labels (they may have changed while the run went on), and from which time on.
    unsigned form;
    uint64_t from_ns, counted, near; // counted: lines of the pages before
};

static void passing_free(struct passing *it)
{
    store_op_release(&it->places.op);
    loki_lines_release(&it->query.ret_lines);
    buf_release(&it->query.ret_reason);
    buf_release(&it->node);
    call_unref(it->call);
    free(it);
}

static bool cursor_read(struct passing *it, struct str cursor)
{
    uint64_t form;
    struct str first = str_split(&cursor, '-'), second = str_split(&cursor, '-'), third = str_split(&cursor, '-');
    if (!str_to_u64(first, &form) || form >= FORMS || !str_to_u64(second, &it->from_ns) ||
        !str_to_u64(third, &it->counted) || !str_to_u64(cursor, &it->near))
        return false;
    it->form = (unsigned)form;
    return it->from_ns < INT64_MAX && it->counted < INT64_MAX && it->near < INT64_MAX;
}

static bool wanted(const struct passing *it, const struct mirror_place *place)
{
    return !it->node.data || str_eq(buf_str(&it->node), str_of(place->node));
}

// How many lines are mirrored of what is asked for, and the time of those with these labels. False: there are none.
static bool extent(const struct passing *it, unsigned form, int64_t *ret_from_ms, int64_t *ret_until_ms)
{
    bool any = false;
    *ret_from_ms = INT64_MAX;
    *ret_until_ms = INT64_MIN;
    for (size_t i = 0; i < it->places.ret_count; i++) {
        const struct mirror_place *place = &it->places.ret_places[i];
        if (!wanted(it, place) || place->labels != (int)form)
            continue;
        any = true;
        *ret_from_ms = MAX(MIN(*ret_from_ms, place->from_ms), 0);
        *ret_until_ms = MAX(*ret_until_ms, place->until_ms);
    }
    return any;
}

static uint64_t mirrored(const struct passing *it)
{
    uint64_t lines = 0;
    for (size_t i = 0; i < it->places.ret_count; i++)
        lines += wanted(it, &it->places.ret_places[i]) ? it->places.ret_places[i].lines : 0;
    return lines;
}

static void add_line(struct json_writer *json, const struct loki_line *line)
{
    json_open_object(json, NULL);
    json_add_u64(json, "sequence", line->sequence);
    json_add_time(json, "timestamp", line->time_ms);
    json_add_str(json, "stream", line->stream);
    if (line->level.len > 0)
        json_add_str(json, "level", line->level);
    if (line->node.len > 0)
        json_add_str(json, "nodeRef", line->node);
    else
        json_add_null(json, "nodeRef");
    json_add_str(json, "line", line->text);
    json_close(json);
}

// Behind a full page there may be more of the same labels; else what has the next ones.
static bool next_page(const struct passing *it, struct buf *cursor)
{
    const struct loki_lines *lines = &it->query.ret_lines;
    bool full = lines->count > 0 && lines->count >= it->query.ask.limit;
    int64_t from_ms, until_ms;
    unsigned form = it->form;
    uint64_t near = lines->count > 0 ? lines->items[lines->count - 1].sequence : it->near;
    while (!full && ++form < FORMS && !extent(it, form, &from_ms, &until_ms))
        ;
    if (form >= FORMS)
        return false;
    buf_printf(cursor, "%u-%llu-%llu-%llu", form, full ? (unsigned long long)lines->last_ns + 1 : 0ULL,
               (unsigned long long)(it->counted + lines->count), (unsigned long long)near);
    return true;
}

static void answer(const struct passing *it)
{
    const struct loki_lines *lines = &it->query.ret_lines;
    uint64_t expected = mirrored(it);
    CLEANUP(buf_release) struct buf text = {0};
    CLEANUP(buf_release) struct buf cursor = {0};
    struct json_writer json = json_writer_to(&text);
    bool more = next_page(it, &cursor);
    json_open_object(&json, NULL);
    json_add_text(&json, "runId", it->call->execution.execution_id);
    json_open_array(&json, "lines");
    for (size_t i = 0; i < lines->count; i++)
        add_line(&json, &lines->items[i]);
    json_close(&json);
    json_add_u64(&json, "mirrored", expected);
    if (more)
        json_add_null(&json, "complete");
    else
        json_add_bool(&json, "complete", it->counted + lines->count >= expected);
    json_add_bool(&json, "pending", it->places.ret_pending);
    json_add_text(&json, "cursor", more ? buf_cstr(&cursor) : NULL);
    json_add_bool(&json, "hasMore", more);
    json_close(&json);
    call_answer(it->call, 200, &json);
}

static void lines_known(struct mirror_query *query)
{
    struct passing *it = CONTAINER_OF(query, struct passing, query);
    if (query->err) {
        CLEANUP(free_ptr) char *reason = xasprintf("Loki cannot be asked: %s", buf_cstr(&query->ret_reason));
        call_fail(it->call, query->err, reason);
    } else {
        answer(it);
    }
    passing_free(it);
}

static void ask(struct passing *it)
{
    struct call *call = it->call;
    int64_t from_ms = 0, until_ms = 0;
    while (it->form < FORMS && !extent(it, it->form, &from_ms, &until_ms))
        it->form++;
    if (it->form == FORMS) {
        answer(it);
        passing_free(it);
        return;
    }
    struct loki_ask *ask = &it->query.ask;
    ask->run = run_of(&call->execution, &it->places);
    ask->labels = (enum loki_labels)it->form;
    ask->node = buf_str(&it->node);
    ask->from_ns = MAX(it->from_ns, (uint64_t)from_ms * NS_PER_MS);
    ask->until_ns = MAX(ask->from_ns + 1, ((uint64_t)until_ms + 1) * NS_PER_MS);
    ask->near = it->near;
    ask->timeout_ms = TIMEOUT_MS;
    it->query.account = call->principal.account;
    it->query.reply_to = call->api->options.loop;
    it->query.done = lines_known;
    int err = mirror_ask(call->api->options.mirror, &it->query);
    if (err == 0)
        return;
    call_fail(call, ERR_OVERLOADED, "too many ask Loki; try again in a moment");
    passing_free(it);
}

static void places_known(struct store_op *op)
{
    struct passing *it = CONTAINER_OF(op, struct passing, places.op);
    struct call *call = it->call;
    if (op->err) {
        call_fail(call, op->err, NULL);
        passing_free(it);
    } else {
        ask(it);
    }
}

void runs_loki(struct call *call)
{
    struct field_value node = call_param(call, "node"), cursor = call_param(call, "cursor");
    if (!call->api->options.mirror) {
        call_fail(call, ERR_UNSUPPORTED, "this server mirrors no logs in Loki; its setting loki_url names one");
        return;
    }
    struct passing *it = xcalloc(1, sizeof(*it));
    it->call = call;
    if (cursor.given && !cursor_read(it, cursor.text)) {
        call_fail(call, ERR_BAD_CURSOR, "parameter cursor: is not a cursor of such a page");
        free(it);
        return;
    }
    if (node.given)
        buf_append_str(&it->node, node.text);
    it->query.ask.limit = (unsigned)call_param(call, "limit").number;
    it->places.row = call->execution.row;
    call_submit(call, STORE_MIRROR_PLACES, &it->places.op, places_known);
}
