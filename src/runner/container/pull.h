// The pull of an image: its progress, as a bounded number of events, and its end.
#pragma once

#include "runner/container/container.h"
#include "runner/container/engine.h"

#define PULL_EVENTS_MAX 20 // of its progress
#define PULL_LINE_MAX   ((size_t)64 * 1024)

struct pull;

struct pull_events {
    void (*progress)(void *arg, const char *text);
    void (*ended)(void *arg, int err, const char *text); // 0: the image is there. `text` says why it is not
};
struct pull *pull_new(const struct engine *engine, const char *image, const struct pull_events *events, void *arg);
void pull_free(struct pull **pull); // ends it; allowed within `ended`
