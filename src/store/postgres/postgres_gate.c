#include "store/postgres/postgres_gate.h"

#include "util/buf.h"
#include "util/clock.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define PAIRS_MAX  32
#define NAME       "/.s.PGSQL.5432"
#define LOSS_MS    30000
#define WRITER     "RETURNING pg_current_xact_id()" // what no other connection of a store asks for
#define PIECE_SIZE 65536

enum end { CLIENT, SERVER, ENDS };

struct pair {
    int fds[ENDS];
    bool writes; // the connection is a writer's
};

struct postgres_gate {
    char *server, *folder, *path;
    int listener, wake;
    pthread_t thread;
    pthread_mutex_t mutex; // of all below
    pthread_cond_t changed;
    bool ends, shut, shuts;
    enum postgres_gate_loss loss;
    size_t lost;
    struct pair pairs[PAIRS_MAX];
    size_t count;
};

// --- The thread, which has the mutex but while it waits

static int connect_to(const char *folder)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof(address.sun_path), "%s" NAME, folder);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd >= 0 && connect(fd, (const struct sockaddr *)&address, sizeof(address)) < 0) {
        close(fd);
        return -1;
    }
    return fd;
}

static void take(struct postgres_gate *gate)
{
    int client = accept4(gate->listener, NULL, NULL, SOCK_CLOEXEC);
    int server = gate->shut || gate->count == PAIRS_MAX ? -1 : connect_to(gate->server);
    if (client >= 0 && server >= 0) {
        gate->pairs[gate->count++] = (struct pair){.fds = {client, server}};
        return;
    }
    if (client >= 0)
        close(client);
    if (server >= 0)
        close(server);
}

static void drop(struct postgres_gate *gate, size_t index)
{
    for (enum end end = 0; end < ENDS; end++)
        close(gate->pairs[index].fds[end]);
    gate->pairs[index] = gate->pairs[--gate->count];
}

static void drop_all(struct postgres_gate *gate)
{
    while (gate->count > 0)
        drop(gate, 0);
}

static bool loses(struct postgres_gate *gate, const struct pair *pair, enum end from, const char *piece, size_t len)
{
    enum postgres_gate_loss loss = from == CLIENT ? GATE_LOSES_COMMIT : GATE_LOSES_ANSWER;
    if (gate->loss != loss || !pair->writes || !memmem(piece, len, "COMMIT", strlen("COMMIT")))
        return false;
    gate->loss = GATE_LOSES_NOTHING;
    gate->shut = gate->shut || gate->shuts;
    gate->lost++;
    pthread_cond_broadcast(&gate->changed);
    return true;
}

// False: it is over.
static bool pass_on(struct postgres_gate *gate, struct pair *pair, enum end from)
{
    char piece[PIECE_SIZE];
    ssize_t len = recv(pair->fds[from], piece, sizeof(piece), 0);
    if (len <= 0)
        return false;
    pair->writes = pair->writes || (from == CLIENT && memmem(piece, (size_t)len, WRITER, strlen(WRITER)));
    if (loses(gate, pair, from, piece, (size_t)len))
        return false;
    for (ssize_t at = 0, sent; at < len; at += sent)
        if ((sent = send(pair->fds[!from], piece + at, (size_t)(len - at), MSG_NOSIGNAL)) <= 0)
            return false;
    return true;
}

static void await(struct postgres_gate *gate, struct pollfd *fds)
{
    fds[0] = (struct pollfd){.fd = gate->wake, .events = POLLIN};
    fds[1] = (struct pollfd){.fd = gate->listener, .events = POLLIN};
    for (size_t i = 0; i < gate->count; i++)
        for (enum end end = 0; end < ENDS; end++)
            fds[2 + ENDS * i + end] = (struct pollfd){.fd = gate->pairs[i].fds[end], .events = POLLIN};
    nfds_t count = 2 + ENDS * gate->count;
    pthread_mutex_unlock(&gate->mutex);
    poll(fds, count, -1);
    pthread_mutex_lock(&gate->mutex);
}

static void *run(void *arg)
{
    struct postgres_gate *gate = arg;
    struct pollfd fds[2 + ENDS * PAIRS_MAX];
    uint64_t woken;
    pthread_mutex_lock(&gate->mutex);
    while (!gate->ends) {
        await(gate, fds);
        if (fds[0].revents && read(gate->wake, &woken, sizeof(woken)) < 0)
            break;
        for (size_t i = gate->count; i-- > 0;) { // the last one takes the place of one that ends
            const struct pollfd *of = &fds[2 + ENDS * i];
            if ((of[CLIENT].revents && !pass_on(gate, &gate->pairs[i], CLIENT)) ||
                (of[SERVER].revents && !pass_on(gate, &gate->pairs[i], SERVER)))
                drop(gate, i);
        }
        if (gate->shut)
            drop_all(gate);
        if (fds[1].revents)
            take(gate);
    }
    drop_all(gate);
    pthread_mutex_unlock(&gate->mutex);
    return NULL;
}

// --- The tests' side

struct postgres_gate *postgres_gate_new(const char *server)
{
    struct postgres_gate *gate = xcalloc(1, sizeof(*gate));
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    gate->server = xstrdup(server);
    gate->folder = xstrdup("/tmp/runnel-gate-XXXXXX");
    if (!mkdtemp(gate->folder))
        abort();
    gate->path = xasprintf("%s" NAME, gate->folder);
    snprintf(address.sun_path, sizeof(address.sun_path), "%s", gate->path);
    gate->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    gate->wake = eventfd(0, EFD_CLOEXEC);
    pthread_mutex_init(&gate->mutex, NULL);
    pthread_cond_init(&gate->changed, NULL);
    if (bind(gate->listener, (const struct sockaddr *)&address, sizeof(address)) < 0 ||
        listen(gate->listener, PAIRS_MAX) < 0 || pthread_create(&gate->thread, NULL, run, gate) != 0)
        abort();
    return gate;
}

static void wake(struct postgres_gate *gate)
{
    if (write(gate->wake, &(uint64_t){1}, sizeof(uint64_t)) < 0)
        abort();
}

void postgres_gate_free(struct postgres_gate **gate)
{
    struct postgres_gate *freed = TAKE_PTR(*gate);
    if (!freed)
        return;
    pthread_mutex_lock(&freed->mutex);
    freed->ends = true;
    pthread_mutex_unlock(&freed->mutex);
    wake(freed);
    pthread_join(freed->thread, NULL);
    close(freed->listener);
    close(freed->wake);
    unlink(freed->path);
    rmdir(freed->folder);
    pthread_cond_destroy(&freed->changed);
    pthread_mutex_destroy(&freed->mutex);
    free(freed->server);
    free(freed->folder);
    free(freed->path);
    free(freed);
}

const char *postgres_gate_folder(const struct postgres_gate *gate)
{
    return gate->folder;
}

// The thread closes them when it sees that.
static void end_pairs(struct postgres_gate *gate)
{
    for (size_t i = 0; i < gate->count; i++)
        for (enum end end = 0; end < ENDS; end++)
            shutdown(gate->pairs[i].fds[end], SHUT_RDWR);
}

void postgres_gate_cut(struct postgres_gate *gate)
{
    pthread_mutex_lock(&gate->mutex);
    end_pairs(gate);
    pthread_mutex_unlock(&gate->mutex);
}

void postgres_gate_shut(struct postgres_gate *gate, bool shut)
{
    pthread_mutex_lock(&gate->mutex);
    gate->shut = shut;
    if (shut)
        end_pairs(gate);
    pthread_mutex_unlock(&gate->mutex);
}

void postgres_gate_lose(struct postgres_gate *gate, enum postgres_gate_loss loss, bool shuts)
{
    pthread_mutex_lock(&gate->mutex);
    gate->loss = loss;
    gate->shuts = shuts;
    pthread_mutex_unlock(&gate->mutex);
}

size_t postgres_gate_lost(struct postgres_gate *gate)
{
    pthread_mutex_lock(&gate->mutex);
    size_t lost = gate->lost;
    pthread_mutex_unlock(&gate->mutex);
    return lost;
}

bool postgres_gate_await_loss(struct postgres_gate *gate, size_t lost)
{
    int64_t until_ms = clock_real_ms() + LOSS_MS;
    struct timespec until = {.tv_sec = until_ms / 1000, .tv_nsec = until_ms % 1000 * 1000000};
    pthread_mutex_lock(&gate->mutex);
    int err = 0;
    while (gate->lost == lost && err == 0)
        err = pthread_cond_timedwait(&gate->changed, &gate->mutex, &until);
    bool has = gate->lost != lost;
    pthread_mutex_unlock(&gate->mutex);
    return has;
}
