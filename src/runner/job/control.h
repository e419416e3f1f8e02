// The socket on which a worker and the runner of a job talk: SOCK_SEQPACKET, one JSON object for each message. Both
// ends use this. Neither waits for the other: if the socket is full, the message is lost, and so is the connection,
// because the peer does not listen any more.
#pragma once

#include "loop/loop.h"
#include "util/buf.h"

#include <jansson.h>

#define CONTROL_MESSAGE_MAX ((size_t)16 * 1024)

struct control;

struct control_events {
    void (*heard)(void *arg, const char *type, const json_t *message);
    void (*gone)(void *arg); // the other end has closed it, or does not listen; the control may be freed in this call
};
// Takes over `fd`. Returns NULL if it cannot be watched; then it is closed.
struct control *control_new(struct loop *loop, int fd, const struct control_events *events, void *arg);
void control_free(struct control **control);
int control_detach(struct control **control);                  // frees it, and returns its descriptor
bool control_say(struct control *control, struct str message); // false: it did not go out. NULL is fine
// Connects to the socket `name` in a folder, however long its path is. Returns 0 or -errno.
int control_connect(int dir_fd, const char *name, int *ret_fd);
// Binds such a socket, of `type` (SOCK_SEQPACKET or SOCK_STREAM), and replaces what is left of an older one. Returns 0
// or -errno.
int control_listen(int dir_fd, const char *name, int type, int *ret_fd);
