// Why a server gave no answer, or one that is not of a Runnel server: in words that say what to do. Private to this
// room.
#pragma once

#include "client/client.h"

#include <curl/curl.h>

// From the end of a transfer that brought no answer: the text to *ret_text, and ERR_UNREACHABLE, or ERR_WRONG_SERVER if
// asking again cannot help. `detail` is curl's own text, perhaps empty.
int cause_of_transfer(CURL *handle, CURLcode code, const struct client_options *options, const char *detail,
                      struct buf *ret_text);
// From an answer that no Runnel server has written: its error and text.
int cause_of_answer(const struct client_response *response, struct buf *ret_text);
// A WebSocket's handshake that was answered as a plain request.
void cause_no_upgrade(int status, struct buf *ret_text);
