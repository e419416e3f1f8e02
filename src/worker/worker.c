#include "runner/process/signals.h"
#include "util/clock.h"
#include "util/file.h"
#include "util/id.h"
#include "worker/cache.h"
#include "worker/worker_private.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define POOL_THREADS 4
#define POOL_QUEUE   4096
#define LOCK_FILE    "worker.lock"

// --- Jobs

// A worker that was killed while it made the folder of a job has left it without what makes it one. Nobody else makes
// it.
static bool is_half_made(const char *dir)
{
    static const char *const names[] = {JOB_FILE, "spool", "run.json"};
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        CLEANUP(free_ptr) char *path = xasprintf("%s/%s", dir, names[i]);
        if (access(path, F_OK) == 0)
            return false;
    }
    return true;
}

static int make_folder(struct worker *worker, const json_t *message, const char *dir, struct run_file *ret_run)
{
    int err = worker_spec_write(worker, message, dir, ret_run);
    if (err != ERR_CONFLICT || !is_half_made(dir))
        return err;
    dir_remove_all(dir);
    return worker_spec_write(worker, message, dir, ret_run);
}

static bool reuse_folder(struct worker *worker, const json_t *message, const char *dir, struct run_file *ret_run)
{
    const struct worker_reuse reuse = worker_idle_next(worker);
    if (!reuse.folder)
        return false;
    if (worker_spec_reuse(worker, message, &reuse, dir, ret_run) == 0)
        return true;
    run_file_release(ret_run);
    worker_idle_end(worker);
    return false;
}

static void take_job(struct worker *worker, const json_t *message, const char *id, uint64_t epoch)
{
    CLEANUP(free_ptr) char *dir = xasprintf("%s/%s", worker->spools, id);
    bool retry_on_lost = json_is_true(json_object_get(message, "retry_on_lost"));
    int control = -1;
    if (worker_inputs_wanted(message)) {
        worker_job_fetching(worker, message, id, epoch, retry_on_lost);
        return;
    }
    const json_t *secrets = json_object_get(message, "secrets");
    CLEANUP(run_file_release) struct run_file run = {0};
    bool again = !secrets && reuse_folder(worker, message, dir, &run);
    int err = again ? 0 : make_folder(worker, message, dir, &run);
    if (err == 0)
        err = worker_job_spawn(worker, dir, secrets, again, &control);
    struct worker_job *job = err == 0 ? worker_job_new(worker, id, epoch, retry_on_lost) : NULL;
    if (job) {
        job->run = run;
        run = (struct run_file){0};
        worker_job_spawned(job, control);
        return;
    }
    close_fd(&control);
    if (err != ERR_CONFLICT)
        dir_remove_all(dir);
    worker_job_give_back(worker, id, epoch, worker_no_folder(err));
}

// By the time that it is here, the server may have found it lost.
static bool comes_too_late(const struct worker *worker, const json_t *message)
{
    return json_is_true(json_object_get(message, "retry_on_lost")) &&
           life_too_late(worker_link_proved_ms(worker->link), worker->lease_ms, clock_boot_ms());
}

static bool wants_engine(const json_t *message)
{
    return json_is_string(json_object_get(json_object_get(message, "spec"), "image"));
}

static void on_job(void *arg, const json_t *message)
{
    struct worker *worker = arg;
    const char *id = json_string_value(json_object_get(message, "execution_id"));
    json_int_t epoch = json_integer_value(json_object_get(message, "epoch"));
    if (!id || !id_execution_valid(str_of(id)) || epoch < 1) {
        log_warn(worker->options.logger, "the server hands out a job that makes no sense",
                 LOG_S("execution_id", id ? id : ""));
        return;
    }
    struct map_node *node = map_find(&worker->jobs, str_of(id));
    const struct worker_job *held = node ? CONTAINER_OF(node, struct worker_job, node) : NULL;
    if (held && held->epoch == (uint64_t)epoch)
        return; // it will be told once more
    if (held)
        worker_job_give_back(worker, id, (uint64_t)epoch, "an earlier attempt of it is still here");
    else if (worker->draining || worker->drained)
        worker_job_give_back(worker, id, (uint64_t)epoch, "this worker takes no more jobs");
    else if (comes_too_late(worker, message))
        worker_job_give_back(worker, id, (uint64_t)epoch, "it was under way for longer than its lease");
    else if (!worker_has_room(worker))
        worker_job_give_back(worker, id, (uint64_t)epoch, "the disk of this worker is full");
    else if (wants_engine(message) && !worker->engine.available)
        worker_job_give_back(worker, id, (uint64_t)epoch, "the container engine of this worker does not answer");
    else
        take_job(worker, message, id, (uint64_t)epoch);
}

static void end_now(struct worker *worker)
{
    worker->stopping = true;
    loop_stop(worker->loop);
}

static void end_when_drained(struct worker *worker)
{
    if (worker->draining && worker->jobs.count == 0)
        end_now(worker);
}

static void on_job_gone(struct worker *worker)
{
    if (!worker->stopping)
        end_when_drained(worker);
}

// --- The server

static void on_hello(void *arg, struct json_writer *json)
{
    worker_hello_offer(arg, json);
}

static uint32_t on_slots_free(void *arg)
{
    return worker_slots_free(arg);
}

// The server passes over what it does not hold to be here.
static void say_given_back(struct worker *worker)
{
    struct str rest = buf_str(&worker->given_back);
    while (rest.len > 0)
        worker_link_send(worker->link, str_split(&rest, '\n'));
    buf_reset(&worker->given_back);
}

static void on_welcome(void *arg, const json_t *message)
{
    struct worker *worker = arg;
    const char *incarnation = json_string_value(json_object_get(message, "incarnation"));
    worker->lease_ms = (uint64_t)json_integer_value(json_object_get(message, "lease_seconds")) * 1000;
    snprintf(worker->incarnation, sizeof(worker->incarnation), "%s", incarnation ? incarnation : "");
    log_info(worker->options.logger, worker->welcomed ? "connected again" : "connected",
             LOG_S("server", worker->options.server.url), LOG_S("worker", worker->id), LOG_I("slots", worker->slots),
             LOG_I("jobs", worker->jobs.count));
    worker->welcomed = true;
    say_given_back(worker);
    if (worker->draining)
        worker_link_send(worker->link, STR("{\"type\":\"drain\"}"));
}

static void on_drain(void *arg, bool on)
{
    struct worker *worker = arg;
    if (worker->drained == on)
        return;
    worker->drained = on;
    log_info(worker->options.logger,
             on ? "takes no more jobs, as the server has been asked for; `runnel worker resume` ends that"
                : "takes jobs again, as the server has been asked for",
             LOG_S("worker", worker->id), LOG_I("jobs", worker->jobs.count));
}

static void on_lost(void *arg)
{
    const struct worker *worker = arg;
    log_warn(worker->options.logger, "the connection was lost; jobs go on", LOG_I("jobs", worker->jobs.count));
}

// To try again would be of no use. Its jobs go on, and the next worker of this folder delivers them.
static void on_refused(void *arg, const char *text)
{
    struct worker *worker = arg;
    log_error(worker->options.logger, "the server refuses this worker", LOG_S("reason", text),
              LOG_I("jobs", worker->jobs.count));
    worker->err = ERR_HELD;
    loop_stop(worker->loop);
}

static void on_trouble(void *arg, int err, const char *text)
{
    const struct worker *worker = arg;
    log_warn(worker->options.logger, "the server is not reached", LOG_S("server", worker->options.server.url),
             LOG_S("reason", text ? text : error_text(err)));
}

static const struct worker_link_events link_events = {
    .hello = on_hello,
    .slots_free = on_slots_free,
    .welcome = on_welcome,
    .job = on_job,
    .drain = on_drain,
    .lost = on_lost,
    .trouble = on_trouble,
    .refused = on_refused,
};

// --- Its end

struct service {
    struct worker *worker;
    struct signals signals;
    struct watch *signal_watch, *spawner_watch;
};

static void told_to_end(struct worker *worker)
{
    if (worker->stopping) // a terminal tells it, and so does its parent
        return;
    if (worker->draining) {
        log_info(worker->options.logger, "ending; jobs that run go on, and the next worker finds them",
                 LOG_I("jobs", worker->jobs.count));
        end_now(worker);
        return;
    }
    worker->draining = true;
    log_info(worker->options.logger,
             "takes no more jobs, and ends when all is delivered; a second signal ends it at once",
             LOG_I("jobs", worker->jobs.count));
    worker_link_send(worker->link, STR("{\"type\":\"drain\"}"));
    end_when_drained(worker);
}

static void signal_came(void *arg, unsigned events)
{
    struct service *service = arg;
    int signum;
    bool by_terminal;
    (void)events;
    while (signals_read(&service->signals, &signum, &by_terminal)) {
        if (signum == SIGTERM || signum == SIGINT)
            told_to_end(service->worker);
        else if (signum == SIGHUP)
            worker_engine_look_at_logins(service->worker);
    }
}

// To fork from here, with threads, would not be safe. The next worker has a spawner of its own.
static void spawner_died(void *arg, unsigned events)
{
    struct service *service = arg;
    (void)events;
    watch_free(&service->spawner_watch);
    log_error(service->worker->options.logger, "what starts the jobs has died; the worker has to be started again");
    service->worker->err = ERR_UNAVAILABLE;
    loop_stop(service->worker->loop);
}

// --- Its beginning

static int take_folder(struct worker *worker)
{
    CLEANUP(free_ptr) char *lock = xasprintf("%s/" LOCK_FILE, worker->options.state_dir);
    worker->spools = xasprintf("%s/spool", worker->options.state_dir);
    int err = dir_make_all(worker->spools, 0700);
    if (err < 0)
        return err;
    worker->lock_fd = open(lock, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (worker->lock_fd < 0)
        return -errno;
    if (flock(worker->lock_fd, LOCK_EX | LOCK_NB) < 0)
        return ERR_CONFLICT;
    CLEANUP(free_ptr) char *cache = xasprintf("%s/cache", worker->options.state_dir);
    uint64_t cache_max = worker->options.cache_max ? worker->options.cache_max : CACHE_BYTES_MAX;
    return cache_open(cache, cache_max, &worker->cache);
}

// The users of jobs must get through to the jobs' folders. Nothing else here is for them to read.
static int let_user_through(const struct worker *worker)
{
    const char *const folders[] = {worker->options.state_dir, worker->spools};
    for (size_t i = 0; i < ARRAY_LEN(folders) && worker->has_user; i++) {
        struct stat info;
        if (stat(folders[i], &info) < 0 || chmod(folders[i], (info.st_mode & 07777) | 0001) < 0)
            return -errno;
    }
    return 0;
}

static int start(struct worker *worker, struct service *service)
{
    // This must come first: now the process is small and has no threads.
    const char *hidden[CONFINE_PATHS_MAX] = {0};
    worker_hidden(worker, hidden);
    int err = spawner_start(hidden, &worker->spawner);
    if (err == 0)
        err = take_folder(worker);
    if (err == 0)
        err = worker_find_offer(worker);
    if (err == 0)
        err = let_user_through(worker);
    if (err == 0)
        err = signals_block(&service->signals, false);
    if (err == 0)
        err = loop_new(&worker->loop);
    if (err == 0)
        err = pool_new(POOL_THREADS, POOL_QUEUE, &worker->pool);
    if (err == 0)
        err = watch_new(worker->loop, service->signals.fd, signal_came, service, &service->signal_watch);
    if (err == 0)
        err = watch_new(worker->loop, worker->spawner.fd, spawner_died, service, &service->spawner_watch);
    return err;
}

static void serve(struct worker *worker, struct service *service)
{
    watch_set(service->signal_watch, WATCH_READ);
    watch_set(service->spawner_watch, WATCH_READ);
    struct worker_link_options options = {.loop = worker->loop,
                                          .pool = worker->pool,
                                          .server = &worker->options.server,
                                          .events = &link_events,
                                          .arg = worker};
    worker->idle_timer = timer_new(worker->loop, worker_idle_end, worker);
    worker->link = worker_link_new(&options);
    worker_scan(worker);
    worker_engine_start(worker);
    loop_run(worker->loop);
}

static void detach_job(struct map_node *node, void *arg)
{
    (void)arg;
    worker_job_detach(CONTAINER_OF(node, struct worker_job, node));
}

static void free_job(struct map_node *node, void *arg)
{
    (void)arg;
    worker_job_free(CONTAINER_OF(node, struct worker_job, node));
}

static void stop(struct worker *worker, struct service *service)
{
    worker->stopping = true;
    atomic_store(&worker->abort, true);
    worker_engine_stop(worker);
    worker_idle_end(worker);
    timer_free(&worker->idle_timer);
    map_each(&worker->jobs, detach_job, NULL);
    worker_link_free(&worker->link);
    watch_free(&service->signal_watch);
    watch_free(&service->spawner_watch);
    pool_free(&worker->pool);
    pool_free(&worker->transfers);
    if (worker->loop)
        loop_deliver(worker->loop);
    map_each(&worker->jobs, free_job, NULL);
    if (worker->loop)
        loop_free(&worker->loop);
    signals_restore(&service->signals);
    spawner_stop(&worker->spawner);
    map_release(&worker->jobs);
    worker_release_offer(worker);
    cache_free(&worker->cache);
    close_fd(&worker->lock_fd);
    buf_release(&worker->given_back);
    free(worker->spools);
}

int worker_run(const struct worker_options *options)
{
    struct worker worker = {.options = *options, .lock_fd = -1, .spawner.fd = -1, .job_gone = on_job_gone};
    struct service service = {.worker = &worker, .signals.fd = -1};
    map_init(&worker.jobs);
    list_init(&worker.idle);
    worker.err = start(&worker, &service);
    if (worker.err == 0)
        serve(&worker, &service);
    stop(&worker, &service);
    return worker.err;
}
