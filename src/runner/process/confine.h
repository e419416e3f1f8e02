// What a job may not see: a Landlock ruleset, if the kernel has it. A ruleset lists what is allowed. So a folder is
// hidden by allowing everything beside it.
#pragma once

#include "util/error.h"

#define CONFINE_PATHS_MAX 16

struct confine_base;

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
    // Stands for its `hidden`, which take the place of ours, and allows its `writable` and `readable` as well. NULL:
    // none.
    const struct confine_base *base;
};

bool confine_available(void);
bool confine_scopes_signals(void); // whether the kernel keeps signals within what is started under a ruleset
// Makes a ruleset for launch_options; the caller must close it. Returns ERR_UNSUPPORTED without Landlock, or -errno.
int confine_prepare(const struct confine_options *options, int *ret_fd);

// What the rulesets of many jobs have in common: a descriptor (O_PATH) of everything beside what is hidden, found once.
// So a ruleset costs a system call for each, and not a listing of folders with four for each. Descriptors keep deleted
// files, and a base that is not used for long must be forgotten. One thread.
struct confine_base *confine_base_new(const struct confine_options *options); // copies them
void confine_base_free(struct confine_base **base);
// To be called before it is used: looks whether what it knows is still so, and else finds it anew.
void confine_base_refresh(struct confine_base *base);
// Closes all but what tells of changes: a ruleset of it was made that is as good as a new one, as long as nothing
// changes.
void confine_base_watch(struct confine_base *base);
bool confine_base_unchanged(const struct confine_base *base); // since it was watched; NULL is fine
void confine_base_take(struct confine_base *base);   // after a fork: from now on it shares nothing with the parent's
void confine_base_forget(struct confine_base *base); // closes what it has, until the next refresh
// Whether it can be used to hide these. It cannot if there is too much beside them, or without /proc. NULL is fine.
bool confine_base_hides(const struct confine_base *base, const char *const hidden[CONFINE_PATHS_MAX]);
