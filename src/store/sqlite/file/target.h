// A file of the store that is being made in a folder: it is completed under a temporary name, and then gets its own.
// Existing files are never touched, and nothing is followed out of the folder.
#pragma once

#include "util/buf.h"

struct target {
    char *root;
    int folder_fd; // of the folder that will hold the file
    char *folder;  // the path of that folder
    char *name, *temporary;
    char *path, *temporary_path;
    char *note; // a file that notes what is being made, so that a later start can remove it; may be NULL
    bool made;  // the temporary file exists and is ours
};

// Makes an empty temporary file NAME.partial (mode 0600) for `name` beneath `root`. `name` may have folders in it; they
// must exist. Errors, each with a text: ERR_INVALID for a name that leads elsewhere (absolute, "..", a symbolic link)
// or for a folder that cannot be written; ERR_CONFLICT if one of the two names is taken; ERR_NO_FILES; ERR_STORE_FULL;
// or -errno.
int target_make(struct target *target, const char *root, struct str name, const char *note, struct buf *ret_error);
// Syncs the file, gives it its name, and syncs the folder. Errors as above.
int target_publish(struct target *target, struct buf *ret_error);
// Removes the note, and the temporary file unless it has its name already. For CLEANUP.
void target_release(struct target *target);
// Removes what a killed process was making, if it still is the file of the note.
void target_clear(const char *note);
// Turns an errno into ERR_NO_FILES, ERR_STORE_FULL or -errno.
int target_error(int cause);
// Returns a free name: PATH.WORD-20251115T103015Z, with a number appended if necessary. Owned by the caller.
char *target_aside(const char *path, const char *word, int64_t now_ms);
// Returns a text for people for any error, also for -errno.
const char *target_error_text(int err);
