// The workflow log API: pages of entries by offset.
#include "api/compat/compat.h"
#include "api/compat/entries.h"
#include "model/log_entry.h"

struct page {
    struct entries entries;
    uint64_t offset;
    unsigned limit;
};

static void append_entry(struct buf *out, const struct record *record, struct str execution_id,
                         uint64_t sequence_number)
{
    log_entry_append(out, record, execution_id, sequence_number, false);
}

static void page_free(struct page *page)
{
    call_unref(page->entries.call);
    entries_release(&page->entries);
    free(page);
}

static void add_pagination(struct json_writer *json, const struct page *page)
{
    const struct entries *it = &page->entries;
    bool more = it->by_cursor ? it->next_cursor < it->end : it->matched > page->offset + it->taken;
    json_open_object(json, "pagination");
    json_add_u64(json, "limit", page->limit);
    if (it->by_cursor)
        json_add_null(json, "offset");
    else
        json_add_u64(json, "offset", page->offset);
    json_add_bool(json, "has_more", more);
    if (more)
        json_add_u64(json, "next_cursor", it->next_cursor);
    else
        json_add_null(json, "next_cursor");
    json_close(json);
}

static void page_done(struct entries *it, int err)
{
    struct page *page = CONTAINER_OF(it, struct page, entries);
    CLEANUP(buf_release) struct buf text = {0};
    struct json_writer json = json_writer_to(&text);
    if (err) {
        call_fail(it->call, err, NULL);
        page_free(page);
        return;
    }
    json_open_object(&json, NULL);
    json_add_text(&json, "execution_id", it->execution->execution_id);
    json_open_array(&json, "logs");
    json_add_raw(&json, NULL, buf_str(&it->json));
    json_close(&json);
    if (it->by_cursor)
        json_add_null(&json, "total_count");
    else
        json_add_u64(&json, "total_count", it->matched);
    add_pagination(&json, page);
    json_close(&json);
    call_answer(it->call, 200, &json);
    page_free(page);
}

static bool offer(struct str name, struct str value, void *arg)
{
    const char *reason;
    bool taken;
    // The table of routes has checked the value.
    return filter_builder_offer(arg, name, value, &taken, &reason) == 0;
}

// The filters of the query; *ret is NULL without any. False after it has answered.
static bool take_filters(struct call *call, struct filter **ret)
{
    struct filter_builder *builder = filter_builder_new();
    const char *reason = NULL;
    int err = http_params_each(call->request, offer, builder) ? 0 : ERR_INVALID;
    if (err == 0)
        err = filter_builder_finish(builder, ret, &reason);
    filter_builder_free(&builder);
    if (err)
        call_fail(call, err, reason);
    return err == 0;
}

void log_api_logs(struct call *call)
{
    struct filter *filter = NULL;
    struct field_value cursor = call_param(call, "cursor"), offset = call_param(call, "offset");
    if (cursor.given && offset.given) {
        call_fail(call, ERR_INVALID, "`cursor` and `offset` are two positions; give one");
        return;
    }
    if (!take_filters(call, &filter))
        return;
    call_say_front(call);
    struct page *page = xcalloc(1, sizeof(*page));
    *page = (struct page){
        .offset = (uint64_t)offset.number,
        .limit = (unsigned)call_param(call, "limit").number,
    };
    page->entries = (struct entries){
        .call = call,
        .execution = &call->execution,
        .filter = filter,
        .by_cursor = cursor.given,
        .cursor = (uint64_t)cursor.number,
        .offset = page->offset,
        .limit = page->limit,
        .append = append_entry,
        .done = page_done,
    };
    call_ref(call);
    entries_read(&page->entries);
}
