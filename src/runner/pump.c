#include "runner/pump.h"

#include "runner/buffering.h"
#include "util/clock.h"

#include <errno.h>
#include <linux/magic.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <termios.h>
#include <unistd.h>

#define QUIET_MS 1000 // when the writer is gone and nothing has come for so long, the stream is over

struct pump {
    struct pump_options options;
    struct mail ended, lost, keyed, kept_back;
    pthread_t thread;
    int wake; // an eventfd that tells the thread to look at the flags
    atomic_bool writer_exited, stop, paused;
    atomic_bool ended_with_reader;
    struct buffering buffering; // belongs to the loop when `kept_back` is posted
    int lost_err;               // set before `lost` is posted
    bool to_tells_close;        // poll reports that the reader is gone
    // Used by the thread only:
    bool draining; // it has noticed that the writer has exited
    size_t must_read;
    uint64_t exited_ms, last_ms;
    int to; // -1 after it has failed
    bool reader_gone;
    bool kept_back_told;
};

static void deliver_ended(struct mail *mail)
{
    struct pump *pump = CONTAINER_OF(mail, struct pump, ended);
    pump->options.ended(pump->options.arg);
}

static void deliver_lost(struct mail *mail)
{
    struct pump *pump = CONTAINER_OF(mail, struct pump, lost);
    pump->options.lost(pump->options.arg, pump->options.stream, pump->lost_err);
}

static void deliver_kept_back(struct mail *mail)
{
    struct pump *pump = CONTAINER_OF(mail, struct pump, kept_back);
    pump->options.kept_back(pump->options.arg, pump->buffering.quiet_ms);
}

static void deliver_keyed(struct mail *mail)
{
    struct pump *pump = CONTAINER_OF(mail, struct pump, keyed);
    pump->options.keyed(pump->options.arg);
}

static void read_what_waits(struct pump *pump)
{
    int waiting = 0;
    if (ioctl(pump->options.from, FIONREAD, &waiting) == 0 && waiting > 0)
        pump->must_read = (size_t)waiting;
}

static void start_draining(struct pump *pump)
{
    pump->draining = true;
    pump->exited_ms = pump->last_ms = clock_mono_ms();
    // Everything that the child wrote is among these bytes, because only the pipe is between us.
    read_what_waits(pump);
}

static void lose_to(struct pump *pump, int err)
{
    pump->to = -1;
    pump->reader_gone = err == -EPIPE || err == -ECONNRESET;
    pump->lost_err = pump->reader_gone ? -EPIPE : err;
    if (pump->reader_gone && pump->options.end_with_reader)
        read_what_waits(pump);
    if (pump->options.lost)
        loop_post(pump->options.loop, &pump->lost);
}

// For poll: how long to wait for more. Negative: for ever.
static int patience(const struct pump *pump)
{
    if (!pump->draining)
        return -1;
    uint64_t now = clock_mono_ms();
    uint64_t deadline =
        MIN(pump->exited_ms + pump->options.grace_ms, pump->last_ms + MIN((uint64_t)QUIET_MS, pump->options.grace_ms));
    if (now < deadline)
        return (int)MIN(deadline - now, (uint64_t)QUIET_MS);
    return 0;
}

// Returns true if a read will not block, false when nothing more is to be read.
static bool wait_readable(struct pump *pump)
{
    for (;;) {
        if (atomic_load(&pump->stop))
            return false;
        if (!pump->draining && atomic_load(&pump->writer_exited))
            start_draining(pump);
        if (pump->must_read > 0)
            return true;
        int timeout = patience(pump);
        if (timeout == 0 || (pump->reader_gone && pump->options.end_with_reader))
            return false;
        struct pollfd fds[] = {
            {.fd = atomic_load(&pump->paused) ? -1 : pump->options.from, .events = POLLIN},
            {.fd = pump->wake, .events = POLLIN},
            {.fd = pump->to_tells_close ? pump->to : -1}, // errors only
        };
        int got = poll(fds, ARRAY_LEN(fds), timeout);
        if (got < 0 && errno != EINTR)
            return false;
        if (got > 0 && fds[2].revents & POLLERR)
            lose_to(pump, -EPIPE);
        else if (got > 0 && fds[0].revents && !atomic_load(&pump->paused))
            return true;
        uint64_t count;
        if (got > 0 && fds[1].revents && read(pump->wake, &count, sizeof(count)) < 0)
            return false;
    }
}

// Returns false when the pump must stop.
static bool wait_unpaused(struct pump *pump)
{
    while (atomic_load(&pump->paused) && !atomic_load(&pump->stop)) {
        uint64_t count;
        struct pollfd fd = {.fd = pump->wake, .events = POLLIN};
        if (poll(&fd, 1, -1) > 0 && read(pump->wake, &count, sizeof(count)) < 0)
            return false;
    }
    return !atomic_load(&pump->stop);
}

static void tell_kept_back(struct pump *pump, bool kept_back)
{
    if (!kept_back || pump->kept_back_told)
        return;
    pump->kept_back_told = true;
    loop_post(pump->options.loop, &pump->kept_back);
}

static bool looks_for_buffering(const struct pump *pump)
{
    return pump->options.kept_back && !pump->kept_back_told;
}

static size_t read_some(struct pump *pump, void *out, size_t len)
{
    uint64_t began_ms = clock_mono_ms();
    while (wait_readable(pump)) {
        ssize_t got = read(pump->options.from, out, len);
        if (got < 0 && (errno == EINTR || errno == EAGAIN))
            continue;
        if (got <= 0) // a terminal whose last user is gone gives EIO
            return 0;
        pump->must_read -= MIN(pump->must_read, (size_t)got);
        pump->last_ms = clock_mono_ms();
        if (looks_for_buffering(pump))
            tell_kept_back(pump,
                           buffering_read(&pump->buffering, pump->last_ms, pump->last_ms - began_ms, out, (size_t)got));
        return (size_t)got;
    }
    return 0;
}

static void pass_on(struct pump *pump, const char *data, size_t len)
{
    while (len > 0 && pump->to >= 0) {
        ssize_t put = write(pump->to, data, len);
        if (put >= 0) {
            data += put;
            len -= (size_t)put;
        } else if (errno == EAGAIN) {
            // Another process made it non-blocking.
            struct pollfd fd = {.fd = pump->to, .events = POLLOUT};
            poll(&fd, 1, -1);
        } else if (errno != EINTR) {
            lose_to(pump, -errno);
        }
    }
}

// Records the bytes first, then shows them.
static void show(struct pump *pump, struct recorder_slot **slot)
{
    if (!*slot)
        return;
    recorder_wait_spooled(pump->options.recorder, *slot);
    pass_on(pump, (*slot)->data, (*slot)->len);
    recorder_drop(pump->options.recorder, *slot);
    *slot = NULL;
}

// Whether the terminal makes "\r\n" of each newline now.
static bool makes_crlf(const struct pump *pump)
{
    struct termios modes;
    return pump->options.from_tty && tcgetattr(pump->options.from, &modes) == 0 && modes.c_oflag & OPOST &&
           modes.c_oflag & ONLCR;
}

static bool more_waits(const struct pump *pump)
{
    struct pollfd fd = {.fd = pump->options.from, .events = POLLIN};
    return poll(&fd, 1, 0) > 0;
}

// While more is waiting, one slot is read ahead of the one that is being recorded.
static void record_and_pass_on(struct pump *pump)
{
    struct recorder *recorder = pump->options.recorder;
    struct recorder_slot *shown_next = NULL;
    uint64_t ended_ms = 0;
    for (;;) {
        if (shown_next && !more_waits(pump))
            show(pump, &shown_next);
        struct recorder_slot *slot = recorder_take(recorder, pump->options.stream);
        slot->len = read_some(pump, slot->data, sizeof(slot->data));
        if (slot->len == 0) {
            ended_ms = clock_mono_ms();
            recorder_drop(recorder, slot);
            break;
        }
        slot->time_ms = clock_real_ms();
        slot->onlcr = makes_crlf(pump);
        recorder_put(recorder, slot);
        show(pump, &shown_next);
        shown_next = slot;
    }
    show(pump, &shown_next);
    if (looks_for_buffering(pump))
        tell_kept_back(pump, buffering_ended(&pump->buffering, ended_ms));
    recorder_end(recorder, pump->options.stream);
}

static void pass_on_but_keys(struct pump *pump, const char *data, size_t len)
{
    size_t before;
    while (pump->options.before_key && (before = pump->options.before_key(pump->options.arg, data, len)) < len) {
        pass_on(pump, data, before);
        data += before + 1;
        len -= before + 1;
        atomic_store(&pump->paused, true);
        loop_post(pump->options.loop, &pump->keyed);
        if (!wait_unpaused(pump))
            return;
    }
    pass_on(pump, data, len);
}

static void only_pass_on(struct pump *pump)
{
    char data[4096];
    size_t len;
    while ((len = read_some(pump, data, sizeof(data))) > 0)
        pass_on_but_keys(pump, data, len);
}

static void *pump_thread(void *arg)
{
    struct pump *pump = arg;
    if (pump->options.recorder)
        record_and_pass_on(pump);
    else
        only_pass_on(pump);
    atomic_store(&pump->ended_with_reader, pump->reader_gone && pump->options.end_with_reader);
    loop_post(pump->options.loop, &pump->ended);
    return NULL;
}

// Whether poll tells that the reader is gone. A pipe without a name cannot get another reader. A pipe in the file
// system can, so there only a write tells.
static bool tells_close(int fd)
{
    struct stat info;
    struct statfs system;
    if (fstat(fd, &info) < 0)
        return false;
    return S_ISSOCK(info.st_mode) ||
           (S_ISFIFO(info.st_mode) && fstatfs(fd, &system) == 0 && system.f_type == PIPEFS_MAGIC);
}

int pump_new(const struct pump_options *options, struct pump **ret)
{
    struct pump *pump = xcalloc(1, sizeof(*pump));
    pump->options = *options;
    pump->to = options->to;
    atomic_init(&pump->paused, options->paused);
    pump->ended.deliver = deliver_ended;
    pump->lost.deliver = deliver_lost;
    pump->keyed.deliver = deliver_keyed;
    pump->kept_back.deliver = deliver_kept_back;
    pump->to_tells_close = tells_close(options->to);
    pump->wake = eventfd(0, EFD_CLOEXEC);
    int err = pump->wake < 0 ? -errno : -pthread_create(&pump->thread, NULL, pump_thread, pump);
    if (err < 0) {
        close_fd(&pump->wake);
        free(pump);
        return err;
    }
    *ret = pump;
    return 0;
}

static void set_flag(struct pump *pump, atomic_bool *flag, bool value)
{
    uint64_t one = 1;
    atomic_store(flag, value);
    ssize_t put = write(pump->wake, &one, sizeof(one));
    (void)put; // fails only after 2^64 wake-ups
}

void pump_writer_exited(struct pump *pump)
{
    set_flag(pump, &pump->writer_exited, true);
}

bool pump_ended_with_reader(const struct pump *pump)
{
    return atomic_load(&pump->ended_with_reader);
}

void pump_pause(struct pump *pump, bool pause)
{
    set_flag(pump, &pump->paused, pause);
}

void pump_stop(struct pump *pump)
{
    set_flag(pump, &pump->stop, true);
}

void pump_join(struct pump *pump)
{
    if (pump)
        pthread_join(pump->thread, NULL);
}

void pump_free(struct pump **pump_ptr)
{
    struct pump *pump = TAKE_PTR(*pump_ptr);
    if (!pump)
        return;
    close_fd(&pump->wake);
    free(pump);
}
