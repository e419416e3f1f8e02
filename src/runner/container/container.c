#include "runner/container/container_private.h"
#include "runner/container/create.h"
#include "util/clock.h"

#include <signal.h>

#define ANSWER_MS      120000 // the engine has so long for each question
#define AGAIN_MS       1000   // to the next try
#define STEADY_MS      10000  // a question that lasted so long has begun anew what is counted
#define AWAY_TRIES_MAX 60     // while the engine does not tell whether it runs
#define CREATE_TRIES   30     // while nothing listens
#define REMOVE_TRIES   10
#define ID_MAX         128
#define START_TEXT     "it cannot be started"

static void create(struct container *container);
static void wait_for_end(struct container *container);
static void look_whether_started(struct container *container);

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
    container_stream_stop(container);
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
    container_stream_stop(container);
    container->phase = CONTAINER_LOOKING;
    ask(container, "GET", "/json", ANSWER_MS, on_looked);
}

// --- Its program has ended

static void exited(struct container *container, int exit_code)
{
    engine_call_free(&container->call);
    container_usage_stop(container);
    container->phase = CONTAINER_ENDING;
    container->events->exited(container->arg, exit_code);
    container_stream_exited(container);
}

// Nobody can say what becomes of it.
static void lose(struct container *container, const char *text)
{
    container->stream_over = true;
    container->attaching_again = false;
    container->events->failed(container->arg, text);
    exited(container, 128 + SIGKILL);
}

// An engine that was started anew, or something on the way to it that ends what is silent for long.
static void wait_broke(struct container *container, const char *why)
{
    uint64_t now = clock_mono_ms();
    container->tries = now - container->waiting_since_ms >= STEADY_MS ? 1 : container->tries + 1;
    container->wait_broke_ms = now;
    if (container->tries >= AWAY_TRIES_MAX) {
        CLEANUP(free_ptr) char *text = xasprintf("the container engine does not say what becomes of it: %s", why);
        lose(container, text);
        return;
    }
    engine_call_free(&container->call);
    timer_start(container->again_timer, AGAIN_MS);
}

static void on_waited(void *arg, const struct engine_answer *answer)
{
    struct container *container = arg;
    const json_t *code = json_object_get(answer->root, "StatusCode");
    if (answer->err == 0 && json_is_integer(code))
        exited(container, (int)(json_integer_value(code) & 255));
    else if (answer->err == ERR_NOT_FOUND)
        lose(container, "its container is not there any more: somebody has removed it");
    else
        wait_broke(container, answer->text);
}

static void wait_for_end(struct container *container)
{
    container->waiting_since_ms = clock_mono_ms();
    ask(container, "POST", "/wait", 0, on_waited);
}

static void on_again(void *arg)
{
    struct container *container = arg;
    if (container->phase == CONTAINER_CREATING)
        create(container);
    else if (container->phase == CONTAINER_STARTING)
        look_whether_started(container);
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

static void runs(struct container *container)
{
    engine_call_free(&container->call);
    container->phase = CONTAINER_RUNNING;
    container->tries = 0;
    container->events->started(container->arg);
    wait_for_end(container);
    container_usage_start(container);
    container_stream_started(container);
    send_signal(container);
}

// The engine went away before it said whether it has started it. It is not told to start it again: that would run it
// twice, if it has ended meanwhile.
static void start_broke(struct container *container, const char *why)
{
    container->wait_broke_ms = clock_mono_ms();
    if (++container->tries >= AWAY_TRIES_MAX) {
        refuse(container, START_TEXT, why);
        return;
    }
    engine_call_free(&container->call);
    timer_start(container->again_timer, AGAIN_MS);
}

static void on_start_looked(void *arg, const struct engine_answer *answer)
{
    struct container *container = arg;
    const char *state = json_string_value(json_object_get(json_object_get(answer->root, "State"), "Status"));
    if (answer->err < 0 && answer->status == 0)
        start_broke(container, answer->text);
    else if (answer->err == 0 && state && strcmp(state, "created") != 0)
        runs(container);
    else
        refuse(container, START_TEXT, "the container engine went away before it had started it");
}

static void look_whether_started(struct container *container)
{
    ask(container, "GET", "/json", ANSWER_MS, on_start_looked);
}

static void on_started(void *arg, const struct engine_answer *answer)
{
    struct container *container = arg;
    if (answer->err == 0 || answer->status == 304)
        runs(container);
    else if (answer->status == 0)
        start_broke(container, answer->text);
    else
        refuse(container, START_TEXT, answer->text);
}

static void start(struct container *container)
{
    container->phase = CONTAINER_STARTING;
    container->tries = 0;
    ask(container, "POST", "/start", ANSWER_MS, on_started);
}

static void not_attached(struct container *container, const char *text)
{
    refuse(container, START_TEXT, text);
}

static const struct container_steps steps = {start, not_attached, look};

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
    const struct pull_options options = {.image = container->image, .registry_auth = container->registry_auth};
    container->pull = pull_new(&container->engine, &options, &pull_events, container);
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
        container_attach(container);
    }
}

static void create(struct container *container)
{
    container->phase = CONTAINER_CREATING;
    container->call = engine_ask(&container->engine, "POST", "/containers/create", buf_str(&container->body), ANSWER_MS,
                                 on_created, container);
}

struct container *container_new(const struct container_options *options, const struct container_events *events,
                                void *arg)
{
    struct container *container = xcalloc(1, sizeof(*container));
    container->events = events;
    container->steps = &steps;
    container->arg = arg;
    container->engine.loop = options->loop;
    container->engine.socket = container->socket = xstrdup(options->socket);
    container->image = xstrdup(options->image);
    container->registry_auth = options->registry_auth ? xstrdup(options->registry_auth) : NULL;
    container->input_fd = options->input_fd;
    container->has_input = options->input_fd >= 0;
    container_describe(options, &container->body);
    container->again_timer = timer_new(options->loop, on_again, container);
    container->usage_timer = timer_new(options->loop, container_usage_due, container);
    container_stream_init(container);
    create(container);
    return container;
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
    engine_call_free(&container->call);
    engine_call_free(&container->kill_call);
    engine_call_free(&container->usage_call);
    pull_free(&container->pull);
    container_stream_release(container);
    timer_free(&container->again_timer);
    timer_free(&container->usage_timer);
    buf_release(&container->body);
    free(container->id);
    free(container->digest);
    free(container->image);
    free(container->registry_auth);
    free(container->socket);
    free(container);
}
