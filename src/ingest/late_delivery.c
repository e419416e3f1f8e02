// What a source has handed over of one log. On the sender's thread.
#include "ingest/late.h"

struct same { // events without an id that look the same
    struct map_node node;
    struct late_key key;
    uint32_t count;
};

void late_delivery_init(struct late_delivery *delivery, size_t message_max)
{
    *delivery = (struct late_delivery){.message_max = message_max};
    map_init(&delivery->contents);
}

void late_delivery_release(struct late_delivery *delivery)
{
    map_release(&delivery->contents);
    arena_release(&delivery->memory);
    free(delivery->events);
    delivery->events = NULL;
}

static uint32_t count_same(struct late_delivery *delivery, const struct record *record)
{
    struct late_key key = late_key_of((struct str){0}, record, 0);
    struct map_node *node = map_find(&delivery->contents, str_n((const char *)key.bytes, sizeof(key.bytes)));
    if (node)
        return CONTAINER_OF(node, struct same, node)->count++;
    struct same *same = arena_alloc(&delivery->memory, sizeof(*same));
    same->key = key;
    same->count = 1;
    map_insert(&delivery->contents, &same->node, str_n((const char *)same->key.bytes, sizeof(same->key.bytes)));
    return 0;
}

static struct str copy(struct late_delivery *delivery, struct str text)
{
    return text.len ? str_n(arena_dup(&delivery->memory, text), text.len) : (struct str){0};
}

int late_delivery_add(struct late_delivery *delivery, struct str id, const struct record *record)
{
    if (!record_parts_fits(delivery->message_max, record))
        return ERR_TOO_LARGE;
    if (delivery->count == delivery->capacity) {
        delivery->capacity = MAX(delivery->capacity * 2, (size_t)16);
        delivery->events = xrealloc(delivery->events, delivery->capacity * sizeof(*delivery->events));
    }
    struct late_event *event = &delivery->events[delivery->count];
    *event = (struct late_event){.record = *record, .id = copy(delivery, id), .order = delivery->count};
    event->record.message = copy(delivery, record->message);
    event->record.extra = copy(delivery, record->extra);
    event->key = late_key_of(id, record, id.len ? 0 : count_same(delivery, record));
    delivery->count++;
    delivery->bytes += sizeof(*event) + record->message.len + record->extra.len + id.len;
    return 0;
}
