#include "server/worker_within.h"

#include "net/address.h"

#include <unistd.h>

static bool only_loopback(const struct config *config)
{
    struct net_address address;
    for (size_t i = 0; i < config->listen.count; i++) {
        struct str text = str_of(config->listen.items[i]);
        bool here =
            str_starts(text, STR("unix:")) || (net_address_parse(text, &address) && net_address_is_loopback(&address));
        if (!here)
            return false;
    }
    return true;
}

// 0: none.
static unsigned worker_slots(const struct config *config, unsigned port)
{
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    if (port == 0) // a worker comes by TCP
        return 0;
    if (config->jobs >= 0)
        return (unsigned)config->jobs;
    return only_loopback(config) && !config->tls_cert[0] ? (unsigned)MAX(cores, 1) : 0;
}

struct embedded *worker_within_start(const struct config *config, unsigned port, const char *base_path,
                                     struct loop *loop, const struct logger *logger)
{
    unsigned slots = worker_slots(config, port);
    if (slots == 0)
        return NULL;
    bool tls = config->tls_cert[0];
    CLEANUP(free_ptr)
    char *url = xasprintf("%s://%s:%u%s", tls ? "https" : "http", tls ? "localhost" : "127.0.0.1", port, base_path);
    struct embedded_options options = {
        .loop = loop,
        .logger = logger,
        .url = url,
        .data = config->data,
        .ca = tls ? config->tls_cert : NULL,
        .job_user = config->job_user[0] ? config->job_user : NULL,
        .container_socket = config->container_socket[0] ? config->container_socket : NULL,
        .registry_auth = config->registry_auth[0] ? config->registry_auth : NULL,
        .unconfined = config->jobs_unconfined,
        .slots = slots,
    };
    return embedded_start(&options);
}
