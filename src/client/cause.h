// Says why a server gave no answer, or why the answer is not from a Runnel server, and what to do. Private to this
// room.
#pragma once

#include "client/client.h"

#include <curl/curl.h>

// For a transfer that brought no answer. Writes the text to *ret_text. Returns ERR_UNREACHABLE, or ERR_WRONG_SERVER if
// a retry cannot help. `detail` is curl's own text; it may be empty.
int cause_of_transfer(CURL *handle, CURLcode code, const struct client_options *options, const char *detail,
                      struct buf *ret_text);
// For an answer that no Runnel server wrote. Writes its text and returns its error.
int cause_of_answer(const struct client_response *response, struct buf *ret_text);
// For a WebSocket handshake that was answered like a plain request.
void cause_no_upgrade(int status, struct buf *ret_text);
