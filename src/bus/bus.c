#include "bus/bus.h"

#include "bus/kind.h"
#include "util/backoff.h"
#include "util/clock.h"
#include "util/error.h"
#include "util/log.h"

#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define ROUND_MESSAGES 64    // then it listens
#define IDLE_MS        15000 // without a round: then an empty message shows whether the peer is still there

struct bus {
    struct bus_options options;
    char *address, *credentials, *ca_file, *channel;
    pthread_t thread;
    int wake_fd;
    atomic_bool ends, woken; // woken: since the thread has last looked
    atomic_bool away;
    // --- The thread's
    struct bus_link *link; // NULL: not connected
    uint64_t round_ms;     // when the last round began
    bool due;              // there is something to take
    bool told;             // that it cannot be reached
};

// --- What there is to choose from

static const struct {
    const char *begins;
    bool whole; // nothing may follow
    const struct bus_kind *kind;
} kinds[] = {
    {"notify", true, &bus_postgres},  {"none", true, NULL},         {"redis://", false, &bus_redis},
    {"rediss://", false, &bus_redis}, {"unix:", false, &bus_redis},
};

int bus_choose(const char *text, const struct bus_kind **ret_kind, struct buf *ret_error)
{
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        if (kinds[i].whole ? strcmp(text, kinds[i].begins) != 0 : !str_starts(str_of(text), str_of(kinds[i].begins)))
            continue;
        *ret_kind = kinds[i].kind;
        return kinds[i].whole ? 0 : kinds[i].kind->check(text, ret_error);
    }
    buf_append_text(ret_error, "it must be notify, none, redis://HOST:PORT, rediss://HOST:PORT or unix:/PATH");
    return ERR_INVALID;
}

// --- The thread

static void kick(struct bus *bus)
{
    const uint64_t one = 1;
    // It fails only when the counter is full, and then the thread wakes up all the same.
    (void)!write(bus->wake_fd, &one, sizeof(one));
}

void bus_wake(struct bus *bus)
{
    if (!atomic_exchange(&bus->woken, true))
        kick(bus);
}

// Waits for the link (if there is one), a wake, or the time. Returns whether the link is readable.
static bool wait_for_something(struct bus *bus, int timeout_ms)
{
    struct pollfd fds[] = {
        {.fd = bus->wake_fd, .events = POLLIN},
        {.fd = bus->link ? bus->options.kind->fd(bus->link) : -1, .events = POLLIN},
    };
    poll(fds, ARRAY_LEN(fds), timeout_ms);
    uint64_t count;
    if (fds[0].revents && read(bus->wake_fd, &count, sizeof(count)) > 0 && atomic_exchange(&bus->woken, false))
        bus->due = true;
    return fds[1].revents != 0;
}

static int receive(struct bus *bus)
{
    return bus->options.kind->receive(bus->link, bus->options.hear, bus->options.arg);
}

static int send_round(struct bus *bus)
{
    CLEANUP(buf_release) struct buf message = {0};
    int err = bus->due ? 0 : bus->options.kind->send(bus->link, STR(""));
    bus->due = false;
    bus->round_ms = clock_mono_ms();
    for (int i = 0; i < ROUND_MESSAGES && err == 0 && bus->options.take(bus->options.arg, &message); i++) {
        err = bus->options.kind->send(bus->link, buf_str(&message));
        buf_reset(&message);
        bus->due = i == ROUND_MESSAGES - 1;
    }
    // What came while it was sending does not make the link readable again.
    return err < 0 ? err : receive(bus);
}

static uint64_t next_round_ms(const struct bus *bus)
{
    return bus->round_ms + (bus->due ? BUS_ROUND_MS : IDLE_MS);
}

// Talks until the connection is lost, or the bus ends.
static void talk(struct bus *bus)
{
    int err = receive(bus);
    while (err == 0 && !atomic_load(&bus->ends)) {
        uint64_t now_ms = clock_mono_ms(), from_ms = next_round_ms(bus);
        if (wait_for_something(bus, from_ms > now_ms ? (int)(from_ms - now_ms) : 0))
            err = receive(bus);
        if (err == 0 && clock_mono_ms() >= next_round_ms(bus))
            err = send_round(bus);
    }
}

static void connect_link(struct bus *bus)
{
    CLEANUP(buf_release) struct buf reason = {0};
    int err = bus->options.kind->open(&bus->options, &bus->link, &reason);
    atomic_store(&bus->away, err < 0);
    if (err < 0 && !bus->told && bus->options.logger)
        log_warn(bus->options.logger,
                 "the other servers cannot be told what changes here, nor heard; everybody looks once a second",
                 LOG_S("by", bus->options.kind->name), LOG_S("reason", buf_cstr(&reason)));
    if (err == 0 && bus->told && bus->options.logger)
        log_info(bus->options.logger, "the other servers are heard again", LOG_S("by", bus->options.kind->name));
    bus->told = err < 0;
}

static void rest(struct bus *bus, uint64_t rest_ms)
{
    uint64_t until_ms = clock_mono_ms() + rest_ms;
    for (uint64_t now_ms; !atomic_load(&bus->ends) && (now_ms = clock_mono_ms()) < until_ms;)
        wait_for_something(bus, (int)(until_ms - now_ms));
}

// Connects, and talks until the connection is lost. Returns for how long it was good; 0: never.
static uint64_t connect_and_talk(struct bus *bus)
{
    connect_link(bus);
    if (!bus->link)
        return 0;
    uint64_t from_ms = bus->round_ms = clock_mono_ms(); // to open it has shown that the peer is there
    bus->options.joined(bus->options.arg);
    talk(bus);
    bus->options.kind->close(TAKE_PTR(bus->link));
    atomic_store(&bus->away, true);
    return clock_mono_ms() - from_ms;
}

static void *bus_main(void *arg)
{
    struct bus *bus = arg;
    struct backoff backoff = {.random = (uintptr_t)bus};
    while (!atomic_load(&bus->ends))
        rest(bus, backoff_lost(&backoff, connect_and_talk(bus)));
    return NULL;
}

// --- Its life

static void release(struct bus *bus)
{
    if (bus->wake_fd >= 0)
        close(bus->wake_fd);
    free(bus->address);
    free(bus->credentials);
    free(bus->ca_file);
    free(bus->channel);
    free(bus);
}

int bus_start(const struct bus_options *options, struct bus **ret)
{
    struct bus *bus = xcalloc(1, sizeof(*bus));
    bus->options = *options;
    bus->options.address = bus->address = xstrdup(options->address);
    bus->options.credentials = bus->credentials = xstrdup(options->credentials ? options->credentials : "");
    bus->options.ca_file = bus->ca_file = xstrdup(options->ca_file ? options->ca_file : "");
    bus->options.channel = bus->channel = xstrdup(options->channel);
    bus->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    int err = bus->wake_fd < 0 ? ERR_NO_FILES : pthread_create(&bus->thread, NULL, bus_main, bus) != 0 ? ERR_NOMEM : 0;
    if (err == 0) {
        *ret = bus;
        return 0;
    }
    release(bus);
    return err;
}

const char *bus_away(const struct bus *bus)
{
    return atomic_load(&bus->away) ? bus->options.kind->away : NULL;
}

void bus_free(struct bus **bus)
{
    struct bus *it = *bus;
    if (!it)
        return;
    *bus = NULL;
    atomic_store(&it->ends, true);
    kick(it);
    pthread_join(it->thread, NULL);
    release(it);
}
