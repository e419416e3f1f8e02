// Buffered output to a descriptor. When the reader of a pipe has gone, writing goes on into nothing and `closed` tells.
#pragma once

#include "util/buf.h"

#include <pthread.h>

struct output {
    int fd;
    bool is_terminal;
    bool closed; // EPIPE
    int err;     // -errno of another failure, such as a full disk
    struct buf buf;
    pthread_mutex_t *lock; // of what several write to; NULL: nobody else does
};

void output_init(struct output *output, int fd);
void output_release(struct output *output); // does not flush
void output_flush(struct output *output);
void output_finish(
    struct output *output); // flushes, for the last time: what the file system tells only at a close counts
// Flushes when much has gathered; call it after appending to `buf`.
void output_advance(struct output *output);
bool output_ended(const struct output *output); // nothing that is written can arrive any more
