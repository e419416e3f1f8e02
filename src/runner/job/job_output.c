// What a job says: from its pipes into the spool, on the loop, without a thread. While the spool is full nothing is
// read, and the job blocks as on any pipe.
#include "runner/job/job_private.h"
#include "util/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#define READ_STEP     LOOP_SCRATCH_SIZE
#define PIPE_SIZE     (1024 * 1024)
#define TURN_STEPS    4 // reads of one pipe before others have their turn
#define ROOM_RETRY_MS 500
#define SYNC_EVERY_MS 1000

// --- Into the spool

static void watch_outputs(struct job_runner *runner)
{
    bool reads = list_empty(&runner->pending);
    runner->executor->pause(runner, !reads);
    voice_pause(runner->voice, !reads);
}

static void fail(struct job_runner *runner, int err)
{
    CLEANUP(free_ptr) char *reason = xasprintf("its log cannot be recorded any more: %s", error_text(err));
    if (runner->recording_failed)
        return;
    runner->recording_failed = true;
    voice_fail(runner->voice);
    runner->hooks->stop(runner, "failed", reason, runner->file.grace_ms);
}

static void appended(struct job_runner *runner)
{
    if (!timer_active(runner->sync_timer) && !runner->sync.running)
        timer_start(runner->sync_timer, SYNC_EVERY_MS);
    job_control_spooled(runner);
}

// 0, also when it has to wait.
static int append(void *arg, const struct chunk *chunk)
{
    struct job_runner *runner = arg;
    int err = list_empty(&runner->pending) ? spool_append(runner->spool, chunk) : ERR_STORE_FULL;
    if (err == 0) {
        appended(runner);
    } else if (err == ERR_STORE_FULL) {
        struct pending *pending = xcalloc(1, sizeof(*pending));
        pending->chunk = chunk_ref(chunk);
        list_push_back(&runner->pending, &pending->node);
        watch_outputs(runner);
        timer_start(runner->room_timer, ROOM_RETRY_MS); // a disk may get room without an ack
    } else {
        fail(runner, err);
        return err;
    }
    return 0;
}

void job_output_room(struct job_runner *runner)
{
    bool waited = !list_empty(&runner->pending);
    while (!list_empty(&runner->pending)) {
        struct pending *pending = CONTAINER_OF(runner->pending.next, struct pending, node);
        int err = spool_append(runner->spool, pending->chunk);
        if (err == ERR_STORE_FULL) {
            timer_start(runner->room_timer, ROOM_RETRY_MS);
            return;
        }
        list_remove(&pending->node);
        chunk_unref(&pending->chunk);
        free(pending);
        if (err < 0)
            fail(runner, err);
        else
            appended(runner);
    }
    if (!waited)
        return;
    transcript_wait_anew(runner->transcript, clock_mono_ms());
    watch_outputs(runner);
    runner->hooks->check(runner);
}

static void on_room(void *arg)
{
    job_output_room(arg);
}

void job_output_settle(struct job_runner *runner)
{
    uint64_t now = clock_mono_ms();
    if (!runner->transcript)
        return;
    transcript_settle(runner->transcript, now);
    transcript_flush(runner->transcript);
    uint64_t due = transcript_due_ms(runner->transcript);
    if (due == 0)
        timer_stop(runner->partial_timer);
    else
        timer_start(runner->partial_timer, due > now ? due - now : 0);
}

static void on_partial(void *arg)
{
    job_output_settle(arg);
}

// --- From the pipes

static void end_output(struct job_output *output)
{
    if (output->fd < 0)
        return;
    watch_free(&output->watch);
    close_fd(&output->fd);
    transcript_end(output->runner->transcript, output->stream, clock_real_ms());
}

void job_output_bytes(struct job_runner *runner, enum record_stream stream, struct str bytes)
{
    runner->last_output_ms = clock_mono_ms();
    struct transcript_bytes said = {.stream = stream, .data = bytes.data, .len = bytes.len, .time_ms = clock_real_ms()};
    transcript_feed(runner->transcript, &said);
}

// Fewer wake-ups for both sides. Not all are allowed so much; the usual size works as well.
static void widen(struct job_output *output)
{
    if (!output->wide)
        (void)fcntl(output->fd, F_SETPIPE_SZ, PIPE_SIZE);
    output->wide = true;
}

// How many bytes came; at the end of the pipe it is closed.
static size_t read_once(struct job_output *output)
{
    struct job_runner *runner = output->runner;
    if (output->fd < 0)
        return 0;
    uint8_t *scratch = loop_scratch(runner->loop);
    ssize_t got = read(output->fd, scratch, READ_STEP);
    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return 0;
    if (got <= 0) {
        end_output(output);
        return 0;
    }
    job_output_bytes(runner, output->stream, str_n((const char *)scratch, (size_t)got));
    if ((size_t)got == READ_STEP)
        widen(output);
    return (size_t)got;
}

static void output_ready(void *arg, unsigned events)
{
    struct job_output *output = arg;
    struct job_runner *runner = output->runner;
    size_t got = READ_STEP;
    (void)events;
    // A flood goes in as large chunks: what is not at the end of the pipe yet gathers until the next turn.
    for (int step = 0; step < TURN_STEPS && got == READ_STEP && list_empty(&runner->pending); step++)
        got = read_once(output);
    if (got < READ_STEP)
        job_output_settle(runner);
    runner->hooks->check(runner);
}

int job_output_add(struct job_runner *runner, enum record_stream stream, int fd)
{
    struct job_output *output = &runner->outputs[stream];
    *output = (struct job_output){.runner = runner, .stream = stream, .fd = fd};
    int err = watch_new(runner->loop, fd, output_ready, output, &output->watch);
    if (err == 0)
        watch_set(output->watch, list_empty(&runner->pending) ? WATCH_READ : 0);
    return err;
}

bool job_output_open(const struct job_runner *runner)
{
    return runner->outputs[0].fd >= 0 || runner->outputs[1].fd >= 0;
}

static void take_result(struct job_runner *runner)
{
    const char *reason;
    if (!runner->file.wants_result || !runner->started || runner->result_taken)
        return;
    runner->result_taken = true;
    if (result_take(&runner->result, &runner->result_json, &reason))
        return;
    CLEANUP(free_ptr) char *text = xasprintf("no result is kept: %s", reason);
    job_output_event(runner, "result_missing", LEVEL_WARNING, text);
}

void job_output_close(struct job_runner *runner)
{
    // What is in the pipes, at most their size, goes beyond the spool's limit rather than being lost.
    for (size_t i = 0; i < ARRAY_LEN(runner->outputs); i++) {
        while (read_once(&runner->outputs[i]) > 0)
            ;
        end_output(&runner->outputs[i]);
    }
    take_result(runner);
    job_output_settle(runner);
}

// --- Records that come otherwise

void job_output_event(struct job_runner *runner, const char *event_type, enum record_level level, const char *message)
{
    CLEANUP(buf_release) struct buf extra = {0};
    CLEANUP(buf_release) struct buf text = {0};
    buf_append_utf8(&text, str_of(message));
    record_extra_append_string(&extra, "event_type", str_of(event_type));
    struct record record = {
        .time_ms = clock_real_ms(),
        .stream = STREAM_EVENT,
        .level = level,
        .message = buf_str(&text),
        .extra = buf_str(&extra),
    };
    transcript_add(runner->transcript, &record);
}

static void voice_said(void *arg, const struct record *record)
{
    struct job_runner *runner = arg;
    transcript_add(runner->transcript, record);
}

// While the spool is full, the voice is paused.
static int voice_flush(void *arg)
{
    const struct job_runner *runner = arg;
    job_output_settle(arg);
    return runner->recording_failed ? ERR_IO : MIN(transcript_failed(runner->transcript), 0);
}

static const struct voice_events voice_events = {voice_said, voice_flush};

// --- Durability

static void sync_work(struct job *job)
{
    struct sync_work *sync = CONTAINER_OF(job, struct sync_work, job);
    sync->err = run_file_sync(sync->runner->dir);
    if (sync->err == 0)
        sync->err = spool_sync(sync->runner->spool);
}

static void sync_done(struct job *job)
{
    struct sync_work *sync = CONTAINER_OF(job, struct sync_work, job);
    struct job_runner *runner = sync->runner;
    sync->running = false;
    if (runner->over)
        return;
    if (sync->err < 0) {
        fail(runner, sync->err);
        return;
    }
    job_output_room(runner); // it may have been trimmed
    if (spool_synced(runner->spool) < spool_next(runner->spool))
        timer_start(runner->sync_timer, SYNC_EVERY_MS);
}

void job_output_sync(void *arg)
{
    struct job_runner *runner = arg;
    // The first thread of this process: a job that ends before needs none.
    if (!runner->pool && pool_new(1, 1, &runner->pool) < 0) {
        timer_start(runner->sync_timer, SYNC_EVERY_MS);
        return;
    }
    runner->sync.runner = runner;
    runner->sync.job = (struct job){.reply_to = runner->loop, .work = sync_work, .done = sync_done};
    runner->sync.running = pool_submit(runner->pool, &runner->sync.job) == 0;
}

// --- Lifecycle

int job_output_new(struct job_runner *runner)
{
    const struct job_file *file = &runner->file;
    runner->partial_timer = timer_new(runner->loop, on_partial, runner);
    runner->room_timer = timer_new(runner->loop, on_room, runner);
    runner->sync_timer = timer_new(runner->loop, job_output_sync, runner);
    runner->transcript =
        transcript_new(&(struct transcript_options){.message_max = file->message_max,
                                                    .mask = runner->secrets.mask,
                                                    .append = append,
                                                    .arg = runner,
                                                    .result = file->wants_result ? &runner->result : NULL});
    int door;
    int err = job_folder_voice(runner, &door);
    return err < 0 ? err : voice_new(runner->loop, door, &voice_events, runner, &runner->voice);
}

void job_output_free(struct job_runner *runner)
{
    close_fd(&runner->kept->door);
    runner->kept->door = voice_leave(&runner->voice);
    for (size_t i = 0; i < ARRAY_LEN(runner->outputs); i++) {
        watch_free(&runner->outputs[i].watch);
        close_fd(&runner->outputs[i].fd);
    }
    timer_free(&runner->partial_timer);
    timer_free(&runner->room_timer);
    timer_free(&runner->sync_timer);
    LIST_FOR_EACH_SAFE(node, next, &runner->pending) {
        struct pending *pending = CONTAINER_OF(node, struct pending, node);
        list_remove(node);
        chunk_unref(&pending->chunk);
        free(pending);
    }
    transcript_free(&runner->transcript);
    result_reader_release(&runner->result);
    buf_release(&runner->result_json);
}
