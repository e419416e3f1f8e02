// Content that is named by its SHA-256, on its way to a server and back. All of it blocks. What was interrupted goes on
// where it ended.
#pragma once

#include "client/client.h"

#define CONTENT_HASH_LEN 64

struct content {
    char hash[CONTENT_HASH_LEN + 1]; // in hex
    uint64_t size;
};

bool content_hash_valid(struct str hash);
// Hashes a regular file from its beginning to its end. Returns ERR_CONFLICT if it changes meanwhile, ERR_CANCELED, or
// -errno. `abort` may be NULL.
int content_of_file(int fd, const atomic_bool *abort, struct content *ret);
// The file is as it was when *before was its state: nobody has written to it.
struct stat;
bool content_unchanged(int fd, const struct stat *before);
bool content_same_file(const char *path, const struct stat *before); // and the path names it still

// Gives the server the content of the file, unless it has it. Returns 0 when it has it whole; ERR_CONFLICT if the file
// is not what `content` says any more; else the error of the answer, with its text in *ret_text, or that of
// client_upload.
int content_send(struct client *client, int fd, const struct content *content, atomic_ullong *moved,
                 struct buf *ret_text);
// Fetches content into a file that is open for reading and writing: what is there already is its beginning. Returns 0
// when it is whole and hashes to what `content` says; ERR_CORRUPT if it does not, and then the file is empty; else the
// error of the answer, or that the file cannot be written (-errno), with a text in *ret_text.
int content_fetch(struct client *client, const char *path, int fd, const struct content *content, struct buf *ret_text);

// True if another attempt may succeed: the server is away or busy, or was interrupted.
bool content_may_retry(int err);

// Appends a name as part of a path: percent-encoded, but for '/'.
void content_append_name(struct buf *out, const char *name);
