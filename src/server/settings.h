// The part of a configuration that a reload may change. A settings object is never edited: a reload makes another one,
// and each shard changes to it when it hears of it. The old one is freed by the last reference. References may be taken
// and given back on any thread.
#pragma once

#include "api/api.h"
#include "server/config.h"

struct settings {
    struct api_limits limits; // its texts belong to the configuration
    uint64_t source_reorder_ms;
    size_t cache_bytes; // for all loops together
    _Atomic unsigned refs;
    struct config *owned; // may be NULL
};

// For a configuration that outlives it. The caller gets one reference.
struct settings *settings_new(const struct config *config);
// Does the same and takes over the configuration, which was made by xmalloc.
struct settings *settings_new_owning(struct config **config);
struct settings *settings_ref(struct settings *settings);
void settings_unref(struct settings **settings);
