#include "store/execution_cache.h"

#include "util/id.h"

#define KEY_MAX (sizeof(int64_t) + ID_EXECUTION_MAX)

struct execution_cache {
    const struct store *store;
    struct map by_id;
    struct list_node least_recent_first;
    size_t max;
};

struct execution_cache *execution_cache_new(const struct store *store, size_t max)
{
    struct execution_cache *cache = xcalloc(1, sizeof(*cache));
    cache->store = store;
    cache->max = max;
    map_init(&cache->by_id);
    list_init(&cache->least_recent_first);
    return cache;
}

void kept_execution_unref(struct kept_execution **kept_ptr)
{
    if (!*kept_ptr)
        return;
    struct kept_execution *kept = TAKE_PTR(*kept_ptr);
    if (--kept->refs > 0)
        return;
    execution_release(&kept->execution);
    free(kept->key);
    free(kept);
}

static void drop(struct execution_cache *cache, struct kept_execution *kept)
{
    map_remove(&cache->by_id, &kept->by_id);
    list_remove(&kept->order);
    kept_execution_unref(&kept);
}

void execution_cache_free(struct execution_cache **cache_ptr)
{
    if (!*cache_ptr)
        return;
    struct execution_cache *cache = TAKE_PTR(*cache_ptr);
    LIST_FOR_EACH_SAFE(node, next, &cache->least_recent_first)
        drop(cache, CONTAINER_OF(node, struct kept_execution, order));
    map_release(&cache->by_id);
    free(cache);
}

static struct str key_of(int64_t account, struct str execution_id, char out[KEY_MAX])
{
    size_t len = MIN(execution_id.len, (size_t)ID_EXECUTION_MAX);
    memcpy(out, &account, sizeof(account));
    if (len > 0)
        memcpy(out + sizeof(account), execution_id.data, len);
    return str_n(out, sizeof(account) + len);
}

static struct kept_execution *look_up(struct execution_cache *cache, struct str key)
{
    struct map_node *node = map_find(&cache->by_id, key);
    return node ? CONTAINER_OF(node, struct kept_execution, by_id) : NULL;
}

struct kept_execution *execution_cache_find(struct execution_cache *cache, int64_t account, struct str execution_id)
{
    char key[KEY_MAX];
    struct kept_execution *kept = look_up(cache, key_of(account, execution_id, key));
    if (!kept)
        return NULL;
    if (store_version(cache->store, kept->execution.row) != kept->version) {
        drop(cache, kept);
        return NULL;
    }
    list_remove(&kept->order);
    list_push_back(&cache->least_recent_first, &kept->order);
    kept->refs++;
    return kept;
}

static size_t text_len(const struct execution *execution)
{
    const char *const texts[] = {execution->execution_id, execution->owner,         execution->script_filename,
                                 execution->runtime,      execution->worker_id,     execution->worker_hostname,
                                 execution->workflow_id,  execution->batch_id,      execution->command_json,
                                 execution->image,        execution->metadata_json, execution->details_json,
                                 execution->result_json,  execution->args_json,     execution->name};
    size_t len = 0;
    for (size_t i = 0; i < ARRAY_LEN(texts); i++)
        len += texts[i] ? strlen(texts[i]) : 0;
    return len;
}

static void insert(struct execution_cache *cache, struct kept_execution *kept)
{
    char key[KEY_MAX];
    struct str text = key_of(kept->execution.account, str_of(kept->execution.execution_id), key);
    struct kept_execution *older = look_up(cache, text);
    if (older)
        drop(cache, older);
    if (cache->by_id.count >= cache->max)
        drop(cache, CONTAINER_OF(cache->least_recent_first.next, struct kept_execution, order));
    kept->key = str_dup(text);
    kept->refs++;
    map_insert(&cache->by_id, &kept->by_id, str_n(kept->key, text.len));
    list_push_back(&cache->least_recent_first, &kept->order);
}

struct kept_execution *execution_cache_keep(struct execution_cache *cache, struct store_get *got)
{
    struct kept_execution *kept = xcalloc(1, sizeof(*kept));
    kept->refs = 1;
    kept->execution = got->ret_execution;
    got->ret_execution = (struct execution){0};
    kept->version = got->ret_version;
    list_init(&kept->order);
    // An entry with an odd version, or with one that has passed, would never be served.
    if (store_version(cache->store, kept->execution.row) == kept->version && kept->version % 2 == 0 &&
        text_len(&kept->execution) <= EXECUTION_CACHE_TEXT_MAX)
        insert(cache, kept);
    return kept;
}
