// The keys that seal secrets: AES-256-GCM, bound to the account and the name, so that a sealed value is good for
// nothing else. For any thread, also while its file is read anew.
//
// The file has a key on each line, 64 hexadecimal digits; # begins a comment. The first one seals, all of them open.
// What is sealed says which key it needs: version (1 byte, 1), the first 8 bytes of the key's SHA-256, nonce (12),
// ciphertext, tag (16).
#pragma once

#include "util/buf.h"
#include "util/error.h"

#define KEYRING_KEYS_MAX 16

struct keyring;

// Makes a file with one random key, mode 0600. -errno.
int keyring_make(const char *path);
// ERR_INVALID with a text for people: it cannot be read, others may read it, or it holds something else.
int keyring_load(const char *path, struct buf *ret_error, struct keyring **ret);
// Reads the file anew. After an error, as of keyring_load, the keys that were there stay.
int keyring_reload(struct keyring *keyring, const char *path, struct buf *ret_error);
void keyring_free(struct keyring **keyring);

struct keyring_place { // what a value is bound to
    int64_t account;
    struct str name;
};
void keyring_seal(const struct keyring *keyring, const struct keyring_place *place, struct str value, struct buf *out);
// Appends the value. ERR_NOT_FOUND: it needs a key that is not here. ERR_CORRUPT: it is not what was sealed there.
int keyring_open(const struct keyring *keyring, const struct keyring_place *place, struct str sealed, struct buf *out);
// Whether it is sealed by the first key, with which new values are sealed.
bool keyring_is_newest(const struct keyring *keyring, struct str sealed);
