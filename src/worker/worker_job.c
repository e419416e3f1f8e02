// One job here: its runner, its spool, its delivery.
#include "runner/container/container.h"
#include "runner/process/cgroup.h"
#include "runner/runner.h"
#include "util/clock.h"
#include "util/file.h"
#include "worker/worker_private.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#define ADOPT_STEP_MS   2
#define ADOPT_MAX       2500 // looks; the runner has said that it ends, and does not hold its spool for long
#define END_STEP_MS     2    // time between two looks whether the pool is done with it
#define RESUME_WAIT_MS  5000
#define RESUME_AGAIN_MS 10000
#define SYNC_AFTER_MS   1000 // for what the server has not taken by then
#define LEFT_MESSAGE \
    "Its container may still run, as the container engine does not answer. It is removed when that is back."
#define LOST_MESSAGE "The runner was interrupted: what the job wrote after this, if anything, was not recorded."

static void begin_delivery(struct worker_job *job);
static void on_adopt(void *arg);

static const struct logger *logger_of(const struct worker_job *job)
{
    return job->worker->options.logger;
}

// --- What the runner is told

static void tell(struct worker_job *job, const char *fmt, ...) PRINTF_LIKE(2, 3);
static void tell(struct worker_job *job, const char *fmt, ...)
{
    char text[128];
    va_list args;
    va_start(args, fmt);
    int len = vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    control_say(job->control, str_n(text, (size_t)len));
}

static void cancel(struct worker_job *job, const char *reason, uint64_t grace_ms)
{
    CLEANUP(buf_release) struct buf message = {0};
    struct json_writer json = json_writer_to(&message);
    json_open_object(&json, NULL);
    json_add_text(&json, "type", "cancel");
    json_add_text(&json, "reason", reason ? reason : "it was cancelled");
    json_add_u64(&json, "grace_ms", grace_ms);
    json_close(&json);
    control_say(job->control, buf_str(&message));
}

// If it is tried again when it is lost, its runner must know how long its lease lasts.
static void on_alive(void *arg, const struct life *life)
{
    struct worker_job *job = arg;
    if (job->retry_on_lost && job->state <= JOB_RUNNING)
        tell(job, "{\"type\":\"alive\",\"until\":%llu}",
             (unsigned long long)life_until_ms(life, job->worker->lease_ms));
}

// Looks at what is new in the spool, and asks to be told when there is more.
static void take_turn(struct worker_job *job)
{
    uint64_t before = spool_next(job->spool);
    bool more = false;
    int err = job->control ? spool_follow(job->spool, &more) : 0;
    if (err < 0)
        log_warn(logger_of(job), "a spool cannot be read", LOG_S("execution_id", job->id),
                 LOG_S("reason", error_text(err)));
    if (spool_next(job->spool) != before && job->delivery)
        delivery_spooled(job->delivery);
    if (more) {
        loop_defer(job->worker->loop, &job->turn);
        return;
    }
    uint64_t acked = spool_acked_below(job->spool);
    if (acked != job->acked)
        tell(job, "{\"type\":\"acked\",\"counter\":%llu}", (unsigned long long)acked);
    job->acked = acked;
    uint64_t end = MAX(spool_notice_end(job->spool), spool_end(job->spool) + 1);
    if (job->notice_end == 0 || end < job->notice_end) {
        job->notice_end = end;
        tell(job, "{\"type\":\"notice\",\"end\":%llu}", (unsigned long long)end);
    }
}

// --- Its end here

// Its runner may have another job before this one's log is delivered.
static void give_up_folder(struct worker_job *job)
{
    if (job->idle_fd >= 0 && !job->worker->stopping)
        worker_idle_keep(job->worker, TAKE_FD(job->idle_fd), NULL, TAKE_PTR(job->idle_cgroup));
    close_fd(&job->idle_fd);
}

void worker_job_detach(struct worker_job *job)
{
    deferred_cancel(&job->turn);
    worker_clear_free(&job->clear);
    control_free(&job->control);
    worker_inputs_free(&job->inputs);
    outputs_free(&job->outputs);
    delivery_free(&job->delivery);
}

void worker_job_free(struct worker_job *job)
{
    struct worker *worker = job->worker;
    worker_job_detach(job);
    map_remove(&worker->jobs, &job->node);
    give_up_folder(job);
    timer_free(&job->adopting);
    timer_free(&job->sync_timer);
    timer_free(&job->end_timer);
    timer_free(&job->settle_timer);
    spool_free(&job->spool);
    run_file_release(&job->run);
    close_fd(&job->dir_fd);
    free(job->idle_cgroup);
    free(job->id);
    free(job->dir);
    free(job);
    worker->job_gone(worker);
}

void worker_job_end(struct worker_job *job)
{
    job->dead = true;
    if (job->working || (job->delivery && delivery_reading(job->delivery)))
        timer_start(job->end_timer, END_STEP_MS);
    else
        worker_job_free(job);
}

static void on_end(void *arg)
{
    worker_job_end(arg);
}

void worker_job_give_back(struct worker *worker, const char *id, uint64_t epoch, const char *reason)
{
    CLEANUP(buf_release) struct buf message = {0};
    struct json_writer json = json_writer_to(&message);
    json_open_object(&json, NULL);
    json_add_text(&json, "type", "return");
    json_add_text(&json, "execution_id", id);
    json_add_u64(&json, "epoch", epoch);
    json_add_text(&json, "reason", reason);
    json_close(&json);
    // A `hello` that is not answered yet may have said that it is here.
    if (worker_link_send(worker->link, buf_str(&message)) < 0)
        buf_printf(&worker->given_back, "%s\n", buf_cstr(&message));
    log_warn(worker->options.logger, "a job is given back", LOG_S("execution_id", id), LOG_S("reason", reason));
}

static void remove_part(const struct worker_job *job, const char *name)
{
    CLEANUP(free_ptr) char *path = xasprintf("%s/%s", job->dir, name);
    dir_remove_all(path);
}

// All of it is delivered.
static void clear_folder(struct worker_job *job)
{
    CLEANUP(free_ptr) char *name = worker_idle_name(job->worker);
    if (job->idle_fd < 0)
        spool_remove(&job->spool);
    else if (spool_vacate(&job->spool, name) == 0)
        worker_idle_keep(job->worker, TAKE_FD(job->idle_fd), TAKE_PTR(name), TAKE_PTR(job->idle_cgroup));
}

// Deletes the folder when the server has everything, or the execution has gone: what was purged is purged everywhere.
// If the server will never take the log for another reason, the log stays, without the files that the job made.
static void settle(struct worker_job *job)
{
    bool goes = job->delivered || (job->refused == ERR_EXPIRED && job->state == JOB_ENDED);
    if (goes && (job->working || delivery_reading(job->delivery))) {
        timer_start(job->settle_timer, END_STEP_MS);
    } else if (job->delivered) {
        clear_folder(job);
        worker_job_end(job);
    } else if (job->refused == ERR_EXPIRED && job->state == JOB_ENDED) {
        log_warn(logger_of(job), "the execution of a job has expired, or was purged; its log is discarded",
                 LOG_S("execution_id", job->id));
        job->state = JOB_KEPT;
        spool_remove(&job->spool);
        worker_job_end(job);
    } else if (job->refused < 0 && job->state == JOB_ENDED) {
        job->state = JOB_KEPT;
        log_error(logger_of(job), "the server does not take the log of a job; its folder stays",
                  LOG_S("execution_id", job->id), LOG_S("folder", job->dir), LOG_S("reason", error_text(job->refused)));
        remove_part(job, JOB_WORK);
        worker_job_end(job);
    }
}

static void on_settle(void *arg)
{
    settle(arg);
}

static void on_turn(struct deferred *deferred)
{
    struct worker_job *job = CONTAINER_OF(deferred, struct worker_job, turn);
    if (job->dead || !job->spool)
        return;
    if (job->delivered || job->refused < 0)
        settle(job);
    else
        take_turn(job);
}

static void turn_soon(struct worker_job *job)
{
    loop_defer(job->worker->loop, &job->turn);
}

// --- The delivery

static void on_acked(void *arg)
{
    turn_soon(arg);
}

static void on_changed(void *arg)
{
    (void)arg; // while the runner lives, run.json belongs to it; afterwards it is saved with the outcome
}

static void on_cancel(void *arg, const char *reason, uint64_t grace_ms)
{
    struct worker_job *job = arg;
    outputs_give_up(job->outputs, "the execution was cancelled while it was uploaded");
    cancel(job, reason, grace_ms);
}

static void on_delivered(void *arg)
{
    (void)arg;
}

static void on_trouble(void *arg, int err, const char *text)
{
    struct worker_job *job = arg;
    if (!job->told_trouble)
        log_warn(logger_of(job), "a log is not delivered yet", LOG_S("execution_id", job->id),
                 LOG_S("reason", text ? text : error_text(err)));
    job->told_trouble = true;
}

// The server will never take it. Then nobody waits for the job either.
static void on_ended(void *arg, int err, const char *text)
{
    struct worker_job *job = arg;
    job->delivered = err == 0;
    job->refused = err;
    if (err < 0 && job->state < JOB_ENDED) {
        CLEANUP(free_ptr)
        char *reason = xasprintf("the server does not take its log: %s", text ? text : error_text(err));
        cancel(job, reason, JOB_GRACE_MS);
    }
    turn_soon(job);
}

static const struct delivery_events delivery_events = {on_acked,     on_changed, on_cancel,
                                                       on_delivered, on_trouble, on_ended};

static void begin_delivery(struct worker_job *job)
{
    struct worker *worker = job->worker;
    struct delivery_options options = {
        .loop = worker->loop,
        .pool = worker->pool,
        .run = &job->run,
        .link = worker_link_stream(worker->link, &job->run, NULL),
        .spool = job->spool,
        .events = &delivery_events,
        .arg = job,
    };
    worker_link_watch_life(options.link, on_alive, job);
    job->delivery = delivery_new(&options);
}

// --- Its runner

static void heard_started(struct worker_job *job)
{
    int err = job->run.execution_id ? 0 : run_file_load(job->dir, &job->run);
    if (err == 0 && !job->spool)
        err = spool_attach(&(struct spool_options){.dir = job->dir, .bytes_max = UINT64_MAX}, &job->spool);
    if (err < 0) { // it is delivered when its runner is gone
        log_warn(logger_of(job), "a job cannot be followed", LOG_S("execution_id", job->id),
                 LOG_S("reason", error_text(err)));
        return;
    }
    job->state = JOB_RUNNING;
    begin_delivery(job);
    turn_soon(job);
}

static void heard(void *arg, const char *type, const json_t *message)
{
    struct worker_job *job = arg;
    if (strcmp(type, "started") == 0 && job->state == JOB_STARTING) {
        heard_started(job);
    } else if (strcmp(type, "spooled") == 0) {
        job->notice_end = 0;
        turn_soon(job);
    } else if (strcmp(type, "ended") == 0 && json_is_true(json_object_get(message, "stays"))) {
        const char *cgroup = json_string_value(json_object_get(message, "cgroup"));
        job->idle_fd = control_detach(&job->control);
        job->idle_cgroup = cgroup ? xstrdup(cgroup) : NULL;
        job->runner_stayed = true;
        if (!json_is_true(json_object_get(message, "clean")))
            give_up_folder(job);
        on_adopt(job);
    }
}

// --- Its runner is gone

static void add_event(struct worker_job *job, const char *event_type, const char *message)
{
    CLEANUP(chunk_builder_free) struct chunk_builder *builder = chunk_builder_new();
    CLEANUP(buf_release) struct buf extra = {0};
    record_extra_append_string(&extra, "event_type", str_of(event_type));
    struct record record = {.time_ms = clock_real_ms(),
                            .stream = STREAM_EVENT,
                            .level = LEVEL_WARNING,
                            .message = str_of(message),
                            .extra = buf_str(&extra)};
    if (chunk_builder_add(builder, &record) < 0)
        abort(); // a chunk is not full with one
    CLEANUP(chunk_unref) struct chunk *event = chunk_builder_finish(builder, 0);
    int err = spool_append(job->spool, event);
    if (err < 0)
        log_warn(logger_of(job), "an interruption cannot be recorded", LOG_S("execution_id", job->id),
                 LOG_S("reason", error_text(err)));
}

// The runner was killed. Everything that it captured is in the page cache. The log continues with the event that says
// so, with the same counters: nobody can have seen more than there is.
static void end_as_lost(struct worker_job *job)
{
    struct run_file *run = &job->run;
    if (run->cgroup && !job->runner_stayed) { // else it may be another job's
        cgroup_kill_path(run->cgroup);
        rmdir(run->cgroup); // the worker of the next job finds what is still dying
    }
    add_event(job, "capture_interrupted", LOST_MESSAGE);
    if (job->container_left)
        add_event(job, "container_left", LEFT_MESSAGE);
    run->ended = true;
    run->has_exit_code = false;
    run->records = spool_next(job->spool);
    run->ended_ms = 0;
    snprintf(run->status, sizeof(run->status), "lost");
}

static bool other_boot(const struct run_file *run)
{
    char boot[sizeof(run->boot)];
    run_file_boot(boot);
    return run->boot[0] && strcmp(run->boot, boot) != 0;
}

// --- After a power failure the server may have more than is here: that is delivered as `wrap --resume` does it, which
// knows how, by a connection of its own.

static void resume_work(struct job *work)
{
    struct worker_job *job = CONTAINER_OF(work, struct worker_job, work);
    struct runner_resumed resumed;
    struct runner_options options = {.server = job->worker->options.server,
                                     .state_dir = job->worker->options.state_dir,
                                     .deliver_wait_ms = RESUME_WAIT_MS};
    options.server.abort = &job->worker->abort;
    int err = runner_resume(&options, job->id, NULL, NULL, &resumed);
    job->work_err = err < 0 && err != ERR_NOT_FOUND                 ? err
                    : resumed.delivered > 0 || err == ERR_NOT_FOUND ? 0
                                                                    : ERR_UNAVAILABLE;
}

static void resume_done(struct job *work)
{
    struct worker_job *job = CONTAINER_OF(work, struct worker_job, work);
    job->working = false;
    if (job->work_err == 0)
        worker_job_end(job);
    else
        timer_start(job->sync_timer, RESUME_AGAIN_MS);
}

// --- What the pool does for a job

static void work_done(struct job *work)
{
    struct worker_job *job = CONTAINER_OF(work, struct worker_job, work);
    job->working = false;
}

static void start_work(struct worker_job *job, void (*work)(struct job *work), void (*done)(struct job *work))
{
    job->work = (struct job){.reply_to = job->worker->loop, .work = work, .done = done};
    job->working = pool_submit(job->worker->pool, &job->work) == 0;
    if (!job->working)
        timer_start(job->sync_timer, SYNC_AFTER_MS);
}

static void sync_work(struct job *work)
{
    struct worker_job *job = CONTAINER_OF(work, struct worker_job, work);
    if (spool_sync(job->spool) == 0)
        run_file_sync(job->dir);
}

static void on_sync(void *arg)
{
    struct worker_job *job = arg;
    give_up_folder(job); // its runner need not wait for as long as this may take
    if (job->powerless)
        start_work(job, resume_work, resume_done);
    else if (!job->dead && !job->delivered && !job->working)
        start_work(job, sync_work, work_done);
}

// The outcome is that of the file. Epoch and incarnation are what the delivery knows; *ret_differs: the file has
// others.
static int load_outcome(struct worker_job *job, bool *ret_differs)
{
    CLEANUP(run_file_release) struct run_file run = {0};
    int err = run_file_load(job->dir, &run);
    if (err < 0)
        return err;
    *ret_differs = job->delivery && (run.epoch != job->run.epoch || strcmp(run.incarnation, job->run.incarnation) != 0);
    if (job->delivery) {
        run.epoch = job->run.epoch;
        memcpy(run.incarnation, job->run.incarnation, sizeof(run.incarnation));
    }
    struct run_file before = job->run; // in place, because the delivery looks at it
    job->run = run;
    run = before;
    return 0;
}

static void ended(struct worker_job *job)
{
    bool differs;
    int err = load_outcome(job, &differs);
    if (err < 0) {
        log_error(logger_of(job), "what became of a job cannot be read; its folder stays", LOG_S("folder", job->dir),
                  LOG_S("reason", error_text(err)));
        worker_job_end(job);
        return;
    }
    job->state = JOB_ENDED;
    bool whole = job->run.ended && spool_next(job->spool) >= job->run.records;
    if (!whole && other_boot(&job->run)) {
        job->powerless = true;
        spool_free(&job->spool); // the code that delivers it takes the lock
        start_work(job, resume_work, resume_done);
        return;
    }
    if (!whole && worker_job_clears(job, ended))
        return; // it comes here again
    if (!whole)
        end_as_lost(job);
    if (!whole || differs) { // saved before the server hears of it, so it cannot become another one
        give_up_folder(job);
        run_file_save(&job->run, job->dir, false);
    }
    if (!job->delivery)
        begin_delivery(job);
    worker_job_complete(job);
    timer_start(job->sync_timer, SYNC_AFTER_MS);
    turn_soon(job);
}

// A runner whose worker has gone begins to listen when it is told so; it lives, if it can be reached.
static bool reach(struct worker_job *job)
{
    int fd;
    if (control_connect(job->dir_fd, JOB_CONTROL, &fd) < 0)
        return false;
    worker_job_spawned(job, fd);
    job->adoptions = 0;
    job->notice_end = job->acked = 0;
    if (job->state == JOB_STARTING)
        heard_started(job);
    else
        turn_soon(job);
    return true;
}

static void on_adopt(void *arg)
{
    struct worker_job *job = arg;
    int err =
        job->spool ? 0 : spool_attach(&(struct spool_options){.dir = job->dir, .bytes_max = UINT64_MAX}, &job->spool);
    if (err == 0)
        err = spool_adopt(job->spool);
    if (err == ERR_HELD && reach(job))
        return;
    if (err == 0) {
        ended(job);
    } else if (err == ERR_HELD && job->adoptions++ < ADOPT_MAX) {
        timer_start(job->adopting, ADOPT_STEP_MS);
    } else if (err == ERR_NOT_FOUND && job->state == JOB_STARTING) {
        worker_job_give_back(job->worker, job->id, job->epoch, "its runner could not be started");
        dir_remove_all(job->dir);
        worker_job_end(job);
    } else {
        log_error(logger_of(job), "what a job has left cannot be read; its folder stays", LOG_S("folder", job->dir),
                  LOG_S("reason", error_text(err)));
        worker_job_end(job);
    }
}

static void gone(void *arg)
{
    struct worker_job *job = arg;
    control_free(&job->control);
    on_adopt(job);
}

static const struct control_events control_events = {heard, gone};

// --- Its beginning here

static struct worker_job *make(struct worker *worker, const char *id, uint64_t epoch, bool retry_on_lost)
{
    struct worker_job *job = xcalloc(1, sizeof(*job));
    job->worker = worker;
    job->state = JOB_STARTING;
    job->id = xstrdup(id);
    job->dir = xasprintf("%s/%s", worker->spools, id);
    job->dir_fd = job->idle_fd = -1;
    job->epoch = epoch;
    job->retry_on_lost = retry_on_lost;
    job->adopting = timer_new(worker->loop, on_adopt, job);
    job->sync_timer = timer_new(worker->loop, on_sync, job);
    job->end_timer = timer_new(worker->loop, on_end, job);
    job->settle_timer = timer_new(worker->loop, on_settle, job);
    deferred_init(&job->turn, on_turn);
    map_insert(&worker->jobs, &job->node, str_of(job->id));
    return job;
}

static bool open_folder(struct worker_job *job)
{
    job->dir_fd = open(job->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return job->dir_fd >= 0;
}

struct worker_job *worker_job_new(struct worker *worker, const char *id, uint64_t epoch, bool retry_on_lost)
{
    struct worker_job *job = make(worker, id, epoch, retry_on_lost);
    if (open_folder(job))
        return job;
    worker_job_free(job);
    return NULL;
}

int worker_job_spawn(struct worker *worker, const char *dir, const json_t *secrets, bool again, int *ret_control)
{
    CLEANUP(close_fd) int secrets_fd = -1;
    if (!secrets && worker_idle_use(worker, dir, again, ret_control))
        return 0;
    int err = secrets ? job_secrets_pass(secrets, &secrets_fd) : 0;
    return err < 0 ? err : spawner_ask(&worker->spawner, dir, secrets_fd, ret_control);
}

static void on_prepared(void *arg, int err, const json_t *secrets)
{
    struct worker_job *job = arg;
    int control = -1;
    if (err == 0)
        err = open_folder(job) ? worker_job_spawn(job->worker, job->dir, secrets, false, &control) : -errno;
    worker_inputs_free(&job->inputs); // the secrets, too
    if (err == 0) {
        job->state = JOB_STARTING;
        worker_job_spawned(job, control);
        return;
    }
    if (err != ERR_CONFLICT)
        dir_remove_all(job->dir);
    worker_job_give_back(job->worker, job->id, job->epoch, worker_no_folder(err));
    worker_job_end(job);
}

static const struct worker_inputs_events inputs_events = {on_prepared, on_end};

struct worker_job *worker_job_fetching(struct worker *worker, const json_t *message, const char *id, uint64_t epoch,
                                       bool retry_on_lost)
{
    struct worker_job *job = make(worker, id, epoch, retry_on_lost);
    job->state = JOB_FETCHING;
    job->inputs = worker_inputs_new(worker, message, job->dir, &inputs_events, job);
    return job;
}

void worker_job_spawned(struct worker_job *job, int control_fd)
{
    job->control = control_new(job->worker->loop, control_fd, &control_events, job);
    if (!job->control)
        timer_start(job->adopting, ADOPT_STEP_MS); // it is found again when it has ended
}

bool worker_job_found(struct worker_job *job)
{
    struct spool_options options = {.dir = job->dir, .bytes_max = UINT64_MAX};
    // In a folder that has a spool nothing begins any more. A request for its runner may still be under way.
    int err = spool_create(&options, &job->spool);
    if (err == 0)
        return false;
    if (!reach(job))
        timer_start(job->adopting, 0);
    return true;
}
