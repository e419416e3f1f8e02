#include "model/late.h"

#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

struct late_key late_key_of(struct str id, const struct record *record, uint32_t nth)
{
    // What has an id and what has none never have the same key by their form.
    struct {
        int64_t time_ms;
        uint64_t hash, len, nth;
    } own = {record->time_ms, record_hash(record), record->message.len, nth};
    XXH128_hash_t hash =
        id.len ? XXH3_128bits_withSeed(id.data, id.len, 1) : XXH3_128bits_withSeed(&own, sizeof(own), 2);
    XXH128_canonical_t canonical;
    struct late_key key;
    XXH128_canonicalFromHash(&canonical, hash);
    memcpy(key.bytes, canonical.digest, sizeof(key.bytes));
    return key;
}

bool late_key_equal(const struct late_key *a, const struct late_key *b)
{
    return memcmp(a->bytes, b->bytes, sizeof(a->bytes)) == 0;
}

// Sources count: a longer number is a larger one.
static int compare_ids(struct str a, struct str b)
{
    if (a.len == 0 || b.len == 0) // those without one come behind
        return (a.len == 0) - (b.len == 0);
    if (a.len != b.len)
        return a.len < b.len ? -1 : 1;
    return memcmp(a.data, b.data, a.len);
}

static int by_time(const void *left, const void *right)
{
    const struct late_event *a = left, *b = right;
    if (a->record.time_ms != b->record.time_ms)
        return a->record.time_ms < b->record.time_ms ? -1 : 1;
    int ids = compare_ids(a->id, b->id);
    return ids ? ids : (a->order > b->order) - (a->order < b->order);
}

void late_sort(struct late_event *events, size_t count)
{
    if (count > 1)
        qsort(events, count, sizeof(*events), by_time);
}

static int by_key(const void *left, const void *right)
{
    const struct late_event *a = *(const struct late_event *const *)left, *b = *(const struct late_event *const *)right;
    int keys = memcmp(a->key.bytes, b->key.bytes, sizeof(a->key.bytes));
    return keys ? keys : (a->order > b->order) - (a->order < b->order);
}

size_t late_unique(struct late_event *events, size_t count)
{
    CLEANUP(free_ptr) const struct late_event **sorted = xcalloc(count + 1, sizeof(struct late_event *));
    CLEANUP(free_ptr) bool *again = xcalloc(count + 1, sizeof(*again));
    for (size_t i = 0; i < count; i++)
        sorted[i] = &events[i];
    qsort(sorted, count, sizeof(struct late_event *), by_key);
    for (size_t i = 1; i < count; i++)
        again[sorted[i] - events] = late_key_equal(&sorted[i]->key, &sorted[i - 1]->key);
    return late_unknown(events, count, again);
}

size_t late_unknown(struct late_event *events, size_t count, const bool *known)
{
    size_t left = 0;
    for (size_t i = 0; i < count; i++)
        if (!known[i])
            events[left++] = events[i];
    return left;
}
