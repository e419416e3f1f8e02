#include "store/engine/engine.h"

#include "store/summary_cache.h"

void engine_init(struct engine *engine, const struct log_engine *log)
{
    engine->log = log;
    queues_init(&engine->queues);
    pthread_mutex_init(&engine->stats_mutex, NULL);
    pthread_mutex_init(&engine->base.watch_mutex, NULL);
}

void engine_release(struct engine *engine)
{
    free(engine->readers);
    summary_cache_free(&engine->summaries);
    queues_release(&engine->queues);
    pthread_mutex_destroy(&engine->stats_mutex);
    pthread_mutex_destroy(&engine->base.watch_mutex);
}

void engine_count(struct engine *engine, uint64_t *figure)
{
    pthread_mutex_lock(&engine->stats_mutex);
    ++*figure;
    pthread_mutex_unlock(&engine->stats_mutex);
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
    ret->commit_age_ns = queues_commit_age_ns(&engine->queues);
    pthread_mutex_unlock(&engine->queues.mutex);
}

void engine_submit(struct engine *engine, struct store_op *op)
{
    op->err = 0;
    op->submitted_ns = clock_mono_ns();
    if (queues_submit(&engine->queues, op, store_kinds[op->kind].commits))
        return;
    op->err = ERR_SHUTTING_DOWN;
    store_reply(op);
}

int engine_start(struct engine *engine, engine_thread_fn *writer, engine_thread_fn *reader, unsigned readers,
                 void *store)
{
    readers = MAX(1u, MIN(readers, (unsigned)ENGINE_READERS_MAX));
    if (pthread_create(&engine->writer, NULL, writer, store) != 0)
        return ERR_NOMEM;
    engine->writer_started = true;
    engine->queues.reader_max = readers;
    engine->readers = xcalloc(readers, sizeof(*engine->readers));
    for (; engine->reader_count < readers; engine->reader_count++)
        if (pthread_create(&engine->readers[engine->reader_count], NULL, reader, store) != 0)
            return ERR_NOMEM;
    return 0;
}

void engine_stop(struct engine *engine)
{
    queues_stop(&engine->queues);
    if (engine->writer_started)
        pthread_join(engine->writer, NULL);
    for (unsigned i = 0; i < engine->reader_count; i++)
        pthread_join(engine->readers[i], NULL);
    engine->writer_started = false;
    engine->reader_count = 0;
}
