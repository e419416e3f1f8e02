// Where the server listens: all addresses of the setting `listen`, on every shard's loop, or the sockets that a service
// manager hands over.
#pragma once

#include "net/unix_socket.h"
#include "server/config.h"

#define LISTEN_MAX 16 // addresses

struct shard;

struct listening {
    unsigned port; // of the first TCP socket; 0 if there is none
    struct unix_socket sockets[LISTEN_MAX];
    size_t socket_count;
};

// Before anything is opened: whether each address can be one, and may be served without TLS. ERR_INVALID, said in
// *ret_error.
int listening_check(const struct config *config, struct buf *ret_error);
// An error is said in *ret_error; what was opened until then is closed by listening_close.
int listening_open(struct listening *listening, const struct config *config, struct shard *shards, unsigned shard_count,
                   struct buf *ret_error);
void listening_close(struct listening *listening); // removes the files of unix sockets
