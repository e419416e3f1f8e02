#include "fanout/places.h"

#include "util/map.h"

#include <pthread.h>

struct account_places {
    struct map_node node;
    int64_t account;
    uint64_t taken;
};

struct places {
    pthread_mutex_t mutex;
    struct map accounts; // those that have followers
};

struct places *places_new(void)
{
    struct places *places = xcalloc(1, sizeof(*places));
    pthread_mutex_init(&places->mutex, NULL);
    map_init(&places->accounts);
    return places;
}

static void account_drop(struct map_node *node, void *arg)
{
    (void)arg;
    free(CONTAINER_OF(node, struct account_places, node));
}

void places_free(struct places **places)
{
    struct places *gone = TAKE_PTR(*places);
    if (!gone)
        return;
    map_each(&gone->accounts, account_drop, NULL);
    map_release(&gone->accounts);
    pthread_mutex_destroy(&gone->mutex);
    free(gone);
}

static struct account_places *account_find(struct places *places, int64_t account)
{
    struct map_node *node = map_find(&places->accounts, str_n((const char *)&account, sizeof(account)));
    return node ? CONTAINER_OF(node, struct account_places, node) : NULL;
}

static struct account_places *account_add(struct places *places, int64_t account)
{
    struct account_places *added = xcalloc(1, sizeof(*added));
    added->account = account;
    map_insert(&places->accounts, &added->node, str_n((const char *)&added->account, sizeof(added->account)));
    return added;
}

bool places_take(struct places *places, int64_t account, uint64_t max)
{
    pthread_mutex_lock(&places->mutex);
    struct account_places *of = account_find(places, account);
    bool room = (of ? of->taken : 0) < max;
    if (room && !of)
        of = account_add(places, account);
    if (room)
        of->taken++;
    pthread_mutex_unlock(&places->mutex);
    return room;
}

void places_leave(struct places *places, int64_t account)
{
    pthread_mutex_lock(&places->mutex);
    struct account_places *of = account_find(places, account);
    if (of && --of->taken == 0) {
        map_remove(&places->accounts, &of->node);
        free(of);
    }
    pthread_mutex_unlock(&places->mutex);
}
