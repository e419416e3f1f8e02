// Removes content that nothing refers to any more: blobs of which no execution has a file, content that no blob names
// because something died in between, and interrupted uploads; each once it has lain for a day. One for each server, on
// the main loop. Several servers of a store may do it at the same time. See docs/internals/artifacts.md.
#pragma once

#include "blob/blob.h"
#include "metrics/metrics.h"
#include "store/store.h"
#include "util/log.h"

struct blob_sweep;

struct blob_sweep_options {
    struct loop *loop; // its own
    struct store *store;
    struct blob_store *blobs;
    struct metrics *metrics;
    const struct logger *logger;
};

struct blob_sweep *blob_sweep_new(const struct blob_sweep_options *options);
void blob_sweep_free(struct blob_sweep **sweep); // after blob_sweep_stop, and after the loop has ended
void blob_sweep_start(struct blob_sweep *sweep);
void blob_sweep_stop(struct blob_sweep *sweep);
