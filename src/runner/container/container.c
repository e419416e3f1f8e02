#include "runner/container/container_private.h"
#include "runner/container/create.h"

#include <signal.h>

#define ANSWER_MS      120000 // the engine has so long for each question
#define EARLY_END_MS   30000  // between the end of the stream and that of the program
#define LATE_END_MS    30000  // the other way round, since the last output
#define AGAIN_MS       1000   // to the next try
#define AWAY_TRIES_MAX 60     // while the engine does not tell whether it runs
#define CREATE_TRIES   30     // while nothing listens
#define REFUSAL_MAX    ((size_t)64 * 1024)
#define REMOVE_TRIES   10
#define ID_MAX         128

static void create(struct container *container);
static void look(struct container *container);
static void wait_for_end(struct container *container);

static void ask(struct container *container, const char *method, const char *rest, uint64_t idle_ms,
                engine_answered *answered)
{
    container->call = engine_ask_of(&container->engine, method, container->id, rest, idle_ms, answered, container);
}

// --- The end

static void gone(struct container *container)
{
    container->phase = CONTAINER_GONE;
    container->events->gone(container->arg);
}

static void on_removed(void *arg, const struct engine_answer *answer)
{
    struct container *container = arg;
    bool over = answer->err == 0 || answer->err == ERR_NOT_FOUND || answer->err == ERR_CONFLICT;
    if (!over && ++container->tries < REMOVE_TRIES) {
        engine_call_free(&container->call);
        timer_start(container->again_timer, AGAIN_MS);
        return;
    }
    if (!over) {
        CLEANUP(free_ptr)
        char *text = xasprintf("its container %.12s cannot be removed: %s", container->id, answer->text);
        container->events->event(container->arg, "container_left", LEVEL_WARNING, text);
    }
    engine_call_free(&container->call);
    gone(container);
}

static void remove_it(struct container *container)
{
    engine_call_free(&container->call);
    local_call_free(&container->stream);
    timer_stop(container->end_timer);
    timer_stop(container->again_timer);
    container_usage_stop(container);
    container->phase = CONTAINER_REMOVING;
    container->tries = 0;
    if (container->id)
        ask(container, "DELETE", "?force=true&v=true", ANSWER_MS, on_removed);
    else
        gone(container);
}

static void refuse(struct container *container, const char *what, const char *text)
{
    CLEANUP(buf_release) struct buf reason = {0};
    bool absent = strstr(text, "not found") || strstr(text, "no such file");
    buf_append_text(&reason, what);
    buf_append_text(&reason, ": ");
    engine_append_text(&reason, text);
    if (!container->dying)
        container->events->refused(container->arg, absent ? 127 : 126, buf_cstr(&reason));
    remove_it(container);
}

// --- What is to be known of it

static void on_image(void *arg, const struct engine_answer *answer)
{
    struct container *container = arg;
    const char *digest = json_string_value(json_array_get(json_object_get(answer->root, "RepoDigests"), 0));
    const char *at = digest ? strchr(digest, '@') : NULL;
    const char *id = at ? at + 1 : json_string_value(json_object_get(answer->root, "Id"));
    if (answer->err == 0 && id && strlen(id) <= ID_MAX) {
        free(container->digest);
        container->digest = xstrdup(id);
    }
    remove_it(container);
}

static void on_looked(void *arg, const struct engine_answer *answer)
{
    struct container *container = arg;
    CLEANUP(buf_release) struct buf target = {0};
    const json_t *state = json_object_get(answer->root, "State");
    const char *image = json_string_value(json_object_get(answer->root, "Image"));
    container->out_of_memory = json_is_true(json_object_get(state, "OOMKilled"));
    if (answer->err < 0 || !image || strlen(image) > ID_MAX) {
        remove_it(container);
        return;
    }
    container->digest = xstrdup(image);
    buf_append_text(&target, "/images/");
    engine_append_escaped(&target, str_of(image));
    buf_append_text(&target, "/json");
    engine_call_free(&container->call);
    container->call =
        engine_ask(&container->engine, "GET", buf_cstr(&target), (struct str){0}, ANSWER_MS, on_image, container);
}

static void look(struct container *container)
{
    engine_call_free(&container->call);
    local_call_free(&container->stream);
    timer_stop(container->end_timer);
    container->phase = CONTAINER_LOOKING;
    ask(container, "GET", "/json", ANSWER_MS, on_looked);
}

// --- Its program has ended

static void wait_for_stream(struct container *container)
{
    if (container->phase == CONTAINER_ENDING && !container->paused)
        timer_start(container->end_timer, LATE_END_MS);
}

static void exited(struct container *container, int exit_code)
{
    engine_call_free(&container->call);
    container_usage_stop(container);
    timer_stop(container->end_timer);
    container->phase = CONTAINER_ENDING;
    container->events->exited(container->arg, exit_code);
    if (container->stream_over)
        look(container);
    else
        wait_for_stream(container);
}

// Nobody can say what becomes of it.
static void lose(struct container *container, const char *text)
{
    container->stream_over = true;
    container->events->failed(container->arg, text);
    exited(container, 128 + SIGKILL);
}

static void on_waited(void *arg, const struct engine_answer *answer)
{
    struct container *container = arg;
    const json_t *code = json_object_get(answer->root, "StatusCode");
    if (answer->err == 0 && json_is_integer(code)) {
        exited(container, (int)(json_integer_value(code) & 255));
    } else if (answer->err == ERR_NOT_FOUND) {
        lose(container, "its container is not there any more: somebody has removed it");
    } else if (++container->tries >= AWAY_TRIES_MAX) {
        CLEANUP(free_ptr)
        char *text = xasprintf("the container engine does not say what becomes of it: %s", answer->text);
        lose(container, text);
    } else {
        engine_call_free(&container->call);
        timer_start(container->again_timer, AGAIN_MS);
    }
}

static void wait_for_end(struct container *container)
{
    ask(container, "POST", "/wait", 0, on_waited);
}

static void on_again(void *arg)
{
    struct container *container = arg;
    if (container->phase == CONTAINER_CREATING)
        create(container);
    else if (container->phase == CONTAINER_RUNNING)
        wait_for_end(container);
    else if (container->phase == CONTAINER_REMOVING)
        ask(container, "DELETE", "?force=true&v=true", ANSWER_MS, on_removed);
}

// --- Signals

static void send_signal(struct container *container);

static void on_killed(void *arg, const struct engine_answer *answer)
{
    struct container *container = arg;
    (void)answer; // one that it does not take is tried again by whoever wants it ended
    engine_call_free(&container->kill_call);
    send_signal(container);
}

static void send_signal(struct container *container)
{
    char rest[32];
    if (container->phase != CONTAINER_RUNNING || container->signum == 0 || container->kill_call)
        return;
    snprintf(rest, sizeof(rest), "/kill?signal=%d", container->signum);
    container->signum = 0;
    container->kill_call =
        engine_ask_of(&container->engine, "POST", container->id, rest, ANSWER_MS, on_killed, container);
}

void container_signal(struct container *container, int signum)
{
    container->signum = signum;
    switch (container->phase) {
    case CONTAINER_CREATING: // the answer brings the id of what is to be removed
        container->dying = true;
        if (signum == SIGKILL || timer_active(container->again_timer))
            remove_it(container);
        break;
    case CONTAINER_PULLING:
        container->dying = true;
        pull_free(&container->pull);
        gone(container);
        break;
    case CONTAINER_ATTACHING:
        container->dying = true;
        remove_it(container);
        break;
    default:
        send_signal(container); // while it is being started: as soon as it is
    }
}

// --- Its beginning

static void on_started(void *arg, const struct engine_answer *answer)
{
    struct container *container = arg;
    if (answer->err < 0 && answer->status != 304) {
        refuse(container, "it cannot be started", answer->text);
        return;
    }
    engine_call_free(&container->call);
    container->phase = CONTAINER_RUNNING;
    container->tries = 0;
    container->events->started(container->arg);
    wait_for_end(container);
    container_usage_start(container);
    if (container->stream_over)
        timer_start(container->end_timer, EARLY_END_MS);
    send_signal(container);
}

static void on_end_timer(void *arg)
{
    struct container *container = arg;
    if (container->phase == CONTAINER_RUNNING) {
        container->events->failed(container->arg, "the container engine has ended the stream of its output before "
                                                  "its end; what it wrote afterwards is not known");
    } else if (container->phase == CONTAINER_ENDING) {
        container->events->failed(container->arg, "the container engine has not ended the stream of its output "
                                                  "after its end; what it wrote last may be missing");
        container->stream_over = true;
        look(container);
    }
}

static void on_piece(void *arg, enum record_stream stream, struct str bytes)
{
    const struct container *container = arg;
    container->events->output(container->arg, stream, bytes);
}

static void stream_failed(struct container *container, const char *text)
{
    container->stream_over = true;
    if (container->phase == CONTAINER_STARTING || container->phase == CONTAINER_RUNNING ||
        container->phase == CONTAINER_ENDING)
        container->events->failed(container->arg, text);
    if (container->phase == CONTAINER_ENDING)
        look(container);
}

static void on_stream_head(void *arg, int status)
{
    struct container *container = arg;
    container->attached = status == 101 || status == 200;
    if (!container->attached)
        return; // what it says follows
    container->phase = CONTAINER_STARTING;
    ask(container, "POST", "/start", ANSWER_MS, on_started);
}

static void on_stream_data(void *arg, struct str bytes)
{
    struct container *container = arg;
    if (!container->attached) {
        buf_append(&container->answer, bytes.data, MIN(bytes.len, REFUSAL_MAX - container->answer.len));
        return;
    }
    if (container->stream_over)
        return;
    if (frames_feed(&container->frames, bytes, on_piece, container) < 0)
        stream_failed(container, "the container engine sends a stream of its output that makes no sense; what comes "
                                 "after this is not known");
    wait_for_stream(container);
    loop_defer(container->engine.loop, &container->turn);
}

// Podman tells only here that there is no such program, for example.
static void refuse_attached(struct container *container)
{
    json_t *root = json_loadb(container->answer.data ? container->answer.data : "", container->answer.len, 0, NULL);
    const char *words = engine_error_text(root);
    refuse(container, "it cannot be started", words ? words : "the container engine does not attach to its output");
    json_decref(root);
}

static void on_stream_ended(void *arg, int err)
{
    struct container *container = arg;
    bool whole = err == 0 && frames_whole(&container->frames);
    if (container->phase == CONTAINER_ATTACHING) {
        refuse_attached(container);
    } else if (!container->stream_over && !whole) {
        stream_failed(container, "the stream of its output was cut; what it wrote after this is not known");
    } else if (!container->stream_over) {
        container->stream_over = true;
        if (container->phase == CONTAINER_ENDING)
            look(container);
        else
            timer_start(container->end_timer, EARLY_END_MS);
    }
}

static const struct local_events stream_events = {on_stream_head, on_stream_data, on_stream_ended};

// Before it is started, so that nothing of what it writes is missed.
static void attach(struct container *container)
{
    CLEANUP(free_ptr)
    char *target = xasprintf("/containers/%s/attach?stream=1&stdout=1&stderr=1%s", container->id,
                             container->input_fd >= 0 ? "&stdin=1" : "");
    struct local_request request = {.socket = container->engine.socket,
                                    .method = "POST",
                                    .target = target,
                                    .upgrade = true,
                                    .input_fd = TAKE_FD(container->input_fd)};
    container->phase = CONTAINER_ATTACHING;
    container->stream = local_call_new(container->engine.loop, &request, &stream_events, container);
    if (container->paused)
        local_call_pause(container->stream, true);
}

static void on_progress(void *arg, const char *text)
{
    const struct container *container = arg;
    container->events->event(container->arg, "image_pull", LEVEL_INFO, text);
}

static void on_pulled(void *arg, int err, const char *text)
{
    struct container *container = arg;
    if (err < 0) {
        CLEANUP(free_ptr)
        char *what = xasprintf("there is no image %s here, and it cannot be pulled", container->image);
        refuse(container, what, text);
        return;
    }
    CLEANUP(free_ptr) char *done = xasprintf("pulled %s", container->image);
    container->events->event(container->arg, "image_pull", LEVEL_INFO, done);
    pull_free(&container->pull);
    create(container);
}

static const struct pull_events pull_events = {on_progress, on_pulled};

static void pull(struct container *container)
{
    CLEANUP(free_ptr) char *text = xasprintf("pulling %s", container->image);
    container->events->event(container->arg, "image_pull", LEVEL_INFO, text);
    container->pulled = true;
    container->phase = CONTAINER_PULLING;
    container->pull = pull_new(&container->engine, container->image, &pull_events, container);
}

bool container_id_valid(const char *id)
{
    size_t len = strlen(id);
    return len > 0 && len <= ID_MAX && strspn(id, "0123456789abcdefABCDEF") == len;
}

static void on_created(void *arg, const struct engine_answer *answer)
{
    struct container *container = arg;
    const char *id = json_string_value(json_object_get(answer->root, "Id"));
    if (answer->err == 0 && id && container_id_valid(id))
        container->id = xstrdup(id);
    if (answer->err == ERR_UNREACHABLE && !container->dying && ++container->tries < CREATE_TRIES) {
        engine_call_free(&container->call);
        timer_start(container->again_timer, AGAIN_MS);
    } else if (answer->err == ERR_NOT_FOUND && !container->pulled && !container->dying) {
        engine_call_free(&container->call);
        pull(container);
    } else if (!container->id) {
        refuse(container, "its container cannot be made", answer->err < 0 ? answer->text : "the engine names none");
    } else if (container->dying) {
        remove_it(container);
    } else {
        engine_call_free(&container->call);
        attach(container);
    }
}

static void create(struct container *container)
{
    container->phase = CONTAINER_CREATING;
    container->call = engine_ask(&container->engine, "POST", "/containers/create", buf_str(&container->body), ANSWER_MS,
                                 on_created, container);
}

static void on_turn(struct deferred *deferred)
{
    const struct container *container = CONTAINER_OF(deferred, struct container, turn);
    container->events->turn(container->arg);
}

struct container *container_new(const struct container_options *options, const struct container_events *events,
                                void *arg)
{
    struct container *container = xcalloc(1, sizeof(*container));
    container->events = events;
    container->arg = arg;
    container->engine.loop = options->loop;
    container->engine.socket = container->socket = xstrdup(options->socket);
    container->image = xstrdup(options->image);
    container->input_fd = options->input_fd;
    container_describe(options, &container->body);
    container->end_timer = timer_new(options->loop, on_end_timer, container);
    container->again_timer = timer_new(options->loop, on_again, container);
    container->usage_timer = timer_new(options->loop, container_usage_due, container);
    deferred_init(&container->turn, on_turn);
    create(container);
    return container;
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
    else if (!pause && !container->stream_over)
        wait_for_stream(container);
}

struct container_facts container_facts(const struct container *container)
{
    return (struct container_facts){.has_usage = container->has_usage,
                                    .peak_memory = container->peak_memory,
                                    .cpu_us = container->cpu_us,
                                    .out_of_memory = container->out_of_memory,
                                    .digest = container->digest};
}

void container_free(struct container **container_ptr)
{
    struct container *container = TAKE_PTR(*container_ptr);
    if (!container)
        return;
    deferred_cancel(&container->turn);
    engine_call_free(&container->call);
    engine_call_free(&container->kill_call);
    engine_call_free(&container->usage_call);
    pull_free(&container->pull);
    local_call_free(&container->stream);
    timer_free(&container->end_timer);
    timer_free(&container->again_timer);
    timer_free(&container->usage_timer);
    close_fd(&container->input_fd);
    buf_release(&container->body);
    buf_release(&container->answer);
    free(container->id);
    free(container->digest);
    free(container->image);
    free(container->socket);
    free(container);
}
