// The cold tier: bodies of old chunks in S3, by the settings cold, cold_after and s3_…, of the start.
#pragma once

#include "blob/objects.h"
#include "retention/cold.h"
#include "server/config.h"

struct cold; // all of it
struct cold_given {
    struct store *store;
    int64_t (*node)(void *arg);
    void *node_arg;
    uint64_t memory_max; // of the whole server
    struct metrics *metrics;
    const struct logger *logger;
};

// Lets the store read what is there; asks nobody. *ret is NULL without the setting.
int cold_open(const struct config *config, const struct cold_given *given, struct cold **ret, struct buf *ret_error);
int cold_start(struct cold *cold);                          // moving; NULL is fine
void cold_stop_moving(struct cold *cold);                   // before the store is stopped; NULL is fine
void cold_close(struct cold **cold);                        // when the store has gone
struct object_store *cold_objects(const struct cold *cold); // NULL for NULL
