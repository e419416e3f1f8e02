// A summary's parts, and where to find them.
#include "model/summary_private.h"
#include "util/id.h"
#include "util/map.h"

#define NODES_MIN      8
#define MILESTONES_MIN 8

void summary_init(struct summary *summary, uint64_t first)
{
    *summary = (struct summary){.first = first, .next = first, .first_error = UINT64_MAX};
}

static void node_release(struct summary_node *node)
{
    buf_release(&node->id);
    buf_release(&node->name);
    buf_release(&node->type);
    buf_release(&node->last_line);
    free(node->earlier);
}

void summary_release(struct summary *summary)
{
    for (size_t i = 0; i < summary->event_type_count; i++)
        buf_release(&summary->event_types[i].name);
    for (size_t i = 0; i < summary->milestones_kept; i++) {
        buf_release(&summary->milestones[i].message);
        buf_release(&summary->milestones[i].event_type);
    }
    for (size_t i = 0; i < summary->node_count; i++)
        node_release(&summary->nodes[i]);
    free(summary->event_types);
    free(summary->milestones);
    free(summary->nodes);
    free(summary->slots);
    summary_init(summary, 0);
}

// --- Copying

static void *copy_array(const void *array, size_t count, size_t size)
{
    if (count == 0)
        return NULL;
    void *copy = xcalloc(count, size);
    memcpy(copy, array, count * size);
    return copy;
}

// The struct was copied as it is; now it gets bytes of its own.
static void own(struct buf *buf)
{
    struct str bytes = buf_str(buf);
    *buf = (struct buf){0};
    if (bytes.len == 0)
        return;
    buf->data = xmalloc(bytes.len);
    buf->len = buf->cap = bytes.len;
    memcpy(buf->data, bytes.data, bytes.len);
}

void summary_copy(const struct summary *summary, struct summary *ret)
{
    *ret = *summary;
    ret->node_room = summary->node_count;
    ret->milestone_room = summary->milestones_kept;
    ret->event_types = summary->event_types ? xcalloc(SUMMARY_EVENT_TYPES_MAX, sizeof(*ret->event_types)) : NULL;
    if (summary->event_type_count > 0)
        memcpy(ret->event_types, summary->event_types, summary->event_type_count * sizeof(*ret->event_types));
    ret->milestones = copy_array(summary->milestones, summary->milestones_kept, sizeof(*ret->milestones));
    ret->nodes = copy_array(summary->nodes, summary->node_count, sizeof(*ret->nodes));
    ret->slots = copy_array(summary->slots, summary->slot_count, sizeof(*ret->slots));
    for (size_t i = 0; i < ret->event_type_count; i++)
        own(&ret->event_types[i].name);
    for (size_t i = 0; i < ret->milestones_kept; i++) {
        own(&ret->milestones[i].message);
        own(&ret->milestones[i].event_type);
    }
    for (size_t i = 0; i < ret->node_count; i++) {
        own(&ret->nodes[i].id);
        own(&ret->nodes[i].name);
        own(&ret->nodes[i].type);
        own(&ret->nodes[i].last_line);
        ret->nodes[i].earlier =
            copy_array(ret->nodes[i].earlier, ret->nodes[i].earlier_count, sizeof(*ret->nodes[i].earlier));
    }
}

size_t summary_memory(const struct summary *summary)
{
    size_t bytes = sizeof(*summary) + summary->node_room * sizeof(*summary->nodes) + summary->slot_count * 4;
    bytes += summary->event_types ? SUMMARY_EVENT_TYPES_MAX * (sizeof(*summary->event_types) + 32) : 0;
    bytes += summary->milestone_room * sizeof(*summary->milestones);
    for (size_t i = 0; i < summary->milestones_kept; i++)
        bytes += summary->milestones[i].message.cap + summary->milestones[i].event_type.cap;
    for (size_t i = 0; i < summary->node_count; i++) {
        const struct summary_node *node = &summary->nodes[i];
        bytes += node->id.cap + node->name.cap + node->type.cap + node->last_line.cap;
        bytes += node->earlier_count * sizeof(*node->earlier);
    }
    return bytes;
}

// --- Nodes. Their ids come from clients, so the hash is keyed.

static uint64_t hash_of(const struct summary *summary, struct str id)
{
    return siphash(summary->seed, id.data, id.len);
}

static void put_in_slot(struct summary *summary, size_t place)
{
    size_t mask = summary->slot_count - 1, at = summary->nodes[place].hash & mask;
    while (summary->slots[at] > 0)
        at = (at + 1) & mask;
    summary->slots[at] = (uint32_t)place + 1;
}

// No more than half of the slots are used.
static void grow(struct summary *summary)
{
    summary->node_room = MAX(summary->node_room * 2, NODES_MIN);
    summary->nodes = xrealloc(summary->nodes, summary->node_room * sizeof(*summary->nodes));
    if (summary->slot_count >= summary->node_room * 2)
        return;
    if (summary->slot_count == 0)
        random_bytes(summary->seed, sizeof(summary->seed));
    size_t count = NODES_MIN * 2;
    while (count < summary->node_room * 2)
        count *= 2;
    free(summary->slots);
    summary->slots = xcalloc(count, sizeof(*summary->slots));
    summary->slot_count = count;
    for (size_t i = 0; i < summary->node_count; i++)
        put_in_slot(summary, i);
}

static struct summary_node *find(const struct summary *summary, struct str id, uint64_t hash)
{
    size_t mask = summary->slot_count - 1;
    if (summary->slot_count == 0)
        return NULL;
    for (size_t at = hash & mask; summary->slots[at] > 0; at = (at + 1) & mask) {
        struct summary_node *node = &summary->nodes[summary->slots[at] - 1];
        if (node->hash == hash && str_eq(buf_str(&node->id), id))
            return node;
    }
    return NULL;
}

const struct summary_node *summary_node_find(const struct summary *summary, struct str id)
{
    return find(summary, id, hash_of(summary, id));
}

struct summary_node *summary_node_take(struct summary *summary, struct str id)
{
    if (!summary->slots)
        grow(summary); // and draws the key
    uint64_t hash = hash_of(summary, id);
    struct summary_node *node = find(summary, id, hash);
    if (node || summary->node_count == SUMMARY_NODES_MAX)
        return node;
    if (summary->node_count == summary->node_room)
        grow(summary);
    node = &summary->nodes[summary->node_count];
    *node = (struct summary_node){.hash = hash};
    buf_append_str(&node->id, id);
    put_in_slot(summary, summary->node_count++);
    return node;
}

void summary_earlier_add(struct summary_node *node, const struct summary_attempt *attempt)
{
    if (node->earlier_count == SUMMARY_EARLIER_MAX) {
        node->earlier_count--;
        memmove(node->earlier, node->earlier + 1, node->earlier_count * sizeof(*node->earlier));
    } else {
        node->earlier = xrealloc(node->earlier, (node->earlier_count + 1) * sizeof(*node->earlier));
    }
    node->earlier[node->earlier_count++] = *attempt;
}

// --- Event types and milestones

struct summary_event_type *summary_event_type_take(struct summary *summary, struct str name)
{
    for (size_t i = 0; i < summary->event_type_count; i++) {
        if (str_eq(buf_str(&summary->event_types[i].name), name))
            return &summary->event_types[i];
    }
    if (summary->event_type_count == SUMMARY_EVENT_TYPES_MAX)
        return NULL;
    if (!summary->event_types)
        summary->event_types = xcalloc(SUMMARY_EVENT_TYPES_MAX, sizeof(*summary->event_types));
    struct summary_event_type *type = &summary->event_types[summary->event_type_count++];
    buf_append_str(&type->name, name);
    return type;
}

struct summary_milestone *summary_milestone_add(struct summary *summary)
{
    if (summary->milestones_kept == SUMMARY_MILESTONES_MAX)
        return NULL;
    if (summary->milestones_kept == summary->milestone_room) {
        summary->milestone_room = MAX(summary->milestone_room * 2, MILESTONES_MIN);
        summary->milestones = xrealloc(summary->milestones, summary->milestone_room * sizeof(*summary->milestones));
    }
    struct summary_milestone *milestone = &summary->milestones[summary->milestones_kept++];
    *milestone = (struct summary_milestone){0};
    return milestone;
}

// --- Sums

uint64_t summary_records(const struct summary *summary)
{
    uint64_t records = 0;
    for (unsigned i = 0; i < STREAM_COUNT; i++)
        records += summary->streams[i];
    return records;
}

uint64_t summary_untyped(const struct summary *summary)
{
    uint64_t typed = summary->other_events;
    for (size_t i = 0; i < summary->event_type_count; i++)
        typed += summary->event_types[i].count;
    return summary_records(summary) - typed;
}
