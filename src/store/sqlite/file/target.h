// A file of the store's that is being made in a folder: whole under a temporary name, then under its own. What is there
// already is never touched, and nothing is followed out of the folder.
#pragma once

#include "util/buf.h"

struct target {
    char *root;
    int folder_fd; // of the folder that the file itself lies in
    char *folder;  // its path
    char *name, *temporary;
    char *path, *temporary_path;
    char *note; // where it is written down which file is being made, so that a later start can clear it away; or NULL
    bool made;  // the temporary file is there, and ours
};

// Makes an empty temporary file NAME.partial (mode 0600) for `name` beneath `root`; `name` may have folders in it,
// which are there already. ERR_INVALID for a name that leads elsewhere (absolute, "..", a symbolic link) or a folder
// that cannot be written in, ERR_CONFLICT if either name is taken, ERR_NO_FILES, ERR_STORE_FULL, or -errno; each with a
// text.
int target_make(struct target *target, const char *root, struct str name, const char *note, struct buf *ret_error);
// Syncs it, gives it its name, syncs the folder. As above.
int target_publish(struct target *target, struct buf *ret_error);
// Removes the temporary file unless it has its name by now, and the note. For CLEANUP.
void target_release(struct target *target);
// Removes what a killed process was making, if the file of the note is the same still.
void target_clear(const char *note);
// Makes NAME out of an errno: ERR_NO_FILES, ERR_STORE_FULL or -errno.
int target_error(int cause);
// A name that is free: PATH.WORD-20251115T103015Z, with a number behind it if need be. Owned by the caller.
char *target_aside(const char *path, const char *word, int64_t now_ms);
// A text for people for any error, also -errno.
const char *target_error_text(int err);
