// What the files of this folder share.
#pragma once

#include "blob/dir/dir.h"
#include "blob/key.h"
#include "blob/pack.h"
#include "util/buf.h"
#include "util/error.h"
#include "util/map.h"

#include <pthread.h>

struct blob_dir {
    struct blob_store base;
    char *folder;
    const struct logger *logger;
    _Atomic uint64_t size_max;
    pthread_mutex_t folders; // who makes one also syncs it, before another one finds it
    struct map synced;       // the folders of accounts that were synced since the start
};

static inline struct blob_dir *blob_dir_of(struct blob_store *store)
{
    return CONTAINER_OF(store, struct blob_dir, base);
}

// paths.c
// The error of the port for one of the system; it is logged unless it says all by itself.
int blob_dir_error(struct blob_dir *dir, const char *what, const char *path, int error);
char *blob_dir_content_path(const struct blob_dir *dir, struct str key); // owned by the caller; NULL: it is no key
int blob_dir_make_folders(struct blob_dir *dir, const char *key);        // those that a key lies in, durably; or -errno
void blob_dir_forget_synced(struct blob_dir *dir);                       // for the end
bool blob_dir_has_room(struct blob_dir *dir, uint64_t bytes);            // and leaves some free

// upload.c
int blob_dir_begin(struct blob_store *store, struct blob_begin *it);
int blob_dir_write(struct blob_store *store, struct blob_write *it);
int blob_dir_pause(struct blob_store *store, struct blob_pause *it);
int blob_dir_finish(struct blob_store *store, struct blob_finish *it);
int blob_dir_offset(struct blob_store *store, struct blob_offset *it);
int blob_dir_forget(struct blob_store *store, struct blob_forget *it);
void blob_dir_abandon(struct blob_store *store, struct blob_upload *upload);

// pack.c
struct pack_place {
    char *path; // of the pack
    struct blob_pack_place place;
};
static inline void pack_place_release(struct pack_place *place)
{
    free(place->path);
}
// Whether the key is that of a content in a pack. *ret is set only then.
bool blob_dir_pack_place(const struct blob_dir *dir, struct str key, struct pack_place *ret);
bool blob_dir_pack_has(int fd, const struct pack_place *place); // and it was not removed
int blob_dir_pack_remove(struct blob_dir *dir, const struct pack_place *place);
// Calls `add` with the key of each content of a pack, in their order, until it returns false; with that of the pack
// itself, if there is none. `pack` is its key.
void blob_dir_pack_list(const struct blob_dir *dir, const char *pack, bool (*add)(void *arg, const char *key),
                        void *arg);
int blob_dir_keep(struct blob_store *store, struct blob_keep *it);

// list.c
int blob_dir_list(struct blob_store *store, struct blob_list *it);
