// The worker within `runnel serve`: `runnel worker` as a child, which takes jobs from this server over loopback. It is
// started again when it ends. Its jobs outlive it and the server; the next one finds them.
#pragma once

#include "loop/loop.h"
#include "util/log.h"

struct embedded;

struct embedded_options { // texts are copied
    struct loop *loop;    // all of it is on its thread
    const struct logger *logger;
    const char *url, *data;
    const char *ca;               // a PEM file to check the server by; NULL: the system's
    const char *job_user;         // or NULL
    const char *container_socket; // or NULL
    const char *registry_auth;    // or NULL
    bool unconfined;              // it takes jobs of any key, also where nothing keeps them from the data folder
    unsigned slots;
};
struct embedded *embedded_start(const struct embedded_options *options);
// Ends the worker, not its jobs. Waits for it, at most two seconds.
void embedded_stop(struct embedded **embedded);
