// Requests that are signed as AWS asks for it (Signature Version 4), with all of their headers. No redirect is
// followed. Blocks: for a thread of a pool.
#pragma once

#include "client/fetch.h"

// Keeps its connection open between requests. For one request at a time, on any thread.
struct client_line;
struct client_line *client_line_new(void);
void client_line_free(struct client_line **line);

struct client_signed {
    struct client_fetch fetch;  // its query is sorted by name and percent-encoded, each name with its '='
    struct client_line *line;   // NULL: a connection for this request alone
    const char *method;         // GET, PUT, POST or DELETE; NULL: POST
    const char *const *headers; // "Name: value"; ends with NULL. That of the body's hash, x-amz-content-sha256, too
    struct str body;
    const char *region, *service;
    const char *key_id, *secret, *session_token; // the token of temporary credentials; "": they are none
};
struct client_answer {
    int status;
    struct buf body; // released by the caller
    char etag[129];  // "" if there is none, or if it is longer
    // Of a 206: the size of the whole.
    bool has_size;
    uint64_t size;
};
// Returns 0 for every answer; ERR_INVALID if it cannot be sent so. Otherwise as client_fetch does.
int client_send_signed(const struct client_signed *request, struct client_answer *ret, struct buf *ret_error);
