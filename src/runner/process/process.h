// A child process: started with pipes or a pseudo-terminal, watched by a pidfd, signalled as a group.
#pragma once

#include "util/error.h"

#include <signal.h>
#include <sys/ioctl.h>
#include <sys/types.h>

struct process_options {
    char *const *command; // argv, NULL-terminated
    char *const *env;     // NULL-terminated; NULL: ours
    // True: one pseudo-terminal for stdout and stderr, and for stdin if ours is a terminal; false: a pipe for each of
    // the two. Any other stdin is inherited, so what the child does not read stays there for the next reader.
    bool tty;
    struct winsize window; // with tty; all 0: unknown
    const sigset_t *mask;  // the child's signal mask
    bool default_sigpipe;  // resets SIGPIPE to its default for the child
};

struct process {
    pid_t pid;
    int pidfd;    // readable when the child has ended
    int out, err; // read ends; with a pseudo-terminal `out` is its master, for both directions, and `err` is -1
    bool group;   // it leads a process group of its own, and the group gets the signals
    bool reaped;
};

// Returns -errno if exec or something before it failed.
int process_start(const struct process_options *options, struct process *ret);
void process_signal(const struct process *process, int signum); // sent to the whole group if it has one
// True if the child is stopped. Each stop is reported once.
bool process_stopped(const struct process *process);
// True if its own group, and not one that it made, is in the foreground of its pseudo-terminal. Any thread may call it,
// until the child is reaped.
bool process_in_foreground(const struct process *process);
// Reaps children that we did not start: the orphans that become ours when we are process 1 of a container.
void process_reap_others(const struct process *process);
// To be called when the pidfd is readable. Returns the exit code, 128+n for a signal.
int process_reap(struct process *process);
void process_close(struct process *process); // closes the descriptors
// The exit code that a shell would use when process_start failed with `err`: 127 (not found) or 126.
int process_start_exit_code(int err);
