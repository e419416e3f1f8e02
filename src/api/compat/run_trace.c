// Workflow runs: pages of trace events, and of the lines of the log.
#include "api/api_private.h"
#include "api/compat/compat.h"
#include "api/compat/entries.h"
#include "model/trace_event.h"

struct page {
    struct entries entries;
    const char *member;                // "events" or "logs"
    struct store_mirror_places places; // of a trace, if logs are mirrored
};

static void page_free(struct page *page)
{
    call_unref(page->entries.call);
    if (page->places.op.done)
        store_op_release(&page->places.op);
    entries_release(&page->entries);
    free(page);
}

static void page_answer(const struct page *page)
{
    const struct entries *it = &page->entries;
    CLEANUP(buf_release) struct buf text = {0};
    CLEANUP(buf_release) struct buf cursor = {0};
    struct json_writer json = json_writer_to(&text);
    json_open_object(&json, NULL);
    json_add_text(&json, "runId", it->execution->execution_id);
    json_open_array(&json, page->member);
    json_add_raw(&json, NULL, buf_str(&it->json));
    json_close(&json);
    // The cursor is the id of the last record that was looked at; before the first one there is none.
    if (it->next_cursor > 0) {
        buf_append_u64(&cursor, it->next_cursor - 1);
        json_add_str(&json, "cursor", buf_str(&cursor));
    } else {
        json_add_null(&json, "cursor");
    }
    json_add_bool(&json, "hasMore", it->next_cursor < it->end);
    if (page->places.op.done)
        runs_add_loki(&json, it->execution, &page->places);
    json_close(&json);
    call_answer(it->call, 200, &json);
}

static void page_done(struct entries *it, int err)
{
    struct page *page = CONTAINER_OF(it, struct page, entries);
    if (err)
        call_fail(it->call, err, NULL);
    else
        page_answer(page);
    page_free(page);
}

static void places_known(struct store_op *op)
{
    struct page *page = CONTAINER_OF(op, struct page, places.op);
    call_unref(page->entries.call);
    if (op->err) {
        call_fail(page->entries.call, op->err, NULL);
        page_free(page);
    } else {
        entries_read(&page->entries);
    }
}

static void page_read(struct page *page)
{
    struct call *call = page->entries.call;
    if (!call->api->options.mirror || strcmp(page->member, "events") != 0) {
        entries_read(&page->entries);
        return;
    }
    page->places.row = call->execution.row;
    call_submit(call, STORE_MIRROR_PLACES, &page->places.op, places_known);
}

// One filter's parameter by our name for it.
static void narrow(struct filter_builder *builder, const char *name, struct str value)
{
    const char *reason;
    bool taken;
    if (value.len > 0) // the table of routes has checked it
        filter_builder_offer(builder, str_of(name), value, &taken, &reason);
}

static void page_start(struct call *call, const char *member, const char *event_types,
                       void (*append)(struct buf *, const struct record *, struct str, uint64_t))
{
    struct filter_builder *builder = filter_builder_new();
    struct page *page = xcalloc(1, sizeof(*page));
    struct field_value cursor = call_param(call, "cursor");
    const char *reason = NULL;

    narrow(builder, "event_type", str_of(event_types));
    narrow(builder, "node", call_param(call, "nodeRef").text);
    narrow(builder, "level", call_param(call, "level").text);
    if (!event_types)
        narrow(builder, "stream", call_param(call, "stream").text);
    page->member = member;
    page->entries = (struct entries){
        .call = call,
        .execution = &call->execution,
        .by_cursor = true,
        .cursor = cursor.given ? (uint64_t)cursor.number + 1 : 0,
        .limit = (unsigned)call_param(call, "limit").number,
        .append = append,
        .done = page_done,
    };
    call_ref(call);
    int err = filter_builder_finish(builder, &page->entries.filter, &reason);
    filter_builder_free(&builder);
    if (err == 0) {
        page_read(page);
        return;
    }
    call_fail(call, err, reason);
    page_free(page);
}

void runs_trace(struct call *call)
{
    page_start(call, "events", TRACE_EVENT_TYPES, trace_event_append);
}

void runs_logs(struct call *call)
{
    page_start(call, "logs", NULL, trace_line_append);
}
