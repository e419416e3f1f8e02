#include "store/engine/engine.h"

#include "store/summary_cache.h"

void engine_init(struct engine *engine, const struct log_engine *log)
{
    engine->log = log;
    queues_init(&engine->queues);
    pthread_mutex_init(&engine->stats_mutex, NULL);
}

void engine_release(struct engine *engine)
{
    summary_cache_free(&engine->summaries);
    queues_release(&engine->queues);
    pthread_mutex_destroy(&engine->stats_mutex);
}

void engine_count_read(struct engine *engine, uint64_t ns)
{
    pthread_mutex_lock(&engine->stats_mutex);
    engine->stats.read_ns_sum += ns;
    engine->stats.read_buckets[store_bucket(ns)]++;
    pthread_mutex_unlock(&engine->stats_mutex);
}

void engine_stats(struct engine *engine, struct store_stats *ret)
{
    pthread_mutex_lock(&engine->stats_mutex);
    *ret = engine->stats;
    pthread_mutex_unlock(&engine->stats_mutex);
    pthread_mutex_lock(&engine->queues.mutex);
    ret->queue = engine->queues.writer.count;
    pthread_mutex_unlock(&engine->queues.mutex);
}
