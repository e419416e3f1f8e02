// A job's worker, as its runner sees it.
#include "runner/job/job_private.h"

#include <errno.h>
#include <sys/socket.h>

#define GRACE_MAX_MS    UINT64_C(3600000)
#define LISTEN_AFTER_MS 1000

static void heard_notice(struct job_runner *runner, const json_t *message)
{
    spool_notice_from(runner->spool, (uint64_t)json_integer_value(json_object_get(message, "end")));
    runner->notice_wanted = true;
    job_control_spooled(runner);
}

static void heard_acked(struct job_runner *runner, const json_t *message)
{
    spool_acked(runner->spool, (uint64_t)json_integer_value(json_object_get(message, "counter")));
    runner->hooks->room(runner);
}

static void heard_alive(struct job_runner *runner, const json_t *message)
{
    const json_t *until = json_object_get(message, "until");
    if (json_is_integer(until) && json_integer_value(until) > 0)
        runner->hooks->alive(runner, (uint64_t)json_integer_value(until));
}

static void heard_cancel(struct job_runner *runner, const json_t *message)
{
    const char *reason = json_string_value(json_object_get(message, "reason"));
    const json_t *grace = json_object_get(message, "grace_ms");
    uint64_t grace_ms = json_is_integer(grace) ? (uint64_t)json_integer_value(grace) : runner->file.grace_ms;
    runner->hooks->stop(runner, "cancelled", reason ? reason : "it was cancelled", MIN(grace_ms, GRACE_MAX_MS));
}

static const struct {
    const char *type;
    void (*heard)(struct job_runner *runner, const json_t *message);
} messages[] = {
    {"notice", heard_notice},
    {"acked", heard_acked},
    {"alive", heard_alive},
    {"cancel", heard_cancel},
};

static void heard(void *arg, const char *type, const json_t *message)
{
    for (size_t i = 0; i < ARRAY_LEN(messages); i++) {
        if (strcmp(type, messages[i].type) == 0)
            messages[i].heard(arg, message);
    }
}

static void gone(void *arg)
{
    struct job_runner *runner = arg;
    control_free(&runner->control);
    runner->notice_wanted = false;
    timer_start(runner->listen_timer, 0);
}

static const struct control_events control_events = {heard, gone};

// The newest connection is the worker: what is left of an older one is of no use.
static void adopt(struct job_runner *runner, int fd)
{
    control_free(&runner->control);
    runner->control_first = false;
    runner->notice_wanted = false;
    runner->control = control_new(runner->loop, fd, &control_events, runner);
}

static void listen_ready(void *arg, unsigned events)
{
    struct job_runner *runner = arg;
    int fd;
    (void)events;
    while ((fd = accept4(runner->listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK)) >= 0)
        adopt(runner, fd);
}

static int listen_now(struct job_runner *runner)
{
    if (runner->listen_watch)
        return 0;
    int err = control_listen(runner->dir_fd, JOB_CONTROL, SOCK_SEQPACKET, &runner->listen_fd);
    if (err == 0)
        err = watch_new(runner->loop, runner->listen_fd, listen_ready, runner, &runner->listen_watch);
    if (err < 0) {
        close_fd(&runner->listen_fd);
        return err;
    }
    watch_set(runner->listen_watch, WATCH_READ);
    return 0;
}

static void on_listen(void *arg)
{
    struct job_runner *runner = arg;
    if (runner->base)
        confine_base_forget(runner->base); // what it keeps open is not kept for long
    if (listen_now(runner) < 0)
        timer_start(runner->listen_timer, LISTEN_AFTER_MS);
}

// As long as its worker is there, a short job need not listen for another one.
int job_control_new(struct job_runner *runner, int control_fd)
{
    runner->listen_timer = timer_new(runner->loop, on_listen, runner);
    if (control_fd < 0)
        return listen_now(runner);
    adopt(runner, control_fd);
    runner->control_first = true;
    timer_start(runner->listen_timer, LISTEN_AFTER_MS);
    return 0;
}

void job_control_free(struct job_runner *runner)
{
    control_free(&runner->control);
    timer_free(&runner->listen_timer);
    watch_free(&runner->listen_watch);
    close_fd(&runner->listen_fd);
}

int job_control_detach(struct job_runner *runner)
{
    return runner->control && runner->control_first ? control_detach(&runner->control) : -1;
}

void job_control_spooled(struct job_runner *runner)
{
    if (!runner->control || !runner->notice_wanted || !spool_notice_due(runner->spool))
        return;
    runner->notice_wanted = false;
    control_say(runner->control, STR("{\"type\":\"spooled\"}"));
}

void job_control_started(struct job_runner *runner)
{
    control_say(runner->control, STR("{\"type\":\"started\"}"));
}

bool job_control_ended(struct job_runner *runner)
{
    return control_say(runner->control, STR("{\"type\":\"ended\"}"));
}
