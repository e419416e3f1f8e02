// Explains why a server does not take a log. For people.
#pragma once

#include "runner/run_file.h"

// Why a spool with something in it that this program must not ignore is left.
#define RECORDED_BY_NEWER "a newer runnel recorded it; deliver it with that one"

// Appends what an error of the delivery means for this run. `text` is what is known beyond the error's own text; may be
// NULL.
void refusal_append(struct buf *out, const struct run_file *run, int err, const char *text);
// True if no server and no credential can make this log deliverable: its identifier belongs to another execution, or
// its execution has ended without this log.
bool refusal_is_for_good(int err);
