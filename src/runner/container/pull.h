// The pull of an image, with the login that a file has for its registry: its progress, as a bounded number of events,
// and its end. Nothing of the login is in any text.
#pragma once

#include "runner/container/container.h"
#include "runner/container/engine.h"

#define PULL_EVENTS_MAX 20 // of its progress
#define PULL_LINE_MAX   ((size_t)64 * 1024)
#define PULL_IDLE_MS    300000 // a layer may take long to be unpacked, and nothing is said meanwhile

struct pull;

struct pull_events {
    void (*progress)(void *arg, const char *text);
    void (*ended)(void *arg, int err, const char *text); // 0: the image is there. `text` says why it is not
};
struct pull_options {
    const char *image;
    const char *registry_auth; // a file (registry.h), which is read now; NULL: there is none
    uint64_t idle_ms;          // how long nothing may come; 0: PULL_IDLE_MS
};
struct pull *pull_new(const struct engine *engine, const struct pull_options *options, const struct pull_events *events,
                      void *arg);
void pull_free(struct pull **pull); // ends it; allowed within `ended`
