// How a job ends: by itself, by a cancel, at its time limit, or as no server was heard of for too long. It is over when
// its program has ended, nothing that descends from it is left, and all that it wrote is in the spool.
#include "runner/job/job_private.h"
#include "runner/outputs_names.h"
#include "runner/run_details.h"
#include "util/clock.h"

#include <errno.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define QUIET_MS     1000  // what the program has left running may say more until nothing came for so long
#define LINGER_MS    5000  // and at most for so long
#define KILL_STEP_MS 20    // between the first two looks for what is left; then twice as long, up to a second
#define KILL_MAX_MS  10000 // what cannot be killed (it hangs in the kernel) is not waited for any longer

// --- To an end

static void signal_all(struct job_runner *runner, int signum)
{
    runner->executor->signal(runner, signum);
}

static void begin_killing(struct job_runner *runner)
{
    if (!runner->killing)
        runner->killing_since_ms = clock_mono_ms();
    runner->killing = true;
    timer_stop(runner->linger_timer);
    signal_all(runner, SIGKILL);
    timer_start(runner->kill_timer, (uint64_t)KILL_STEP_MS << MIN(runner->kills, 6u));
    runner->kills++;
}

static void on_kill(void *arg)
{
    begin_killing(arg);
    job_check(arg);
}

void job_stop(struct job_runner *runner, const char *status, const char *reason, uint64_t grace_ms)
{
    if (runner->stopping || runner->program_over || runner->over)
        return;
    runner->stopping = true;
    runner->status = status;
    buf_reset(&runner->reason);
    buf_append_utf8(&runner->reason, str_of(reason));
    timer_stop(runner->timeout_timer);
    if (grace_ms == 0) {
        begin_killing(runner);
        return;
    }
    signal_all(runner, SIGTERM);
    signal_all(runner, SIGCONT); // one that is stopped would not end
    timer_start(runner->kill_timer, grace_ms);
}

static void on_timeout(void *arg)
{
    struct job_runner *runner = arg;
    CLEANUP(buf_release) struct buf reason = {0};
    buf_append_text(&reason, "it ran longer than its time limit of ");
    duration_format((int64_t)runner->file.timeout_ms, &reason);
    job_stop(runner, "timed_out", buf_cstr(&reason), runner->file.grace_ms);
}

// Another attempt of it is about to be made elsewhere.
static void lease_over(struct job_runner *runner)
{
    CLEANUP(buf_release) struct buf reason = {0};
    buf_append_text(&reason, "no server was heard of for ");
    duration_format((int64_t)runner->file.lease_ms, &reason);
    buf_append_text(&reason, ", and it is to be run again when it is lost");
    job_stop(runner, "lost", buf_cstr(&reason), 0);
    if (!runner->killing && !runner->over)
        begin_killing(runner); // it was stopping already, or has left something running
}

bool job_lease_over(const struct job_runner *runner)
{
    return runner->file.retry_on_lost && clock_boot_ms() >= runner->alive_until_ms;
}

static void on_lease(void *arg, unsigned events)
{
    struct job_runner *runner = arg;
    (void)events;
    uint64_t times;
    if (read(runner->lease_fd, &times, sizeof(times)) < 0 && errno != EAGAIN && errno != EINTR)
        watch_set(runner->lease_watch, 0);
    if (job_lease_over(runner))
        lease_over(runner);
}

// A loop's timers stand still while the machine sleeps. This one does not.
static void set_lease_timer(struct job_runner *runner)
{
    struct itimerspec when = {.it_value = {.tv_sec = (time_t)(runner->alive_until_ms / 1000),
                                           .tv_nsec = (long)(runner->alive_until_ms % 1000) * 1000000}};
    timerfd_settime(runner->lease_fd, TFD_TIMER_ABSTIME, &when, NULL);
}

void job_alive(struct job_runner *runner, uint64_t until_ms)
{
    if (runner->lease_fd < 0 || until_ms <= runner->alive_until_ms)
        return;
    runner->alive_until_ms = until_ms;
    set_lease_timer(runner);
}

static int watch_lease(struct job_runner *runner)
{
    if (!runner->file.retry_on_lost)
        return 0;
    runner->alive_until_ms = MAX(runner->file.alive_until_ms, (uint64_t)1);
    runner->lease_fd = timerfd_create(CLOCK_BOOTTIME, TFD_CLOEXEC | TFD_NONBLOCK);
    int err = runner->lease_fd < 0 ? -errno
                                   : watch_new(runner->loop, runner->lease_fd, on_lease, runner, &runner->lease_watch);
    if (err < 0)
        return err;
    watch_set(runner->lease_watch, WATCH_READ);
    set_lease_timer(runner);
    return 0;
}

// --- At the end

void job_program_ended(struct job_runner *runner, int exit_code)
{
    runner->program_over = true;
    runner->program_over_ms = clock_mono_ms();
    runner->last_output_ms = MAX(runner->last_output_ms, runner->program_over_ms);
    runner->exit_code = exit_code;
    runner->run.ended_ms = clock_real_ms();
    timer_stop(runner->timeout_timer);
}

static void process_ended(struct job_runner *runner, int status)
{
    runner->pid = 0;
    job_program_ended(runner, WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status));
    if (!runner->stopping && WIFSIGNALED(status) && cgroup_killed_for_memory(&runner->cgroup))
        buf_append_text(&runner->reason, "it used more memory than its limit");
}

void job_reap(struct job_runner *runner)
{
    for (;;) {
        int status;
        struct rusage usage;
        pid_t pid = wait4(-1, &status, WNOHANG, &usage);
        if (pid <= 0 && !(pid < 0 && errno == EINTR))
            break;
        if (pid > 0)
            run_details_add(&runner->used, &usage);
        if (pid > 0 && pid == runner->pid)
            process_ended(runner, status);
    }
    job_check(runner);
}

// How long what is left running, or has the pipes, may still go on. 0: no longer.
static uint64_t patience(const struct job_runner *runner, uint64_t now)
{
    uint64_t until = MIN(runner->last_output_ms + QUIET_MS, runner->program_over_ms + LINGER_MS);
    return until > now ? until - now : 0;
}

static void end(struct job_runner *runner)
{
    job_output_close(runner);
    if (!list_empty(&runner->pending) && !runner->recording_failed)
        return; // on_room comes here again
    runner->over = true;
    loop_stop(runner->loop);
}

void job_check(struct job_runner *runner)
{
    uint64_t now = clock_mono_ms();
    if (runner->over || !runner->program_over || !list_empty(&runner->pending))
        return;
    bool left = runner->executor->left(runner), lingers = runner->executor->lingers;
    bool stuck = lingers && runner->killing && now - runner->killing_since_ms > KILL_MAX_MS;
    if (stuck && left)
        job_output_event(runner, "job_left_running", LEVEL_WARNING,
                         "something that the job has started cannot be killed; it is not waited for");
    if (stuck || (!left && (runner->killing || !job_output_open(runner)))) {
        voice_drain(runner->voice);
        end(runner);
        return;
    }
    if (runner->killing || !lingers)
        return;
    if (runner->stopping && left) {
        // It has the rest of the grace. One that was just being started may have lost the signal, as a shell forgets
        // on the way from its fork to its program what it has caught.
        if (!timer_active(runner->linger_timer)) {
            signal_all(runner, SIGTERM);
            timer_start(runner->linger_timer, QUIET_MS);
        }
        return;
    }
    uint64_t wait_ms = patience(runner, now);
    if (wait_ms > 0)
        timer_start(runner->linger_timer, wait_ms);
    else
        begin_killing(runner);
}

static void on_linger(void *arg)
{
    job_check(arg);
}

// --- The outcome

static void add_details(struct job_runner *runner, struct buf *out)
{
    struct run_details details = {
        .reason = buf_str(&runner->reason),
        .result = buf_str(&runner->result_json),
        .runtime_version = runner->file.runtime_version,
        .env_vars_count = runner->file.spec_env_count,
    };
    runner->executor->measure(runner, &details);
    run_details_append(&details, out);
}

int job_finish(struct job_runner *runner)
{
    struct run_file *run = &runner->run;
    CLEANUP(buf_release) struct buf details = {0};
    int err = transcript_failed(runner->transcript);
    if (err < 0 || runner->recording_failed)
        return err < 0 ? err : ERR_IO; // then it is as if we had been killed: its log is not whole
    if (runner->secrets.mask)
        outputs_names_mask(runner->dir_fd, runner->secrets.mask); // what it cannot do is told by the upload
    add_details(runner, &details);
    run->details_json = buf_take(&details);
    run->ended = true;
    run->ended_ms = run->ended_ms > 0 ? run->ended_ms : clock_real_ms();
    run->records = spool_next(runner->spool);
    run->has_exit_code = !runner->status || strcmp(runner->status, "lost") != 0;
    run->exit_code = runner->exit_code;
    if (runner->status)
        snprintf(run->status, sizeof(run->status), "%s", runner->status);
    free(TAKE_PTR(run->cgroup));
    return runner->control ? run_file_append(run, runner->dir_fd) : run_file_save(run, runner->dir, false);
}

void job_make_durable(struct job_runner *runner)
{
    if (spool_sync(runner->spool) == 0)
        run_file_sync(runner->dir);
}

int job_end_init(struct job_runner *runner)
{
    runner->timeout_timer = timer_new(runner->loop, on_timeout, runner);
    runner->kill_timer = timer_new(runner->loop, on_kill, runner);
    runner->linger_timer = timer_new(runner->loop, on_linger, runner);
    return watch_lease(runner);
}

void job_end_free(struct job_runner *runner)
{
    timer_free(&runner->timeout_timer);
    timer_free(&runner->kill_timer);
    timer_free(&runner->linger_timer);
    watch_free(&runner->lease_watch);
    close_fd(&runner->lease_fd);
}
