// Which workers are to take no more jobs because somebody asked for it. It outlives their connections: a worker that
// comes back hears it again. The dispatcher's; call with its mutex. At most DRAINS_MAX workers are remembered; the one
// that was asked about first is forgotten then.
#pragma once

#include "util/list.h"
#include "util/map.h"

#define DRAINS_MAX 4096

struct drains {
    struct map by_worker; // of struct drain_wish
    struct list_node all; // the same, the oldest first
};

void drains_init(struct drains *drains);
void drains_release(struct drains *drains);
void drains_set(struct drains *drains, int64_t account, struct str worker_id, bool on);
// Returns what was asked for last; `otherwise` if nothing is known.
bool drains_get(const struct drains *drains, int64_t account, struct str worker_id, bool otherwise);
