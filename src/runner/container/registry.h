// Logins for registries of images, as `docker login` and `podman login` keep them: a file in the form of Docker's
// config.json (`auths`, with `auth`, or `username` and `password`, or a token). Programs that keep passwords elsewhere
// (`credHelpers`, `credsStore`) are not run. No call logs anything.
#pragma once

#include "model/mask.h"
#include "util/buf.h"

#define REGISTRY_FILE_MAX  ((size_t)1024 * 1024)
#define REGISTRY_LOGIN_MAX ((size_t)16 * 1024) // bytes of one login, as a header

struct registry_file;

// Reads the file, which nobody but its owner may read or write. NULL if it cannot be used; appended to `reason` is then
// why, for people, without anything of its content but names of registries.
struct registry_file *registry_file_load(const char *path, struct buf *reason);
struct registry_file *registry_file_parse(struct str text, struct buf *reason);
size_t registry_file_count(const struct registry_file *file); // logins in it
void registry_file_free(struct registry_file **file);

struct registry_login { // a zeroed one is none
    struct buf header;  // the value of X-Registry-Auth; empty: there is no login
    struct buf name;    // of the file's entry; if there is none, the image's registry
    bool elsewhere;     // the file has its name, but no password: a helper is to have it
    struct mask *mask;  // of all of it that must not be seen; NULL: nothing
};

// The login that fits the image best: that of the longest part of its name, "registry/path" before "registry".
void registry_login_find(const struct registry_file *file, const char *image, struct registry_login *ret);
void registry_login_release(struct registry_login *login); // overwrites what was secret
// "registry/path" of an image, without tag and digest: "debian:12" is "docker.io/library/debian".
void registry_image_name(const char *image, struct buf *out);
