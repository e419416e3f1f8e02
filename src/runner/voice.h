// The socket by which a job speaks to its own log (RUNNEL_SOCKET, `runnel emit`): a stream of lines, each a record as
// `POST …/logs` takes one, or an array of them; each is answered by a line once its records were handed over:
// {"ok":true}, or {"error":{"code","message"}}. What it says is in order with itself; between it and what the job
// prints the order is that of reading. Who may connect is who may open the socket's file.
#pragma once

#include "loop/loop.h"
#include "model/record.h"

#define VOICE_CLIENTS_MAX 64
#define VOICE_LINE_MAX    ((size_t)1024 * 1024)

struct voice;

struct voice_events {
    void (*said)(void *arg, const struct record *record);
    void (*flush)(void *arg); // makes what was said survive us, before it is answered
};
// In the folder `dir_fd`. -errno.
int voice_new(struct loop *loop, int dir_fd, const char *name, const struct voice_events *events, void *arg,
              struct voice **ret);
void voice_pause(struct voice *voice, bool pause); // nothing is read while it is paused
// Before the recording ends: takes what its clients have sent until now.
void voice_drain(struct voice *voice);
void voice_free(struct voice **voice);
// What to set RUNNEL_SOCKET to: the path, or, if that is too long for an address, one by way of this process; owned by
// the caller. `dir` is absolute. `dir_fd` stays open as long as this process lives then.
char *voice_address(const char *dir, int dir_fd, const char *name);
