// Trace data from elsewhere: whatever JSON it is, it is refused with a reason, or becomes an item whose record is found
// again.
#include "model/trace_import.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool holds)
{
    if (!holds)
        abort();
}

static void look_at(const struct trace_item *item)
{
    bool numbered;
    uint64_t number, n;
    check(item->run_id && item->is_state == !item->record);
    if (item->is_state) {
        check(item->state && item->status < STATUS_COUNT);
        return;
    }
    check(json_is_string(json_object_get(item->record, "event_type")));
    check(trace_item_of_record(item->record, &numbered, &number, &n));
    check(n == 5 && numbered == item->numbered && (!numbered || number == item->number));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    CLEANUP(buf_release) struct buf reason = {0};
    json_t *object = json_loadb((const char *)data, size, JSON_DECODE_ANY, NULL);
    struct trace_item item;
    if (object && trace_item_read(object, &item, &reason)) {
        if (item.record)
            trace_item_set_place(&item, 5);
        look_at(&item);
        trace_item_release(&item);
    } else if (object) {
        check(reason.len > 0);
    }
    json_decref(object);
    return 0;
}
