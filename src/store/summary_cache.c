#include "store/summary_cache.h"

#include "util/list.h"
#include "util/map.h"

#include <pthread.h>
#include <stdatomic.h>

#define HELD_SLOTS    4096
#define BUDGET_SERVER INT64_C(-1) // the account that the cache's memory counts for

struct entry {
    struct map_node node;
    struct list_node order; // the front is the least recently used
    struct list_node due;   // in the list of those; zeroed: `encoded` is empty
    int64_t row;            // key of the map
    struct summary summary;
    size_t bytes;
    uint64_t since; // what was counted since it was encoded last; see SUMMARY_DUE_
    size_t stored;  // bytes that it had then
    bool foreign;   // it is not to be stored
    struct buf encoded;
    uint64_t encoded_next;
};

struct fed {
    struct list_node node;
    int64_t row;
    uint64_t first;
    struct chunk *chunk; // NULL: the execution is purged
};

struct summary_cache {
    size_t max;
    struct budget_account *account; // NULL: not counted
    struct summary_cache_owner owner;
    // How many entries there are by a hash of their row. The feeding thread looks at it without a lock; a number too
    // many makes it feed in vain.
    _Atomic uint16_t held[HELD_SLOTS];

    pthread_mutex_t mutex; // of the entries; the folding thread has it while it folds a chunk
    struct map entries;
    struct list_node order, due;
    size_t bytes;
    _Atomic size_t due_count;

    pthread_mutex_t queue_mutex;
    pthread_cond_t wake, settled;
    struct list_node queue;
    size_t queue_bytes;
    bool folding, stopping;
    pthread_t thread;
};

// --- Entries. The mutex is held.

static struct str key_of(const int64_t *row)
{
    return str_n((const char *)row, sizeof(*row));
}

static _Atomic uint16_t *held_slot(struct summary_cache *cache, int64_t row)
{
    return &cache->held[(uint64_t)row % HELD_SLOTS];
}

static struct entry *entry_find(struct summary_cache *cache, int64_t row)
{
    struct map_node *node = map_find(&cache->entries, key_of(&row));
    if (!node)
        return NULL;
    struct entry *entry = CONTAINER_OF(node, struct entry, node);
    list_remove(&entry->order);
    list_push_back(&cache->order, &entry->order);
    return entry;
}

static void entry_resize(struct summary_cache *cache, struct entry *entry, size_t bytes)
{
    if (bytes > entry->bytes)
        budget_charge(cache->account, BUDGET_cache, bytes - entry->bytes);
    else
        budget_give(cache->account, BUDGET_cache, entry->bytes - bytes);
    cache->bytes = cache->bytes - entry->bytes + bytes;
    entry->bytes = bytes;
}

// What was to be stored of it, which is the caller's then; empty: nothing.
static struct buf entry_take_encoded(struct summary_cache *cache, struct entry *entry)
{
    struct buf encoded = entry->encoded;
    if (encoded.len > 0) {
        list_remove(&entry->due);
        atomic_fetch_sub_explicit(&cache->due_count, 1, memory_order_relaxed);
    }
    entry->encoded = (struct buf){0};
    return encoded;
}

static void entry_forget_encoded(struct summary_cache *cache, struct entry *entry)
{
    struct buf encoded = entry_take_encoded(cache, entry);
    buf_release(&encoded);
}

static void entry_drop(struct summary_cache *cache, struct entry *entry)
{
    entry_forget_encoded(cache, entry);
    entry_resize(cache, entry, 0);
    map_remove(&cache->entries, &entry->node);
    list_remove(&entry->order);
    atomic_fetch_sub_explicit(held_slot(cache, entry->row), 1, memory_order_relaxed);
    summary_release(&entry->summary);
    free(entry);
}

static struct entry *entry_new(struct summary_cache *cache, int64_t row)
{
    struct entry *entry = xcalloc(1, sizeof(*entry));
    entry->row = row;
    summary_init(&entry->summary, 0);
    map_insert(&cache->entries, &entry->node, key_of(&entry->row));
    list_push_back(&cache->order, &entry->order);
    atomic_fetch_add_explicit(held_slot(cache, row), 1, memory_order_relaxed);
    return entry;
}

// Returns whether it has become due.
static bool entry_weigh(struct summary_cache *cache, struct entry *entry, size_t weight)
{
    entry->foreign = entry->foreign || weight == SUMMARY_FOREIGN;
    if (entry->foreign)
        return false;
    entry->since += weight;
    if (entry->since < MAX((uint64_t)SUMMARY_DUE_BYTES, (uint64_t)entry->stored * SUMMARY_DUE_FACTOR))
        return false;
    entry_forget_encoded(cache, entry);
    summary_encode(&entry->summary, &entry->encoded);
    entry->encoded_next = entry->summary.next;
    entry->stored = entry->encoded.len;
    entry->since = 0;
    list_push_back(&cache->due, &entry->due);
    atomic_fetch_add_explicit(&cache->due_count, 1, memory_order_relaxed);
    return true;
}

// Its summary has changed, and so much was counted. Returns whether something has become due.
static bool entry_changed(struct summary_cache *cache, struct entry *entry, size_t weight)
{
    bool due = entry_weigh(cache, entry, weight);
    entry_resize(cache, entry, sizeof(*entry) + summary_memory(&entry->summary) + entry->encoded.len);
    while (cache->bytes > cache->max && !list_empty(&cache->order))
        entry_drop(cache, CONTAINER_OF(cache->order.next, struct entry, order));
    return due;
}

// --- Asking

bool summary_cache_get(struct summary_cache *cache, int64_t row, struct summary *ret)
{
    pthread_mutex_lock(&cache->mutex);
    const struct entry *entry = entry_find(cache, row);
    if (entry)
        summary_copy(&entry->summary, ret);
    pthread_mutex_unlock(&cache->mutex);
    return entry;
}

size_t summary_weight(const struct summary *summary, const struct chunk *chunk, uint64_t first)
{
    size_t raw = chunk_raw(chunk);
    return summary_wants_open(summary, chunk, first) ? raw : raw / SUMMARY_CLOSED_WEIGHT;
}

static void tell_due(struct summary_cache *cache, bool due)
{
    if (due && cache->owner.due)
        cache->owner.due(cache->owner.arg);
}

void summary_cache_put(struct summary_cache *cache, int64_t row, const struct summary *summary, size_t weight)
{
    bool due = false;
    pthread_mutex_lock(&cache->mutex);
    struct entry *entry = entry_find(cache, row);
    if (!entry || entry->summary.next < summary->next) {
        entry = entry ? entry : entry_new(cache, row);
        summary_release(&entry->summary);
        summary_copy(summary, &entry->summary);
        due = entry_changed(cache, entry, weight);
    }
    pthread_mutex_unlock(&cache->mutex);
    tell_due(cache, due);
}

bool summary_cache_is_due(struct summary_cache *cache)
{
    return atomic_load_explicit(&cache->due_count, memory_order_relaxed) > 0;
}

bool summary_cache_take_due(struct summary_cache *cache, struct summary_due *ret)
{
    pthread_mutex_lock(&cache->mutex);
    bool found = !list_empty(&cache->due);
    if (found) {
        struct entry *entry = CONTAINER_OF(cache->due.next, struct entry, due);
        *ret = (struct summary_due){entry->row, entry->encoded_next, entry_take_encoded(cache, entry)};
        entry_resize(cache, entry, entry->bytes - ret->encoded.len);
    }
    pthread_mutex_unlock(&cache->mutex);
    return found;
}

// --- Folding

// What the owner is to be told of it.
struct folded {
    bool due, behind;
};

static struct folded fold(struct summary_cache *cache, const struct fed *fed)
{
    struct entry *entry = entry_find(cache, fed->row);
    if (!fed->chunk) {
        if (entry)
            entry_drop(cache, entry);
        return (struct folded){0};
    }
    // A log that began earlier is taken up when somebody asks for it.
    if (!entry && (fed->first > 0 || chunk_extra_count(fed->chunk) == 0))
        return (struct folded){0};
    entry = entry ? entry : entry_new(cache, fed->row);
    size_t weight = summary_weight(&entry->summary, fed->chunk, fed->first);
    int err = summary_add(&entry->summary, fed->chunk, fed->first);
    return (struct folded){.due = err == 0 && entry_changed(cache, entry, weight), .behind = err == ERR_GAP};
}

static void tell_folded(struct summary_cache *cache, int64_t row, struct folded folded)
{
    tell_due(cache, folded.due);
    if (folded.behind && cache->owner.behind)
        cache->owner.behind(cache->owner.arg, row);
}

static void fed_free(struct fed *fed)
{
    chunk_unref(&fed->chunk);
    free(fed);
}

// The queue's mutex is held. Returns NULL when it is time to stop.
static struct fed *next_fed(struct summary_cache *cache)
{
    while (list_empty(&cache->queue) && !cache->stopping) {
        pthread_cond_broadcast(&cache->settled);
        pthread_cond_wait(&cache->wake, &cache->queue_mutex);
    }
    if (cache->stopping)
        return NULL;
    struct fed *fed = CONTAINER_OF(cache->queue.next, struct fed, node);
    list_remove(&fed->node);
    return fed;
}

static void *folder_main(void *arg)
{
    struct summary_cache *cache = arg;
    struct fed *fed;
    pthread_mutex_lock(&cache->queue_mutex);
    while ((fed = next_fed(cache))) {
        size_t bytes = fed->chunk ? chunk_memory(fed->chunk) : 0;
        cache->folding = true;
        pthread_mutex_unlock(&cache->queue_mutex);
        pthread_mutex_lock(&cache->mutex);
        struct folded folded = fold(cache, fed);
        pthread_mutex_unlock(&cache->mutex);
        tell_folded(cache, fed->row, folded);
        fed_free(fed);
        pthread_mutex_lock(&cache->queue_mutex);
        cache->folding = false;
        cache->queue_bytes -= bytes;
    }
    pthread_mutex_unlock(&cache->queue_mutex);
    return NULL;
}

static bool is_wanted(struct summary_cache *cache, const struct store_change *change)
{
    bool held = atomic_load_explicit(held_slot(cache, change->row), memory_order_relaxed) > 0;
    if (!change->chunk)
        return change->purged && held;
    return held || (change->first == 0 && chunk_extra_count(change->chunk) > 0);
}

// The queue's mutex is held. An execution of which something is left out stays where it is until somebody asks.
static void push(struct summary_cache *cache, const struct store_change *change)
{
    size_t bytes = change->chunk ? chunk_memory(change->chunk) : 0;
    if (cache->queue_bytes + bytes > SUMMARY_CACHE_QUEUE)
        return;
    struct fed *fed = xcalloc(1, sizeof(*fed));
    fed->row = change->row;
    fed->first = change->first;
    fed->chunk = change->chunk && !change->purged ? chunk_ref(change->chunk) : NULL;
    cache->queue_bytes += bytes;
    list_push_back(&cache->queue, &fed->node);
}

void summary_cache_feed(struct summary_cache *cache, const struct store_change *changes, size_t count)
{
    bool locked = false;
    for (size_t i = 0; i < count; i++) {
        if (!is_wanted(cache, &changes[i]))
            continue;
        if (!locked)
            pthread_mutex_lock(&cache->queue_mutex);
        locked = true;
        push(cache, &changes[i]);
    }
    if (!locked)
        return;
    pthread_cond_signal(&cache->wake);
    pthread_mutex_unlock(&cache->queue_mutex);
}

void summary_cache_settle(struct summary_cache *cache)
{
    pthread_mutex_lock(&cache->queue_mutex);
    while (!list_empty(&cache->queue) || cache->folding)
        pthread_cond_wait(&cache->settled, &cache->queue_mutex);
    pthread_mutex_unlock(&cache->queue_mutex);
}

// --- Making

struct summary_cache *summary_cache_new(struct budget *budget, size_t max, const struct summary_cache_owner *owner)
{
    struct summary_cache *cache = xcalloc(1, sizeof(*cache));
    cache->max = max;
    if (owner)
        cache->owner = *owner;
    list_init(&cache->due);
    map_init(&cache->entries);
    list_init(&cache->order);
    list_init(&cache->queue);
    pthread_mutex_init(&cache->mutex, NULL);
    pthread_mutex_init(&cache->queue_mutex, NULL);
    pthread_cond_init(&cache->wake, NULL);
    pthread_cond_init(&cache->settled, NULL);
    if (pthread_create(&cache->thread, NULL, folder_main, cache) != 0) {
        map_release(&cache->entries);
        free(cache);
        return NULL;
    }
    cache->account = budget_account(budget, BUDGET_SERVER);
    return cache;
}

void summary_cache_free(struct summary_cache **cache)
{
    if (!*cache)
        return;
    struct summary_cache *gone = TAKE_PTR(*cache);
    pthread_mutex_lock(&gone->queue_mutex);
    gone->stopping = true;
    pthread_cond_signal(&gone->wake);
    pthread_mutex_unlock(&gone->queue_mutex);
    pthread_join(gone->thread, NULL);
    LIST_FOR_EACH_SAFE(it, next, &gone->queue)
        fed_free(CONTAINER_OF(it, struct fed, node));
    while (!list_empty(&gone->order))
        entry_drop(gone, CONTAINER_OF(gone->order.next, struct entry, order));
    budget_account_unref(&gone->account);
    map_release(&gone->entries);
    pthread_mutex_destroy(&gone->mutex);
    pthread_mutex_destroy(&gone->queue_mutex);
    pthread_cond_destroy(&gone->wake);
    pthread_cond_destroy(&gone->settled);
    free(gone);
}
