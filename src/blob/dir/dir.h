// Content in a folder of this machine, beside the store.
//
//   FOLDER/content/ACCOUNT/AB/HASH.ID   whole; the key is what follows content/
//   FOLDER/content/ACCOUNT/pk/ID        a pack: contents that came together; a key has also where in it one lies
//   FOLDER/parts/ACCOUNT/HASH           an upload that can be resumed; whoever writes to it holds its lock
//   FOLDER/parts/ACCOUNT/HASH.ID        another upload of the same content at the same time
//
// An upload is synced, and then moved from parts/ to content/ in one step. A pack is written where it is to be, and
// then synced: so it may be torn, but nobody has a key of it then. Some room of the disk is left free, because the
// store may be on it.
#pragma once

#include "blob/blob.h"
#include "util/log.h"

#define BLOB_DIR_THREADS 4

struct blob_dir_options {
    const char *folder; // made if it does not exist
    const struct logger *logger;
    uint64_t size_max; // for tests: all files together; 0: as the disk is
};
// Returns 0, -errno, or ERR_NOMEM.
int blob_dir_open(const struct blob_dir_options *options, struct blob_store **ret);
