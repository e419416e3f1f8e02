// What to call an execution where there is one line for it: its name, or else what it runs with its arguments.
#pragma once

#include "util/buf.h"

#include <jansson.h>

#define TITLE_MAX 200 // bytes

struct title_parts { // any may be NULL
    const char *name, *script;
    const json_t *command, *args; // arrays of strings
};
// Appends at most TITLE_MAX bytes of whole characters; nothing if nothing is known. The text is as it was given: what
// shows it on a terminal makes it safe.
void title_append(struct buf *out, const struct title_parts *parts);
