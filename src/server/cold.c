#include "server/cold.h"

#include "blob/s3/s3.h"
#include "server/artifacts.h"
#include "util/clock.h"

#define WAITING_MAX  1024 // reads
#define MEMORY_MAX   ((uint64_t)128 * 1024 * 1024)
#define MEMORY_LEAST ((uint64_t)16 * 1024 * 1024) // more than one query wants
#define PART         8                            // of memory_max

struct cold {
    struct cold_options options;
    struct cold_mover *mover;
};

static uint64_t after_of(const struct config *config)
{
    int64_t after_ms = 0;
    (void)duration_parse(str_of(config->cold_after), &after_ms); // it was checked when it was set
    return (uint64_t)after_ms;
}

static size_t memory_of(uint64_t memory_max)
{
    return (size_t)MIN(MEMORY_MAX, MAX(MEMORY_LEAST, memory_max / PART));
}

static int read_range(void *arg, const char *object, uint64_t at, size_t len, struct buf *ret)
{
    struct object_store *objects = arg;
    char reason[BLOB_REASON_MAX + 1];
    return objects->vtable->get(objects, object, at, len, ret, reason);
}

int cold_open(const struct config *config, const struct cold_given *given, struct cold **ret, struct buf *ret_error)
{
    struct object_store *objects;
    *ret = NULL;
    if (!config->cold[0] && after_of(config) > 0) {
        buf_append_text(ret_error, "cold_after needs cold, which says where logs are moved");
        return ERR_INVALID;
    }
    if (!config->cold[0])
        return 0;
    int err = artifacts_open_objects(config, given->logger, given->metrics, &objects, ret_error);
    if (err)
        return err;
    struct cold *cold = xcalloc(1, sizeof(*cold));
    size_t memory = memory_of(given->memory_max);
    cold->options = (struct cold_options){
        .store = given->store,
        .objects = objects,
        .node = given->node,
        .node_arg = given->node_arg,
        .metrics = given->metrics,
        .logger = given->logger,
        .after_ms = after_of(config),
        .orphan_ms = COLD_ORPHAN_MS,
    };
    *ret = cold;
    return store_cold_serve(given->store, &(struct store_cold_source){
                                              .read = read_range,
                                              .arg = objects,
                                              .threads = (unsigned)config->cold_connections,
                                              .waiting_max = WAITING_MAX,
                                              .memory_max = memory,
                                              .cache_max = MIN((size_t)config->cold_cache_bytes, memory / 2),
                                              .metrics = given->metrics,
                                              .logger = given->logger,
                                          });
}

int cold_start(struct cold *cold)
{
    return cold ? cold_mover_start(&cold->options, &cold->mover) : 0;
}

void cold_stop_moving(struct cold *cold)
{
    if (!cold)
        return;
    cold->options.objects->vtable->stop(cold->options.objects);
    cold_mover_free(&cold->mover);
}

void cold_close(struct cold **cold)
{
    struct cold *it = TAKE_PTR(*cold);
    if (!it)
        return;
    object_store_free(&it->options.objects);
    free(it);
}

struct object_store *cold_objects(const struct cold *cold)
{
    return cold ? cold->options.objects : NULL;
}
