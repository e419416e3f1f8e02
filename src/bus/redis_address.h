// Where a Redis is, and as whom it is spoken to.
#pragma once

#include "util/buf.h"

#define REDIS_HOST_MAX 255
#define REDIS_PATH_MAX 107 // of a unix socket

struct redis_address {
    char host[REDIS_HOST_MAX + 1]; // "": it is a unix socket
    bool tls;
    int port;
    char path[REDIS_PATH_MAX + 1];
};

// Reads redis://HOST[:PORT][/DATABASE], rediss:// with TLS, or unix:/PATH. What is said on a channel is heard whatever
// the database, so its number is let go. ERR_INVALID, with what is wrong; that has no part of the address, which may
// hold a password.
int redis_address_read(const char *text, struct redis_address *ret, struct buf *ret_error);

struct redis_login {
    struct buf text;
    struct str user, password; // parts of `text`. No user: the server's default one. No password: none is needed
};

// Reads a file with one line, PASSWORD or USER:PASSWORD; "" is no file. ERR_INVALID, with what is wrong.
int redis_login_read(const char *file, struct redis_login *ret, struct buf *ret_error);
void redis_login_release(struct redis_login *login); // and wipes it
