// The entries of the log cache: one chunk each, with its encoded forms, in the order of a topic's records.
#include "fanout/fanout_private.h"

#define INDEX_LOOK_BACK 16

static void entry_account(struct entry *entry, size_t bytes)
{
    struct fanout *fanout = entry->topic->fanout;
    entry->bytes += bytes;
    fanout->cache_bytes += bytes;
    metrics_add(fanout->options.metrics, fanout->options.shard, METRIC_cache_bytes, (int64_t)bytes);
    budget_charge(entry->topic->account, BUDGET_cache, bytes);
    if (fanout->cache_bytes > fanout->options.cache_bytes)
        loop_defer(fanout->options.loop, &fanout->evict);
}

static void entry_free(struct entry *entry)
{
    struct fanout *fanout = entry->topic->fanout;
    fanout->cache_bytes -= entry->bytes;
    metrics_add(fanout->options.metrics, fanout->options.shard, METRIC_cache_bytes, -(int64_t)entry->bytes);
    budget_give(entry->topic->account, BUDGET_cache, entry->bytes);
    list_remove(&entry->by_use);
    for (size_t i = 0; i < FORMAT_COUNT; i++)
        encoded_free(&entry->encoded[i]);
    chunk_unref(&entry->chunk);
    free(entry);
}

void entry_used(struct entry *entry)
{
    struct fanout *fanout = entry->topic->fanout;
    list_remove(&entry->by_use);
    list_push_back(&fanout->entries, &entry->by_use);
}

void entry_set_encoded(struct entry *entry, enum follow_format format, struct encoded *encoded)
{
    entry->encoded[format] = encoded;
    entry_account(entry, encoded_memory(encoded));
}

static void entry_weigh(struct entry *entry)
{
    size_t bytes = chunk_is_open(entry->chunk) ? chunk_raw(entry->chunk) : chunk_memory(entry->chunk);
    entry->ahead_bytes = MAX(bytes, (size_t)(FETCH_BYTES / AHEAD_ENTRIES_MAX));
}

bool entry_open(struct entry *entry)
{
    if (chunk_is_open(entry->chunk))
        return true;
    size_t before = chunk_memory(entry->chunk);
    if (chunk_open(&entry->chunk) < 0)
        return false;
    entry_account(entry, chunk_memory(entry->chunk) - before);
    entry_weigh(entry);
    return true;
}

const struct encoded *entry_encode(struct entry *entry, enum follow_format format)
{
    if (!entry->encoded[format])
        entry_set_encoded(
            entry, format,
            encoded_new(entry->chunk, entry->first, str_of(entry->topic->execution.execution_id), format));
    return entry->encoded[format];
}

// Returns the index of the last entry that begins at or before `sequence`, or entry_count if there is none.
static size_t topic_index(const struct topic *topic, uint64_t sequence)
{
    size_t low = 0, high = topic->entry_count;
    for (size_t i = high; i > 0 && i + INDEX_LOOK_BACK > high; i--) // most followers are near the end
        if (topic->entries[i - 1]->first <= sequence)
            return i - 1;
    if (high && topic->entries[0]->first == sequence)
        return 0; // entries are evicted at the start
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (topic->entries[middle]->first <= sequence)
            low = middle + 1;
        else
            high = middle;
    }
    return low ? low - 1 : topic->entry_count;
}

struct entry *topic_find(struct topic *topic, uint64_t sequence)
{
    size_t i = topic_index(topic, sequence);
    if (i == topic->entry_count)
        return NULL;
    struct entry *entry = topic->entries[i];
    return sequence < entry->first + entry->count ? entry : NULL;
}

static void topic_cut(struct topic *topic, size_t from, size_t count)
{
    if (count == 0)
        return; // the array may not exist yet
    for (size_t i = from; i < from + count; i++)
        entry_free(topic->entries[i]);
    topic->entry_count -= count;
    if (from == 0)
        topic->entries += count;
    else
        memmove(topic->entries + from, topic->entries + from + count,
                (topic->entry_count - from) * sizeof(struct entry *));
}

// Makes room for one more entry.
static void topic_make_room(struct topic *topic)
{
    size_t in_front = (size_t)(topic->entries - topic->entry_block);
    if (in_front + topic->entry_count < topic->entry_capacity)
        return;
    if (in_front > topic->entry_count) { // more than half of the block is free
        memmove(topic->entry_block, topic->entries, topic->entry_count * sizeof(struct entry *));
        topic->entries = topic->entry_block;
        return;
    }
    topic->entry_capacity = MAX((size_t)16, topic->entry_capacity * 2);
    topic->entry_block = xrealloc(topic->entry_block, topic->entry_capacity * sizeof(struct entry *));
    topic->entries = topic->entry_block + in_front;
}

struct entry *topic_put(struct topic *topic, uint64_t first, struct chunk *chunk)
{
    uint64_t end = first + chunk_count(chunk);
    size_t at = topic_index(topic, first);

    if (at == topic->entry_count)
        at = 0;
    else if (topic->entries[at]->first + topic->entries[at]->count <= first)
        at++;
    size_t overlapping = 0;
    while (at + overlapping < topic->entry_count && topic->entries[at + overlapping]->first < end)
        overlapping++;
    topic_cut(topic, at, overlapping);

    topic_make_room(topic);
    memmove(topic->entries + at + 1, topic->entries + at, (topic->entry_count - at) * sizeof(struct entry *));
    struct entry *entry = xcalloc(1, sizeof(*entry));
    *entry = (struct entry){.topic = topic, .first = first, .count = chunk_count(chunk), .chunk = chunk_ref(chunk)};
    topic->entries[at] = entry;
    topic->entry_count++;
    list_push_back(&topic->fanout->entries, &entry->by_use);
    entry_account(entry, sizeof(*entry) + chunk_memory(chunk));
    entry_weigh(entry);
    return entry;
}

bool entry_pinned(const struct entry *entry)
{
    for (size_t i = 0; i < FORMAT_COUNT; i++)
        if (entry->encoded[i] && entry->encoded[i]->payload->refs > 1)
            return true;
    return false;
}

void topic_remove(struct entry *entry)
{
    topic_cut(entry->topic, topic_index(entry->topic, entry->first), 1);
}

void topic_cut_front(struct topic *topic, uint64_t first)
{
    size_t count = 0;
    topic->execution.first_sequence = MAX(topic->execution.first_sequence, first);
    while (count < topic->entry_count && topic->entries[count]->first + topic->entries[count]->count <= first)
        count++;
    topic_cut(topic, 0, count);
}

void topic_clear(struct topic *topic)
{
    topic_cut(topic, 0, topic->entry_count);
}
