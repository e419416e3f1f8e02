#include "fanout/places.h"

#include <pthread.h>

struct account_places {
    struct map_node node;
    int64_t account;
    uint64_t taken;
};

struct places {
    pthread_mutex_t mutex;
    struct map accounts;    // those that have followers
    struct tally elsewhere; // what they have at other servers, as far as is known
};

struct places *places_new(void)
{
    struct places *places = xcalloc(1, sizeof(*places));
    pthread_mutex_init(&places->mutex, NULL);
    map_init(&places->accounts);
    tally_init(&places->elsewhere);
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
    tally_release(&gone->elsewhere);
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
    uint64_t elsewhere = tally_get_id(&places->elsewhere, account);
    bool room = elsewhere < max && (of ? of->taken : 0) < max - elsewhere;
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

struct counting {
    uint64_t least;
    struct tally *tally;
};

static void account_count(struct map_node *node, void *arg)
{
    const struct account_places *of = CONTAINER_OF(node, struct account_places, node);
    const struct counting *counting = arg;
    if (of->taken >= counting->least)
        tally_add_id(counting->tally, of->account, of->taken);
}

void places_tally(struct places *places, uint64_t max, struct tally *tally)
{
    struct counting counting = {tally_worth(max), tally};
    pthread_mutex_lock(&places->mutex);
    map_each(&places->accounts, account_count, &counting);
    pthread_mutex_unlock(&places->mutex);
}

void places_elsewhere(struct places *places, struct tally *elsewhere)
{
    pthread_mutex_lock(&places->mutex);
    tally_take(&places->elsewhere, elsewhere);
    pthread_mutex_unlock(&places->mutex);
}
