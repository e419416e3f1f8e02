// Where the server listens: all addresses of the setting `listen`, on the loop of every shard; or the sockets that a
// service manager hands over.
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

// To be called before anything is opened. Checks whether each address is valid, and whether it may be served without
// TLS. Returns 0 or ERR_INVALID with a text in *ret_error.
int listening_check(const struct config *config, struct buf *ret_error);
// On an error *ret_error tells it, and listening_close closes what was opened.
int listening_open(struct listening *listening, const struct config *config, struct shard *shards, unsigned shard_count,
                   struct buf *ret_error);
void listening_close(struct listening *listening); // also removes the files of unix sockets
