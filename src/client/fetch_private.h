// What fetch.c has for ask.c and signed.c.
#pragma once

#include "client/client_private.h"
#include "client/fetch.h"

struct client_head { // who reads an answer's head, line by line
    void (*line)(void *arg, struct str line);
    void *arg;
};
// Checks the URL, and makes a handle for it, or makes *handle ready if it is one already. Returns 0, or an error with
// its text.
int fetch_start(const struct client_fetch *fetch, CURL **handle, struct buf *ret_error);
// Returns 0 for every answer. `header` may be NULL.
int fetch_run(CURL *handle, const struct client_fetch *fetch, const struct client_head *header, long *ret_status,
              struct buf *ret, struct buf *ret_error);
