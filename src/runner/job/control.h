// The socket by which a worker and the runner of a job speak: SOCK_SEQPACKET, one JSON object a message. Both ends use
// this. Nobody waits for the other: what a full socket does not take is lost, and so is the connection, as the peer no
// longer listens.
#pragma once

#include "loop/loop.h"
#include "util/buf.h"

#include <jansson.h>

#define CONTROL_MESSAGE_MAX ((size_t)16 * 1024)

struct control;

struct control_events {
    void (*heard)(void *arg, const char *type, const json_t *message);
    void (*gone)(void *arg); // the other end has closed it, or does not listen. The control may be freed in it
};
// Takes over `fd`. NULL: it cannot be watched, and is closed.
struct control *control_new(struct loop *loop, int fd, const struct control_events *events, void *arg);
void control_free(struct control **control);
void control_say(struct control *control, struct str message); // NULL is fine
// Connects to the socket `name` in a folder, however long its path is. -errno.
int control_connect(int dir_fd, const char *name, int *ret_fd);
// Binds one there, of `type` (SOCK_SEQPACKET or SOCK_STREAM), in the place of what is left of an older one. -errno.
int control_listen(int dir_fd, const char *name, int type, int *ret_fd);
