// Why a server does not take a log, for people.
#pragma once

#include "runner/run_file.h"

// Appends what an error of the delivery means for this run. `text`: what is known beyond the error's own text; or NULL.
void refusal_append(struct buf *out, const struct run_file *run, int err, const char *text);
// No server and no credential will make this log deliverable: its identifier is another's, or its execution has ended
// without it.
bool refusal_is_for_good(int err);
