// What the files of this folder share.
#pragma once

#include "blob/dir/dir.h"
#include "util/buf.h"
#include "util/error.h"

struct blob_dir {
    struct blob_store base;
    char *folder;
    const struct logger *logger;
    _Atomic uint64_t size_max;
};

static inline struct blob_dir *blob_dir_of(struct blob_store *store)
{
    return CONTAINER_OF(store, struct blob_dir, base);
}

// paths.c
// The error of the port for one of the system; it is logged unless it says all by itself.
int blob_dir_error(struct blob_dir *dir, const char *what, const char *path, int error);
char *blob_dir_content_path(const struct blob_dir *dir, struct str key); // owned by the caller; NULL: it is no key

// upload.c
int blob_dir_begin(struct blob_store *store, struct blob_begin *it);
int blob_dir_write(struct blob_store *store, struct blob_write *it);
int blob_dir_pause(struct blob_store *store, struct blob_pause *it);
int blob_dir_finish(struct blob_store *store, struct blob_finish *it);
int blob_dir_offset(struct blob_store *store, struct blob_offset *it);
int blob_dir_forget(struct blob_store *store, struct blob_forget *it);
void blob_dir_abandon(struct blob_store *store, struct blob_upload *upload);

// list.c
int blob_dir_list(struct blob_store *store, struct blob_list *it);
