// Files that a run takes and leaves: what they may be called. Any thread.
#pragma once

#include "util/str.h"

#define ARTIFACT_NAME_MAX 512  // bytes
#define ARTIFACTS_MAX     1000 // of one execution
#define INPUTS_MAX        1000 // likewise
#define ARTIFACT_MODE_MAX 0777 // only the permissions of a file count

// Returns NULL if a file may have this name: parts with '/' between them, beneath the folder of the execution.
// Otherwise what is wrong with it, "must …".
const char *artifact_name_problem(struct str name);
