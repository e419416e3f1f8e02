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

// What happens to its stream and is for its life. Set by container.c.
struct container_steps {
    void (*attached)(struct container *container);
    void (*refused)(struct container *container, const char *text); // it cannot be attached to
    void (*over)(struct container *container);                      // its program has ended, and nothing more comes
};

struct container {
    const struct container_events *events;
    const struct container_steps *steps;
    void *arg;
    struct engine engine;
    char *socket, *image, *registry_auth;
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
    bool stream_cut;  // its end was none
    bool stream_said; // something, since it was attached to
    bool attached_again;
    bool attaching_again; // and not answered yet
    bool has_input;       // which goes by the stream, too
    int input_fd;
    struct timer *end_timer;         // of its stream and its program, one has ended
    struct engine_call *stream_call; // whether it still runs
    unsigned stream_tries;           // to attach again, in a row
    uint64_t stream_began_ms, stream_ended_ms, waiting_since_ms, wait_broke_ms; // monotonic

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

// stream.c: what it says. It is attached to before it is started, so that nothing is missed, and again when the stream
// breaks while it runs.
void container_stream_init(struct container *container);
void container_attach(struct container *container);
void container_stream_started(struct container *container); // its program runs
void container_stream_exited(struct container *container);  // its program has ended; `over` follows
void container_stream_stop(struct container *container);
void container_stream_release(struct container *container);
