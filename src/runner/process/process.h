// A child: started with pipes or a pseudo-terminal, watched by a pidfd, signalled as a group.
#pragma once

#include "util/error.h"

#include <signal.h>
#include <sys/ioctl.h>
#include <sys/types.h>

struct process_options {
    char *const *command; // argv, NULL-terminated
    bool tty; // one pseudo-terminal for stdout and stderr, and stdin if ours is a terminal; else pipes for the two.
              // Another stdin is as ours: what the child does not read of it stays for who comes after it
    struct winsize window; // with tty; all 0: unknown
    const sigset_t *mask;  // the child's signal mask
    bool default_sigpipe;  // the child gets SIGPIPE's default back
};

struct process {
    pid_t pid;
    int pidfd;    // readable when it has ended
    int out, err; // read ends; with a pseudo-terminal `out` is its master, for both directions, and `err` is -1
    bool group;   // it leads a process group of its own, which gets the signals
    bool reaped;
};

// -errno of the failed exec or of what had to be done before it.
int process_start(const struct process_options *options, struct process *ret);
void process_signal(const struct process *process, int signum); // to all of its group, if it has one
// It is stopped; each stop is told once.
bool process_stopped(const struct process *process);
// Its own group is what its pseudo-terminal's keys are for, and not one that it has made. Any thread, until it is
// reaped.
bool process_in_foreground(const struct process *process);
// Reaps children that we did not start: the orphans that fall to us as process 1 of a container.
void process_reap_others(const struct process *process);
// After the pidfd was readable. 128+n for a signal.
int process_reap(struct process *process);
void process_close(struct process *process); // the descriptors
// What a shell would exit with after process_start failed with `err`: 127 (not found) or 126.
int process_start_exit_code(int err);
