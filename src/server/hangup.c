#include "server/hangup.h"

#include <poll.h>
#include <signal.h>
#include <termios.h>
#include <unistd.h>

#define LOOK_MS 1000

struct hangup {
    struct loop *loop;
    struct timer *look; // NULL: no SIGHUP comes from a terminal
    int fds[3];         // those that are our terminal
    size_t count;
    uint64_t fresh_ms;
    bool gone;
    uint64_t gone_ms; // when the hang-up was noticed
};

static bool has_gone(const struct hangup *hangup)
{
    for (size_t i = 0; i < hangup->count; i++) {
        struct pollfd waited = {.fd = hangup->fds[i]};
        if (poll(&waited, 1, 0) > 0 && waited.revents & POLLHUP)
            return true;
    }
    return false;
}

static void look(void *arg)
{
    struct hangup *hangup = arg;
    hangup->gone = has_gone(hangup);
    hangup->gone_ms = loop_now_ms(hangup->loop);
    if (!hangup->gone)
        timer_start(hangup->look, LOOK_MS);
}

struct hangup *hangup_new(struct loop *loop, uint64_t fresh_ms)
{
    struct hangup *hangup = xcalloc(1, sizeof(*hangup));
    struct sigaction former = {0};
    hangup->loop = loop;
    hangup->fresh_ms = fresh_ms;
    sigaction(SIGHUP, NULL, &former);
    // tcgetsid fails for a descriptor that is not a terminal, and for a terminal that does not control us.
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO && former.sa_handler != SIG_IGN; fd++)
        if (tcgetsid(fd) == getsid(0))
            hangup->fds[hangup->count++] = fd;
    if (hangup->count > 0) {
        hangup->look = timer_new(loop, look, hangup);
        timer_start(hangup->look, LOOK_MS);
    }
    return hangup;
}

void hangup_free(struct hangup **hangup_ptr)
{
    struct hangup *hangup = *hangup_ptr;
    if (!hangup)
        return;
    *hangup_ptr = NULL;
    timer_free(&hangup->look);
    free(hangup);
}

bool hangup_is_the_terminals(const struct hangup *hangup)
{
    if (hangup->gone)
        return loop_now_ms(hangup->loop) - hangup->gone_ms < hangup->fresh_ms;
    return has_gone(hangup);
}
