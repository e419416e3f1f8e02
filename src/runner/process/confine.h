// What a job may not see: a Landlock ruleset, if the kernel has it. A ruleset lists what is allowed. So a folder is
// hidden by allowing everything beside it.
#pragma once

#include "util/error.h"

#define CONFINE_PATHS_MAX 16

struct confine_options {
    // Folders that can be neither read nor listed; absolute. A folder that does not exist hides nothing. Files in the
    // folders above a hidden one can be opened, but these folders cannot be listed, and files that are made there later
    // are not visible.
    const char *hidden[CONFINE_PATHS_MAX];
    // Files and folders that can be written, also within a hidden one; files in them can be made and deleted. A folder
    // with a hidden one beneath it is ignored.
    const char *writable[CONFINE_PATHS_MAX];
    // Can only be read; also within a hidden one.
    const char *readable[CONFINE_PATHS_MAX];
};

bool confine_available(void);
// Makes a ruleset for launch_options; the caller must close it. Returns ERR_UNSUPPORTED without Landlock, or -errno.
int confine_prepare(const struct confine_options *options, int *ret_fd);
