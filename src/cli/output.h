// Buffered output to a descriptor. When the reader of a pipe is gone, writing does nothing, and `closed` tells.
#pragma once

#include "util/buf.h"

#include <pthread.h>

struct output {
    int fd;
    bool is_terminal;
    bool closed; // the reader is gone (EPIPE)
    int err;     // -errno of another failure, such as a full disk
    struct buf buf;
    pthread_mutex_t *lock; // for a descriptor that several write to; NULL: nobody else does
};

void output_init(struct output *output, int fd);
void output_release(struct output *output); // does not flush
void output_flush(struct output *output);
// Flushes for the last time. Also reports what the file system reports only at a close.
void output_finish(struct output *output);
// Flushes when there is much in the buffer. Call it after appending to `buf`.
void output_advance(struct output *output);
// The size of the terminal that `fd` is, in characters; 0 and 0 if it is none, or does not tell.
void output_terminal_size(int fd, size_t *ret_width, size_t *ret_height);
bool output_ended(const struct output *output); // true if nothing that is written can arrive any more
