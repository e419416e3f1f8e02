#include "runner/resume.h"

#include "runner/delivery.h"
#include "runner/job_file.h"
#include "runner/outputs.h"
#include "runner/refusal.h"
#include "util/clock.h"
#include "util/id.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sys/stat.h>
#include <unistd.h>

#define PRODUCER_SUFFIX ".resumed"
#define EVENT_FOLDER    "resumed"
#define EVENT_MESSAGE   "The runner was interrupted: what the job wrote after this, if anything, was not recorded."

struct resume {
    const struct runner_options *options;
    struct runner_resumed counts;
    bool unreached;            // the last delivery did not reach the server, so it is not tried again for each run
    runner_left_fn *tell_left; // may be NULL
    void *tell_arg;
    struct buf reason; // why the present run is left, as far as that is known
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    struct loop *loop;             // of the delivery that is under way
    struct outputs_upload *upload; // that is under way
    bool stop, finished;
};

// One delivery, from begin to end.
struct attempt {
    struct resume *resume;
    struct loop *loop;
    struct pool *pool;
    struct timer *patience, *unreached;
    struct delivery *delivery;
    struct run_file *run;
    const char *dir;      // NULL: the run file is not saved
    char incarnation[32]; // of the store that has the prefix; empty while the prefix is being delivered
    bool until_delivered; // ends when everything was sent, without `complete`
    bool over;
    int err;
};

static void attempt_end(struct attempt *attempt, int err)
{
    if (attempt->over)
        return;
    attempt->over = true;
    attempt->err = err;
    loop_stop(attempt->loop);
}

static void on_acked(void *arg)
{
    (void)arg;
}

static void on_changed(void *arg)
{
    struct attempt *attempt = arg;
    // If the store was restored meanwhile, it may lack the prefix. Then this waits for the next time, which sends the
    // prefix first.
    if (attempt->incarnation[0] && strcmp(attempt->incarnation, attempt->run->incarnation) != 0)
        attempt_end(attempt, ERR_UNAVAILABLE);
    // If it cannot be saved, the next run claims a new epoch.
    if (attempt->dir)
        run_file_save(attempt->run, attempt->dir, false);
}

static void on_cancel(void *arg, const char *reason, uint64_t grace_ms)
{
    (void)reason;
    (void)arg;
    (void)grace_ms;
}

static void on_delivered(void *arg)
{
    struct attempt *attempt = arg;
    if (attempt->until_delivered)
        attempt_end(attempt, 0);
}

static void on_unreached(void *arg)
{
    struct attempt *attempt = arg;
    if (!delivery_reached(attempt->delivery))
        attempt_end(attempt, ERR_UNAVAILABLE);
}

static void on_trouble(void *arg, int err, const char *text)
{
    struct attempt *attempt = arg;
    (void)err;
    buf_reset(&attempt->resume->reason);
    buf_append_text(&attempt->resume->reason, text);
    if (attempt->resume->options->give_up_unreached)
        on_unreached(attempt);
}

static void on_ended(void *arg, int err, const char *text)
{
    struct attempt *attempt = arg;
    buf_reset(&attempt->resume->reason);
    if (err < 0)
        refusal_append(&attempt->resume->reason, attempt->run, err, text);
    attempt_end(attempt, err);
}

static void on_patience(void *arg)
{
    attempt_end(arg, ERR_UNAVAILABLE);
}

static const struct delivery_events attempt_events = {on_acked,     on_changed, on_cancel,
                                                      on_delivered, on_trouble, on_ended};

static bool attempt_may_run(struct attempt *attempt)
{
    struct resume *resume = attempt->resume;
    pthread_mutex_lock(&resume->lock);
    bool may = !resume->stop;
    resume->loop = may ? attempt->loop : NULL;
    pthread_mutex_unlock(&resume->lock);
    return may;
}

static void attempt_was_run(struct attempt *attempt)
{
    struct resume *resume = attempt->resume;
    pthread_mutex_lock(&resume->lock);
    resume->loop = NULL;
    pthread_mutex_unlock(&resume->lock);
}

struct attempt_options {
    struct run_file *run;
    struct spool *spool;
    const char *dir; // NULL: the run file is not saved
    const char
        *producer; // NULL: the run's; else that of what follows on the prefix, whose `digest` is that of both then
    const uint64_t *digest;
    bool follows;  // continues what the store of the run's incarnation has already
    bool complete; // else it is enough that everything was sent
    bool tail_lost;
};

static void attempt_loop(struct attempt *attempt, bool complete)
{
    const struct runner_options *options = attempt->resume->options;
    attempt->patience = timer_new(attempt->loop, on_patience, attempt);
    attempt->unreached = timer_new(attempt->loop, on_unreached, attempt);
    if (options->deliver_wait_ms > 0)
        timer_start(attempt->patience, options->deliver_wait_ms);
    if (options->give_up_unreached)
        timer_start(attempt->unreached, RUNNER_UNREACHED_WAIT_MS);
    if (complete)
        delivery_complete(attempt->delivery);
    loop_run(attempt->loop);
    attempt_was_run(attempt);
    timer_free(&attempt->patience);
    timer_free(&attempt->unreached);
}

static int attempt_run(struct resume *resume, const struct attempt_options *options)
{
    struct attempt attempt = {.resume = resume,
                              .run = options->run,
                              .dir = options->dir,
                              .until_delivered = !options->complete,
                              .err = ERR_UNAVAILABLE};
    int err = loop_new(&attempt.loop);
    if (err < 0)
        return err;
    if (options->follows)
        snprintf(attempt.incarnation, sizeof(attempt.incarnation), "%s", options->run->incarnation);
    err = pool_new(1, 4, &attempt.pool);
    if (err == 0 && attempt_may_run(&attempt)) {
        struct delivery_options delivery = {
            .loop = attempt.loop,
            .pool = attempt.pool,
            .server = &resume->options->server,
            .run = options->run,
            .producer = options->producer,
            .spool = options->spool,
            .digest = options->digest,
            .tail_lost = options->tail_lost,
            .events = &attempt_events,
            .arg = &attempt,
        };
        attempt.delivery = delivery_new(&delivery);
        attempt_loop(&attempt, options->complete);
        // The log has everything that the spool has, and it was closed before the machine went down.
        if (options->producer && attempt.err == ERR_SEALED && delivery_greeted(attempt.delivery))
            attempt.err = 0;
        resume->unreached = attempt.err == ERR_UNAVAILABLE && !delivery_reached(attempt.delivery);
        delivery_free(&attempt.delivery);
    }
    pool_free(&attempt.pool);
    loop_free(&attempt.loop);
    return err < 0 ? err : attempt.err;
}

static struct chunk *make_event(void)
{
    CLEANUP(chunk_builder_free) struct chunk_builder *builder = chunk_builder_new();
    CLEANUP(buf_release) struct buf extra = {0};
    record_extra_append_string(&extra, "event_type", STR("capture_interrupted"));
    struct record record = {
        .time_ms = clock_real_ms(),
        .stream = STREAM_EVENT,
        .level = LEVEL_WARNING,
        .message = STR(EVENT_MESSAGE),
        .extra = buf_str(&extra),
    };
    if (chunk_builder_add(builder, &record) < 0)
        abort(); // cannot happen: a chunk is not full with one record
    return chunk_builder_finish(builder, 0);
}

// The server has the prefix. What follows comes from a producer of its own, because nobody knows which counters the
// dead one has used. The name of that producer is the same each time, so that the server recognizes a repetition.
static int deliver_interruption(struct resume *resume, struct run_file *lost, uint64_t prefix_digest, const char *dir,
                                const struct outputs_report *outputs)
{
    CLEANUP(free_ptr) char *folder = xasprintf("%s/" EVENT_FOLDER, dir);
    CLEANUP(free_ptr) char *producer = xasprintf("%s" PRODUCER_SUFFIX, lost->producer);
    CLEANUP(free_ptr) char *old = xasprintf("%s/spool", folder);
    CLEANUP(spool_free) struct spool *spool = NULL;
    CLEANUP(chunk_unref) struct chunk *event = make_event(), *missing = outputs_events(outputs);
    unlink(old);
    int err = spool_create(&(struct spool_options){.dir = folder, .bytes_max = UINT64_MAX}, &spool);
    if (err == 0)
        err = spool_append(spool, event);
    if (err == 0 && missing)
        err = spool_append(spool, missing);
    if (err < 0)
        return err;
    uint64_t digest = chunk_digest(event, prefix_digest);
    if (missing)
        digest = chunk_digest(missing, digest);
    return attempt_run(
        resume,
        &(struct attempt_options){
            .run = lost, .spool = spool, .producer = producer, .digest = &digest, .follows = true, .complete = true});
}

// Whoever ends the resume ends this, too.
static void set_upload(struct resume *resume, struct outputs_upload *upload)
{
    pthread_mutex_lock(&resume->lock);
    resume->upload = upload;
    if (upload && resume->stop)
        atomic_store(&upload->abort, true);
    pthread_mutex_unlock(&resume->lock);
}

// The outputs of a run that was interrupted, or found no server. They need an execution that the server knows, so all
// lines are there before. `upload` gets what became of them.
static int upload_outputs(struct resume *resume, const struct run_file *run, const char *dir,
                          struct outputs_upload *upload)
{
    CLEANUP(close_fd) int dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    CLEANUP(job_file_release) struct job_file job = {0};
    int err = dir_fd < 0 ? ERR_NOT_FOUND : job_file_load(dir_fd, &job); // only a job's folder has one
    const struct outputs_options options = {.server = &resume->options->server,
                                            .token = err == 0 ? job.token : NULL,
                                            .execution_id = run->execution_id,
                                            .run_dir_fd = dir_fd,
                                            .owner = job.has_user ? job.user.uid : UINT32_MAX};
    if (dir_fd < 0 || !outputs_left(dir_fd) || outputs_upload_init(upload, &options) < 0)
        return 0;
    set_upload(resume, upload);
    buf_reset(&resume->reason);
    err = outputs_upload_try(upload, &resume->reason);
    set_upload(resume, NULL);
    return err < 0 ? ERR_UNAVAILABLE : 0;
}

static bool has_outputs(const char *dir)
{
    CLEANUP(close_fd) int dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return dir_fd >= 0 && outputs_left(dir_fd);
}

static int deliver_ended(struct resume *resume, struct run_file *run, struct spool *spool, const char *dir)
{
    CLEANUP(outputs_upload_release) struct outputs_upload upload = {0};
    struct attempt_options options = {.run = run, .spool = spool, .dir = dir};
    if (has_outputs(dir)) {
        int err = attempt_run(resume, &options);
        if (err == 0)
            err = upload_outputs(resume, run, dir, &upload);
        if (err == 0)
            err = outputs_tell(spool, &upload.report);
        if (err < 0)
            return err;
        run->records = spool_next(spool);
    }
    options.complete = true;
    return attempt_run(resume, &options);
}

static int deliver_interrupted(struct resume *resume, struct run_file *run, struct spool *prefix, const char *dir)
{
    // When a machine goes down, records may be lost here that the server has.
    char boot[sizeof(run->boot)];
    run_file_boot(boot);
    struct attempt_options options = {
        .run = run, .spool = prefix, .dir = dir, .tail_lost = run->boot[0] && strcmp(run->boot, boot) != 0};
    int err = attempt_run(resume, &options);
    if (err < 0)
        return err;
    struct run_file lost = *run; // its strings are borrowed
    snprintf(lost.status, sizeof(lost.status), "lost");
    lost.has_exit_code = false;
    lost.ended_ms = 0;
    CLEANUP(outputs_upload_release) struct outputs_upload upload = {0};
    err = upload_outputs(resume, run, dir, &upload);
    if (err == 0)
        err = deliver_interruption(resume, &lost, spool_digest(prefix), dir, &upload.report);
    if (err < 0)
        return err;
    // That was the answer about the other producer. The server must say again what it has of this one.
    options.run = &lost;
    options.dir = NULL;
    options.follows = options.complete = true;
    return attempt_run(resume, &options);
}

static int deliver_left(struct resume *resume, const char *dir, bool any_server, bool *ret_gone)
{
    CLEANUP(run_file_release) struct run_file run = {0};
    CLEANUP(spool_free) struct spool *spool = NULL;
    bool torn;
    int err = spool_open(&(struct spool_options){.dir = dir, .bytes_max = UINT64_MAX}, &torn, &spool);
    if (err == 0)
        err = run_file_load(dir, &run);
    if (err < 0)
        return err;
    if (!any_server && strcmp(run.url, resume->options->server.url) != 0) {
        buf_printf(&resume->reason, "it was recorded for %s; named, it is delivered here", run.url);
        return ERR_UNAVAILABLE;
    }
    if (resume->unreached) {
        buf_append_text(&resume->reason, "the server was not reached for the one before");
        return ERR_UNAVAILABLE;
    }
    // The run file may have reached the disk before the last bytes of the spool.
    run.ended = run.ended && spool_next(spool) >= run.records;
    if (run.ended)
        err = deliver_ended(resume, &run, spool, dir);
    else
        err = deliver_interrupted(resume, &run, spool, dir);
    // What this run had, and what has gone since, nobody can be shown any more. Without an epoch the execution that has
    // gone was another one of that name.
    *ret_gone = err == ERR_EXPIRED && run.epoch > 0;
    if (err == 0 || *ret_gone)
        spool_remove(&spool);
    return *ret_gone ? 0 : err;
}

static bool is_stopped(struct resume *resume)
{
    pthread_mutex_lock(&resume->lock);
    bool stopped = resume->stop;
    pthread_mutex_unlock(&resume->lock);
    return stopped;
}

static void tell_left(struct resume *resume, const char *name, int err)
{
    resume->counts.left++;
    if (resume->reason.len == 0 && err == ERR_UNAVAILABLE)
        buf_append_text(&resume->reason, "the server did not take all of it in time");
    else if (resume->reason.len == 0)
        buf_append_text(&resume->reason, err == ERR_TOO_NEW ? RECORDED_BY_NEWER : error_text(err));
    if (resume->tell_left)
        resume->tell_left(resume->tell_arg, name, buf_cstr(&resume->reason), false);
}

static void tell_discarded(struct resume *resume, const char *name)
{
    resume->counts.discarded++;
    if (resume->tell_left)
        resume->tell_left(resume->tell_arg, name, "its execution has expired, or was purged", true);
}

static int resume_one(struct resume *resume, const char *name, bool any_server)
{
    CLEANUP(free_ptr) char *dir = xasprintf("%s/spool/%s", resume->options->state_dir, name);
    buf_reset(&resume->reason);
    bool gone = false;
    int err = deliver_left(resume, dir, any_server, &gone);
    if (gone)
        tell_discarded(resume, name);
    else if (err == 0)
        resume->counts.delivered++;
    else if (err == ERR_HELD)
        resume->counts.held++;
    else if (err != ERR_NOT_FOUND)
        tell_left(resume, name, err);
    return err;
}

static void resume_all(struct resume *resume)
{
    CLEANUP(free_ptr) char *path = xasprintf("%s/spool", resume->options->state_dir);
    struct dirent **names = NULL;
    spool_sweep(path);
    // Ids sort by time, so the oldest comes first.
    int count = scandir(path, &names, NULL, alphasort);
    for (int i = 0; i < count; i++) {
        if (names[i]->d_name[0] != '.' && !is_stopped(resume))
            resume_one(resume, names[i]->d_name, false);
        free(names[i]);
    }
    free(names);
}

static void resume_init(struct resume *resume, const struct runner_options *options)
{
    pthread_condattr_t monotonic;
    resume->options = options;
    pthread_mutex_init(&resume->lock, NULL);
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&resume->changed, &monotonic);
    pthread_condattr_destroy(&monotonic);
}

static void resume_release(struct resume *resume)
{
    buf_release(&resume->reason);
    pthread_mutex_destroy(&resume->lock);
    pthread_cond_destroy(&resume->changed);
}

int runner_resume(const struct runner_options *options, const char *only_execution_id, runner_left_fn *left, void *arg,
                  struct runner_resumed *ret)
{
    struct resume resume = {.tell_left = left, .tell_arg = arg};
    int err = 0;
    resume_init(&resume, options);
    if (only_execution_id && !id_execution_valid(str_of(only_execution_id)))
        err = ERR_INVALID; // it will be part of a path
    else if (only_execution_id)
        err = resume_one(&resume, only_execution_id, true);
    else
        resume_all(&resume);
    *ret = resume.counts;
    resume_release(&resume);
    return err;
}

// --- While a run goes on

static void *resume_thread(void *arg)
{
    struct resume *resume = arg;
    resume_all(resume);
    pthread_mutex_lock(&resume->lock);
    resume->finished = true;
    pthread_cond_signal(&resume->changed);
    pthread_mutex_unlock(&resume->lock);
    return NULL;
}

struct resume *resume_start(const struct runner_options *options)
{
    struct resume *resume = xcalloc(1, sizeof(*resume));
    resume_init(resume, options);
    if (pthread_create(&resume->thread, NULL, resume_thread, resume) != 0) {
        // The next run will try again.
        resume_release(resume);
        free(resume);
        return NULL;
    }
    return resume;
}

void resume_finish(struct resume **resume_ptr, uint64_t wait_ms)
{
    struct resume *resume = TAKE_PTR(*resume_ptr);
    struct timespec until;
    if (!resume)
        return;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += (time_t)(wait_ms / 1000);
    until.tv_nsec += (long)(wait_ms % 1000) * 1000000;
    until.tv_sec += until.tv_nsec / 1000000000;
    until.tv_nsec %= 1000000000;
    pthread_mutex_lock(&resume->lock);
    int timed_out = 0;
    while (!resume->finished && timed_out == 0)
        timed_out = pthread_cond_timedwait(&resume->changed, &resume->lock, &until);
    resume->stop = true;
    if (resume->loop)
        loop_stop(resume->loop);
    if (resume->upload)
        atomic_store(&resume->upload->abort, true);
    pthread_mutex_unlock(&resume->lock);
    pthread_join(resume->thread, NULL);
    resume_release(resume);
    free(resume);
}
