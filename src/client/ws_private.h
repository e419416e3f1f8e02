// What ws_open.c has for ws.c.
#pragma once

#include "client/client_private.h"

struct ws_socket {
    CURL *handle;
    curl_socket_t fd; // the handle's
    struct buf early; // what came behind the answer of the handshake
};
// Connects and makes the handshake, as client_ws_open does; blocks, but ends soon with ERR_CANCELED when
// *options->abort is set. *ret_socket is the caller's; after an error it is not changed. `ret` must not be NULL.
int ws_socket_open(const struct client_options *options, const char *path_and_query, const char *header,
                   struct client_response *ret, struct ws_socket *ret_socket);
void ws_socket_release(struct ws_socket *socket); // closes it
