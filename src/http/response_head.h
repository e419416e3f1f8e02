// The head of an answer, as a client reads it.
#pragma once

#include "util/str.h"

// `head` ends with its empty line. `header` gets each header in turn, as parts of `head`. ERR_MALFORMED if it is no
// HTTP/1.
int http_response_head_parse(struct str head, int *ret_status,
                             void (*header)(void *arg, struct str name, struct str value), void *arg);
