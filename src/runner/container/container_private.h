// The inside of a container. Only for this folder.
#pragma once

#include "runner/container/container.h"
#include "runner/container/engine.h"
#include "runner/container/frames.h"
#include "runner/container/pull.h"

enum container_phase {
    CONTAINER_CREATING,
    CONTAINER_PULLING,
    CONTAINER_ATTACHING,
    CONTAINER_STARTING,
    CONTAINER_RUNNING,
    CONTAINER_ENDING,  // its program has ended; its stream has not
    CONTAINER_LOOKING, // at how it ended
    CONTAINER_REMOVING,
    CONTAINER_GONE,
};

struct container {
    const struct container_events *events;
    void *arg;
    struct engine engine;
    char *socket, *image;
    struct buf body; // of the question that makes it
    enum container_phase phase;
    char *id; // NULL until it is made

    struct engine_call *call; // the step that is under way
    struct pull *pull;
    bool pulled; // once is enough
    bool dying;  // it is not to be run any more
    unsigned tries;
    struct timer *again_timer; // to the next try

    struct local_call *stream; // what it says
    struct frames frames;
    struct deferred turn;
    struct buf answer; // of an engine that does not attach
    bool attached, stream_over, paused;
    int input_fd;
    struct timer *end_timer; // of its stream and its program, one has ended

    struct engine_call *kill_call;
    int signum; // what is still to be sent; 0: nothing

    struct engine_call *usage_call;
    struct timer *usage_timer;
    bool has_usage, out_of_memory;
    uint64_t peak_memory, cpu_us;
    char *digest;
};

// usage.c: what it uses is asked for from time to time, as an engine does not know it afterwards.
void container_usage_start(struct container *container);
void container_usage_stop(struct container *container);
void container_usage_due(void *container);
