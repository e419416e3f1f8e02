// The socket on which a job writes to its own log (RUNNEL_SOCKET, `runnel emit`). It is a stream of lines; each is a
// record as `POST …/logs` takes one, or an array of them. Each is answered by a line when its records are in the spool:
// {"ok":true}, or {"error":{"code","message"}}: then none of its records is. Who gets no answer cannot know. Records
// are in order among themselves. Between them and what the job prints, the order is the order of reading. Everybody who
// may open the socket's file may connect. Its path may be longer than an address of the kernel; see util/unix_path.h.
#pragma once

#include "loop/loop.h"
#include "model/record.h"

#define VOICE_CLIENTS_MAX 64 // more wait until they are accepted
#define VOICE_LINE_MAX    ((size_t)1024 * 1024)

struct voice;

struct voice_events {
    void (*said)(void *arg, const struct record *record);
    // Brings what was said into the spool. If that takes time, it pauses the voice until it is done. A negative result
    // ends the client without an answer.
    int (*flush)(void *arg);
};
int voice_listen(int dir_fd, const char *name, int *ret_door); // makes the socket in that folder. -errno
void voice_turn_away(int door);                                // all who have knocked until now
// Takes over the door, also after a failure. -errno.
int voice_new(struct loop *loop, int door, const struct voice_events *events, void *arg, struct voice **ret);
void voice_pause(struct voice *voice, bool pause); // while it is paused nothing is read and nothing answered
void voice_fail(struct voice *voice);              // what was said is not recorded: its clients get no answers any more
// Called before the recording ends: takes what its clients have sent until now.
void voice_drain(struct voice *voice);
void voice_free(struct voice **voice);
int voice_leave(struct voice **voice); // the same, but its door stays open: it is returned; or -1
