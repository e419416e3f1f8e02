// One container of a job: made, attached to, started, waited for and removed, by the API of an engine. Nothing blocks;
// everything happens on the loop. The order of its life:
//
//   creating ──no such image──▶ pulling ──▶ creating
//      └──▶ attaching ──▶ starting ──▶ running ──its program has ended──▶ ending: its stream is read to the end
//                                                                            └──▶ looking ──▶ removing ──▶ gone
//
// Whatever goes wrong, it is killed and removed on the way to `gone`.
#pragma once

#include "loop/loop.h"
#include "model/record.h"
#include "util/error.h"

#include <sys/types.h>

#define CONTAINER_MOUNTS_MAX 4
#define CONTAINER_LABEL      "runnel.execution_id" // its labels
#define CONTAINER_EPOCH      "runnel.epoch"
// Of the worker: its data folder, and a text that no other folder has. Whoever has both removes what is left of its
// jobs.
#define CONTAINER_FOLDER "runnel.folder"
#define CONTAINER_WORKER "runnel.worker"

struct container_mount {
    const char *from, *to;
    bool read_only;
};

struct container_options {
    struct loop *loop;
    const char *socket; // of the engine
    const char *image;
    char *const *command;   // NULL-terminated; none: the image's own
    bool replaces_entry;    // the command is all of it, without the image's entry point
    char *const *env;       // NULL-terminated
    const char *cwd;        // within it
    const char *user;       // "uid:gid"
    uint64_t memory_max;    // bytes; 0: no limit
    uint64_t processes_max; // 0: CONTAINER_PROCESSES
    uint32_t cpus_milli;    // 0: no limit
    struct container_mount mounts[CONTAINER_MOUNTS_MAX];
    size_t mount_count;
    int input_fd;              // its stdin, taken over; -1: empty
    const char *registry_auth; // file with logins for registries (registry.h), read when an image is pulled; or NULL
    const char *execution_id, *folder;
    const char *worker; // or NULL
    uint64_t epoch;
};
#define CONTAINER_PROCESSES 4096

struct container_events {
    void (*output)(void *arg, enum record_stream stream, struct str bytes);
    void (*event)(void *arg, const char *event_type, enum record_level level, const char *message);
    // What came since it was heard last, or until its end, may be missing; why is for people. `output` may follow.
    void (*interrupted)(void *arg, const char *reason);
    void (*turn)(void *arg);    // what was read in this turn is complete
    void (*started)(void *arg); // its program runs
    // It cannot be run; `gone` follows. The exit code is that of a shell, 126 or 127.
    void (*refused)(void *arg, int exit_code, const char *reason);
    // Its output is not whole, or the engine is away. It is to be ended if it still runs.
    void (*failed)(void *arg, const char *reason);
    void (*exited)(void *arg, int exit_code); // its program has ended
    void (*gone)(void *arg);                  // it is removed, or cannot be; nothing follows
};

struct container_facts {
    bool has_usage;
    uint64_t peak_memory, cpu_us; // of what the engine told while it ran
    bool out_of_memory;           // it was killed for that
    const char *digest;           // of its image: "sha256:…"; NULL: not known
};

struct container;

struct container *container_new(const struct container_options *options, const struct container_events *events,
                                void *arg);
// Before its program runs, it ends the whole; `gone` follows, without `exited`.
void container_signal(struct container *container, int signum);
void container_pause(struct container *container, bool pause); // its output is not read
// What is known after `gone`. Valid as long as the container.
struct container_facts container_facts(const struct container *container);
bool container_id_valid(const char *id);           // as engines name them; it becomes a part of paths
void container_free(struct container **container); // asks the engine for nothing more
