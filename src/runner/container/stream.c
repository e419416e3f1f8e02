// What a container says: the stream of its output, which the engine carries over a connection of its own.
//
// An engine that is started anew cuts that connection, and a container may go on. The end of a stream that was cut
// between two frames looks like its end. So while the program runs it is asked for, and attached to again. What it
// wrote meanwhile is gone, as engines keep nothing of it, and an event says so.
#include "runner/container/container_private.h"
#include "util/clock.h"

#define EARLY_END_MS 1000  // after the end of the stream until it is asked whether the program still runs
#define EARLY_TRIES  30    // and so often, while the engine says that it does not
#define AWAY_TRIES   60    // while the engine says nothing
#define LATE_END_MS  30000 // between the end of the program and that of the stream, since the last output
#define ANSWER_MS    10000
#define STEADY_MS    10000 // a stream that lasted so long has begun anew what is counted
#define REFUSAL_MAX  ((size_t)64 * 1024)

#define BETWEEN_TEXT                                                                                                 \
    "the connection to the container engine was cut, or ended by it: of what it wrote between the line before this " \
    "and that after this, some may be missing"
#define LAST_TEXT \
    "the connection to the container engine was cut: of what it wrote after the line before this, some may be missing"

// The answer to the question that attaches again may come after the one that tells how the program ended, and what it
// wrote since is behind it.
static bool is_awaited(const struct container *container)
{
    return !container->stream_over || container->attaching_again;
}

static void wait_for_stream(struct container *container)
{
    if (container->phase == CONTAINER_ENDING && !container->paused)
        timer_start(container->end_timer, LATE_END_MS);
}

// --- Its end

// The engine was away when the stream ended. Then its end was none, even between two frames.
static bool was_cut(const struct container *container)
{
    return container->stream_cut ||
           (container->wait_broke_ms > 0 && container->wait_broke_ms + EARLY_END_MS >= container->stream_ended_ms);
}

static void give_up(struct container *container)
{
    const char *text =
        !was_cut(container) ? "the container engine has ended the stream of its output before its end; "
                              "what it wrote afterwards is not known"
        : container->has_input
            ? "the stream of its input and output was cut; how much of its input it has got, and what it "
              "wrote after this, is not known"
            : "the stream of its output was cut, and it cannot be attached to again; what it wrote after "
              "this is not known";
    container->stream_cut = false; // said
    container->wait_broke_ms = 0;
    container->events->failed(container->arg, text);
}

static void ended_in_order(struct container *container)
{
    if (was_cut(container))
        container->events->interrupted(container->arg, LAST_TEXT);
    container->steps->over(container);
}

void container_stream_exited(struct container *container)
{
    engine_call_free(&container->stream_call);
    timer_stop(container->end_timer);
    if (is_awaited(container))
        wait_for_stream(container);
    else
        ended_in_order(container);
}

// It ends soon when it was attached to again, and nothing was cut: the program has closed its outputs, and goes on.
static bool outputs_are_closed(const struct container *container)
{
    return container->attached_again && !container->stream_said && !was_cut(container) &&
           container->stream_ended_ms - container->stream_began_ms < STEADY_MS;
}

static void ended(struct container *container, bool cut)
{
    container->stream_over = true;
    container->stream_cut = cut;
    container->stream_ended_ms = clock_mono_ms();
    if (container->stream_ended_ms - container->stream_began_ms >= STEADY_MS)
        container->stream_tries = 0;
    if (container->phase == CONTAINER_ENDING)
        ended_in_order(container);
    else if (container->phase == CONTAINER_RUNNING && !outputs_are_closed(container))
        timer_start(container->end_timer, EARLY_END_MS);
}

void container_stream_started(struct container *container)
{
    if (container->stream_over)
        timer_start(container->end_timer, EARLY_END_MS);
}

// --- Attached to again

static void on_running(void *arg, const struct engine_answer *answer)
{
    struct container *container = arg;
    bool runs = json_is_true(json_object_get(json_object_get(answer->root, "State"), "Running"));
    unsigned tries_max = answer->err == 0 ? EARLY_TRIES : AWAY_TRIES;
    engine_call_free(&container->stream_call);
    container->stream_cut = container->stream_cut || runs;
    if (container->stream_tries >= tries_max || (runs && container->has_input))
        give_up(container); // of its input some may be lost, too
    else if (runs)
        container_attach(container);
    else
        timer_start(container->end_timer, EARLY_END_MS);
}

static void on_end_timer(void *arg)
{
    struct container *container = arg;
    if (container->phase == CONTAINER_RUNNING) {
        container->stream_tries++;
        container->stream_call =
            engine_ask_of(&container->engine, "GET", container->id, "/json", ANSWER_MS, on_running, container);
    } else if (container->phase == CONTAINER_ENDING) {
        container->events->failed(container->arg, "the container engine has not ended the stream of its output "
                                                  "after its end; what it wrote last may be missing");
        container->stream_over = true;
        container->steps->over(container);
    }
}

// --- The connection

static void on_piece(void *arg, enum record_stream stream, struct str bytes)
{
    const struct container *container = arg;
    container->events->output(container->arg, stream, bytes);
}

static void makes_no_sense(struct container *container)
{
    container->stream_over = true;
    container->stream_ended_ms = clock_mono_ms();
    container->events->failed(container->arg, "the container engine sends a stream of its output that makes no sense; "
                                              "what comes after this is not known");
    if (container->phase == CONTAINER_ENDING)
        container->steps->over(container);
}

static void on_head(void *arg, int status)
{
    struct container *container = arg;
    container->attached = status == 101 || status == 200;
    if (!container->attached)
        return; // what it says follows
    if (container->phase == CONTAINER_ATTACHING) {
        container->steps->attached(container);
        return;
    }
    container->events->interrupted(container->arg, BETWEEN_TEXT);
    container->stream_over = container->stream_cut = container->attaching_again = false;
    container->wait_broke_ms = 0;
    container->attached_again = true;
    wait_for_stream(container);
}

static void on_data(void *arg, struct str bytes)
{
    struct container *container = arg;
    if (!container->attached) {
        buf_append(&container->answer, bytes.data, MIN(bytes.len, REFUSAL_MAX - container->answer.len));
        return;
    }
    if (container->stream_over)
        return;
    if (frames_feed(&container->frames, bytes, on_piece, container) < 0)
        makes_no_sense(container);
    container->stream_said = true;
    wait_for_stream(container);
    loop_defer(container->engine.loop, &container->turn);
}

// Podman tells only here that there is no such program, for example.
static void refuse_attached(struct container *container)
{
    json_t *root = json_loadb(container->answer.data ? container->answer.data : "", container->answer.len, 0, NULL);
    const char *words = engine_error_text(root);
    container->steps->refused(container, words ? words : "the container engine does not attach to its output");
    json_decref(root);
}

// The second time. The stream is over already.
static void not_attached_again(struct container *container)
{
    container->attaching_again = false;
    if (container->phase == CONTAINER_ENDING)
        ended_in_order(container);
    else
        timer_start(container->end_timer, EARLY_END_MS);
}

static void on_ended(void *arg, int err)
{
    struct container *container = arg;
    bool whole = err == 0 && frames_whole(&container->frames);
    if (container->phase == CONTAINER_ATTACHING)
        refuse_attached(container);
    else if (!container->attached)
        not_attached_again(container);
    else if (!container->stream_over)
        ended(container, !whole);
}

static const struct local_events stream_events = {on_head, on_data, on_ended};

void container_attach(struct container *container)
{
    CLEANUP(free_ptr)
    char *target = xasprintf("/containers/%s/attach?stream=1&stdout=1&stderr=1%s", container->id,
                             container->input_fd >= 0 ? "&stdin=1" : "");
    struct local_request request = {.socket = container->engine.socket,
                                    .method = "POST",
                                    .target = target,
                                    .upgrade = true,
                                    .input_fd = TAKE_FD(container->input_fd)};
    if (container->phase == CONTAINER_CREATING)
        container->phase = CONTAINER_ATTACHING;
    else
        container->attaching_again = true;
    local_call_free(&container->stream);
    buf_reset(&container->answer);
    container->frames = (struct frames){0};
    container->attached = container->stream_said = false;
    container->stream_began_ms = clock_mono_ms();
    container->stream = local_call_new(container->engine.loop, &request, &stream_events, container);
    if (container->paused)
        local_call_pause(container->stream, true);
}

void container_pause(struct container *container, bool pause)
{
    if (container->paused == pause)
        return;
    container->paused = pause;
    if (container->stream)
        local_call_pause(container->stream, pause);
    if (pause && container->phase == CONTAINER_ENDING)
        timer_stop(container->end_timer);
    else if (!pause && is_awaited(container))
        wait_for_stream(container);
}

// --- Lifecycle

static void on_turn(struct deferred *deferred)
{
    const struct container *container = CONTAINER_OF(deferred, struct container, turn);
    container->events->turn(container->arg);
}

void container_stream_init(struct container *container)
{
    container->end_timer = timer_new(container->engine.loop, on_end_timer, container);
    deferred_init(&container->turn, on_turn);
}

void container_stream_stop(struct container *container)
{
    local_call_free(&container->stream);
    engine_call_free(&container->stream_call);
    timer_stop(container->end_timer);
}

void container_stream_release(struct container *container)
{
    deferred_cancel(&container->turn);
    local_call_free(&container->stream);
    engine_call_free(&container->stream_call);
    timer_free(&container->end_timer);
    close_fd(&container->input_fd);
    buf_release(&container->answer);
}
