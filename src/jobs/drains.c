#include "jobs/drains.h"

#include "util/buf.h"

struct drain_wish {
    struct map_node node;
    struct list_node link;
    struct buf key; // the account, then the worker's id
    bool on;
};

static void append_key(struct buf *out, int64_t account, struct str worker_id)
{
    buf_append(out, &account, sizeof(account));
    buf_append_str(out, worker_id);
}

static struct drain_wish *find(const struct drains *drains, int64_t account, struct str worker_id)
{
    CLEANUP(buf_release) struct buf key = {0};
    append_key(&key, account, worker_id);
    struct map_node *node = map_find(&drains->by_worker, buf_str(&key));
    return node ? CONTAINER_OF(node, struct drain_wish, node) : NULL;
}

static void forget(struct drains *drains, struct drain_wish *wish)
{
    map_remove(&drains->by_worker, &wish->node);
    list_remove(&wish->link);
    buf_release(&wish->key);
    free(wish);
}

void drains_init(struct drains *drains)
{
    map_init(&drains->by_worker);
    list_init(&drains->all);
}

void drains_release(struct drains *drains)
{
    LIST_FOR_EACH_SAFE(it, tmp, &drains->all)
        forget(drains, CONTAINER_OF(it, struct drain_wish, link));
    map_release(&drains->by_worker);
}

void drains_set(struct drains *drains, int64_t account, struct str worker_id, bool on)
{
    struct drain_wish *wish = find(drains, account, worker_id);
    if (wish) {
        wish->on = on;
        return;
    }
    if (drains->by_worker.count >= DRAINS_MAX)
        forget(drains, CONTAINER_OF(drains->all.next, struct drain_wish, link));
    wish = xcalloc(1, sizeof(*wish));
    wish->on = on;
    append_key(&wish->key, account, worker_id);
    map_insert(&drains->by_worker, &wish->node, buf_str(&wish->key));
    list_push_back(&drains->all, &wish->link);
}

bool drains_get(const struct drains *drains, int64_t account, struct str worker_id, bool otherwise)
{
    const struct drain_wish *wish = find(drains, account, worker_id);
    return wish ? wish->on : otherwise;
}
