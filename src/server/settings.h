// What of a configuration is in force and may be changed by a reload. Never edited: a reload makes another one, and
// each shard goes over to it when it hears of it. The old one goes with the last who holds it. References may be taken
// and given back on any thread.
#pragma once

#include "api/api.h"
#include "server/config.h"

struct settings {
    struct api_limits limits; // its texts are those of the configuration
    size_t cache_bytes;       // of all loops together
    _Atomic unsigned refs;
    struct config *owned; // or NULL
};

// Of a configuration that outlives it. One reference.
struct settings *settings_new(const struct config *config);
// The same, and the configuration, which xmalloc made, is its own from then on.
struct settings *settings_new_owning(struct config **config);
struct settings *settings_ref(struct settings *settings);
void settings_unref(struct settings **settings);
