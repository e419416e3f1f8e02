#include "server/listen.h"

#include "net/listener.h"
#include "server/shard.h"
#include "server/systemd.h"
#include "util/unix_path.h"

#include <errno.h>

static const struct str unix_prefix = STR("unix:");

static bool is_unix(const char *address)
{
    return str_starts(str_of(address), unix_prefix);
}

static const char *unix_path(const char *address)
{
    return address + unix_prefix.len;
}

// Reads a file's permissions, in octal.
static bool parse_mode(const char *text, mode_t *ret)
{
    mode_t mode = 0;
    size_t len = strlen(text);
    for (size_t i = 0; i < len; i++) {
        if (text[i] < '0' || text[i] > '7')
            return false;
        mode = mode << 3 | (mode_t)(text[i] - '0');
    }
    *ret = mode;
    return len >= 3 && len <= 4 && mode <= 0777;
}

static int check_address(const struct config *config, const char *address, struct buf *ret_error)
{
    if (is_unix(address))
        return 0;
    if (!address_valid(address)) {
        buf_printf(ret_error,
                   "listen: must be ADDRESS:PORT, such as 127.0.0.1:7117 or [::1]:7117, with a port up to 65535 and no "
                   "name of a host, or unix:/PATH: %s",
                   address);
        return ERR_INVALID;
    }
    // Behind a trusted proxy, each request tells how its client came.
    if (config->tls_cert[0] || config->insecure || config->trusted_proxies.count > 0 || address_is_loopback(address))
        return 0;
    buf_printf(ret_error,
               "plain HTTP is served on loopback only; give --tls-cert and --tls-key, or --trusted-proxies if a proxy "
               "does the TLS, or --insecure: %s",
               address);
    return ERR_INVALID;
}

int listening_check(const struct config *config, struct buf *ret_error)
{
    mode_t mode;
    if (config->listen.count == 0 || config->listen.count > LISTEN_MAX) {
        buf_printf(ret_error, "listen: must have 1 to %d addresses", LISTEN_MAX);
        return ERR_INVALID;
    }
    if (!parse_mode(config->socket_mode, &mode)) {
        buf_printf(ret_error, "socket_mode must be permissions in octal, such as 0660, not \"%s\"",
                   config->socket_mode);
        return ERR_INVALID;
    }
    for (size_t i = 0; i < config->listen.count; i++) {
        int err = check_address(config, config->listen.items[i], ret_error);
        if (err)
            return err;
    }
    return 0;
}

static int cannot(int err, const char *address, struct buf *ret_error)
{
    if (err == -EADDRINUSE)
        buf_printf(
            ret_error,
            "listen: the address is in use: %s: another server runs there; name another address, or end that one",
            address);
    else if (err == -EEXIST)
        buf_printf(ret_error, "listen: a file that is no socket is in the way: %s", address);
    else if (err == -ENAMETOOLONG)
        buf_printf(ret_error, "listen: the name of the socket's file is too long; it may have %d bytes: %s",
                   UNIX_PATH_NAME_MAX, address);
    else
        buf_printf(ret_error, "listen: cannot listen there: %s: %s", address,
                   err == ERR_MALFORMED ? "this is no address" : strerror(-err));
    return err == -ENAMETOOLONG ? ERR_INVALID : err;
}

static int open_unix(struct listening *listening, const struct config *config, const char *address,
                     struct shard *shards, unsigned shard_count)
{
    struct unix_socket *socket = &listening->sockets[listening->socket_count];
    mode_t mode = 0;
    parse_mode(config->socket_mode, &mode);
    int err = unix_socket_open(unix_path(address), mode, socket);
    if (err)
        return err;
    listening->socket_count++;
    for (unsigned i = 0; i < shard_count && !err; i++)
        err = shard_listen_fd(&shards[i], socket->fd);
    return err;
}

// Opens the address on each shard. Port 0 becomes the port that the kernel chose for the first shard.
static int open_tcp(struct listening *listening, const char *wanted, struct shard *shards, unsigned shard_count)
{
    CLEANUP(free_ptr) char *address = xstrdup(wanted);
    int err = address_probe(wanted);
    for (unsigned i = 0; i < shard_count && !err; i++) {
        err = shard_listen(&shards[i], address);
        if (err || i > 0)
            continue;
        unsigned port = shard_last_port(&shards[0]);
        const char *colon = strrchr(wanted, ':');
        free(address);
        address = xasprintf("%.*s:%u", colon ? (int)(colon - wanted) : 0, wanted, port);
        listening->port = listening->port ? listening->port : port;
    }
    return err;
}

static int open_inherited(struct listening *listening, unsigned count, struct shard *shards, unsigned shard_count)
{
    for (unsigned i = 0; i < shard_count; i++) {
        for (unsigned j = 0; j < MIN(count, SHARD_LISTENERS_MAX); j++) {
            int err = shard_listen_fd(&shards[i], SYSTEMD_FIRST_FD + (int)j);
            if (err)
                return err;
            unsigned port = shard_last_port(&shards[i]);
            listening->port = listening->port ? listening->port : port;
        }
    }
    return 0;
}

int listening_open(struct listening *listening, const struct config *config, struct shard *shards, unsigned shard_count,
                   struct buf *ret_error)
{
    unsigned inherited = systemd_listen_fds();
    int err;
    if (inherited) {
        err = open_inherited(listening, inherited, shards, shard_count);
        return err ? cannot(err, "a socket that was handed over", ret_error) : 0;
    }
    for (size_t i = 0; i < config->listen.count; i++) {
        const char *address = config->listen.items[i];
        err = is_unix(address) ? open_unix(listening, config, address, shards, shard_count)
                               : open_tcp(listening, address, shards, shard_count);
        if (err)
            return cannot(err, address, ret_error);
    }
    return 0;
}

void listening_close(struct listening *listening)
{
    for (size_t i = 0; i < listening->socket_count; i++)
        unix_socket_close(&listening->sockets[i]);
    listening->socket_count = 0;
}
