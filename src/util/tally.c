#include "util/tally.h"

#define ID_LEN 24

struct counted {
    struct map_node node;
    uint64_t count;
    char name[];
};

void tally_init(struct tally *tally)
{
    map_init(&tally->by_name);
}

static void counted_free(struct map_node *node, void *arg)
{
    (void)arg;
    free(CONTAINER_OF(node, struct counted, node));
}

void tally_release(struct tally *tally)
{
    map_each(&tally->by_name, counted_free, NULL);
    map_release(&tally->by_name);
}

static struct counted *find(const struct tally *tally, struct str name)
{
    struct map_node *node = tally->by_name.count > 0 ? map_find(&tally->by_name, name) : NULL;
    return node ? CONTAINER_OF(node, struct counted, node) : NULL;
}

void tally_add(struct tally *tally, struct str name, uint64_t count)
{
    struct counted *counted = find(tally, name);
    if (!counted) {
        counted = xcalloc(1, sizeof(*counted) + name.len + 1);
        memcpy(counted->name, name.data, name.len);
        map_insert(&tally->by_name, &counted->node, str_n(counted->name, name.len));
    }
    counted->count = count > UINT64_MAX - counted->count ? UINT64_MAX : counted->count + count;
}

uint64_t tally_get(const struct tally *tally, struct str name)
{
    const struct counted *counted = find(tally, name);
    return counted ? counted->count : 0;
}

static struct str id_name(int64_t id, char out[ID_LEN])
{
    return str_n(out, (size_t)snprintf(out, ID_LEN, "%lld", (long long)id));
}

void tally_add_id(struct tally *tally, int64_t id, uint64_t count)
{
    char name[ID_LEN];
    tally_add(tally, id_name(id, name), count);
}

uint64_t tally_get_id(const struct tally *tally, int64_t id)
{
    char name[ID_LEN];
    return tally->by_name.count > 0 ? tally_get(tally, id_name(id, name)) : 0;
}

uint64_t tally_worth(uint64_t max)
{
    return MAX(max / 16, (uint64_t)1);
}

void tally_take(struct tally *tally, struct tally *from)
{
    struct map taken = from->by_name;
    tally_release(tally);
    from->by_name = tally->by_name;
    tally->by_name = taken;
}

struct visit {
    void (*each)(void *arg, struct str name, uint64_t count);
    void *arg;
};

static void visit_counted(struct map_node *node, void *arg)
{
    const struct counted *counted = CONTAINER_OF(node, struct counted, node);
    const struct visit *visit = arg;
    visit->each(visit->arg, node->key, counted->count);
}

void tally_each(const struct tally *tally, void (*each)(void *arg, struct str name, uint64_t count), void *arg)
{
    struct visit visit = {each, arg};
    map_each((struct map *)(uintptr_t)&tally->by_name, visit_counted, &visit);
}
