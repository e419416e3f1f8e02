// Reads the head of an answer, for clients.
#pragma once

#include "util/str.h"

// `head` includes its empty line. `header` is called for each header in turn, with views of `head`. Returns
// ERR_MALFORMED if it is not HTTP/1.
int http_response_head_parse(struct str head, int *ret_status,
                             void (*header)(void *arg, struct str name, struct str value), void *arg);
