// What watchers and who hears news are told, by more than one thread of the store.
#include "store/postgres/postgres_private.h"

void postgres_publish(struct postgres_store *store, const struct store_change *changes, size_t count)
{
    pthread_mutex_lock(&store->publish_mutex);
    store_publish(&store->engine.base, changes, count);
    pthread_mutex_unlock(&store->publish_mutex);
}

void postgres_announce(struct postgres_store *store, const struct store_news *news)
{
    pthread_mutex_lock(&store->publish_mutex);
    store_announce(&store->engine.base, news);
    pthread_mutex_unlock(&store->publish_mutex);
}

void postgres_cond_init(pthread_cond_t *cond)
{
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(cond, &monotonic);
    pthread_condattr_destroy(&monotonic);
}
