// Operations on blobs (content that an account has uploaded), on what refers to them (the inputs and artifacts of
// executions), and on run tokens. The content itself is behind blob/blob.h; docs/internals/artifacts.md has the whole.
// Conventions: store/store.h.
#pragma once

#include "model/artifact.h"
#include "model/status.h"
#include "store/op.h"
#include "util/str.h"

#define STORE_HASH_LEN     32
#define STORE_BLOB_KEY_MAX 127
#define BLOBS_MAX          1000 // contents in one operation

#define BLOB_UNUSED_MS    (24 * 3600 * 1000LL) // a blob that nothing refers to is kept for so long
#define BLOB_WANTED_MS    (3600 * 1000LL)      // how old may be what is stored about when it was last wanted
#define ARTIFACT_GRACE_MS (3600 * 1000LL)      // a run token may still leave artifacts for so long after the seal

struct store_blob { // the strings are owned
    int64_t row;
    uint64_t size;
    char key[STORE_BLOB_KEY_MAX + 1]; // of its content
    int64_t wanted_ms;                // when it was uploaded, or last asked for
};

// --- Commits

struct store_blob_new {
    uint8_t hash[STORE_HASH_LEN];
    uint64_t size;
    struct str key;   // empty: it was there when somebody looked, and is kept for a while
    bool ret_existed; // then the old one stays, and `key` is not used
};

// The account has these contents under these keys: all of them, or none. No hash is there twice. ERR_TOO_LARGE: the
// account would have more than `bytes_max`. ERR_UNAVAILABLE: one without a key is not there any more.
struct store_blob_add {
    struct store_op op;
    int64_t account;
    struct store_blob_new *blobs;
    size_t count; // at most BLOBS_MAX
    uint64_t bytes_max;
};

struct store_blob_want { // somebody was told that they are there: they are kept for a while
    struct store_op op;
    const int64_t *rows;
    size_t count; // at most BLOBS_MAX
};

// Names a blob of the account as an artifact of the execution. ERR_EXPIRED: it was purged. ERR_FENCED: `epoch` is not
// the newest. ERR_SEALED: see `late`. ERR_NOT_FOUND: the account has no such blob. ERR_INVALID: its size is another.
// ERR_CONFLICT: another content, or mode, has the name. ERR_TOO_LARGE: it has ARTIFACTS_MAX.
struct store_artifact_put {
    struct store_op op;
    int64_t row;
    uint64_t epoch; // 0: not checked
    bool late;      // also within ARTIFACT_GRACE_MS of the seal
    struct str name;
    uint8_t hash[STORE_HASH_LEN];
    uint64_t size;
    unsigned mode;
    bool ret_existed;
    int64_t ret_created_ms;
};

// Forgets the artifacts of an execution; its log and its inputs stay. One that has none is no error. ERR_CONFLICT
// unless it is sealed; ERR_EXPIRED: it was purged.
struct store_artifacts_purge {
    struct store_op op;
    int64_t row;
    uint64_t ret_count, ret_bytes; // of what it had
};

// Forgets blobs that nothing has referred to for BLOB_UNUSED_MS, and tells under which keys their content was.
#define BLOB_DROP_MAX 64
struct store_blob_drop {
    struct store_op op;
    char ret_keys[BLOB_DROP_MAX][STORE_BLOB_KEY_MAX + 1];
    size_t ret_count;
};

// --- Queries

struct store_blob_find { // ERR_NOT_FOUND; `ret_bytes` is set also then
    struct store_op op;
    int64_t account;
    uint8_t hash[STORE_HASH_LEN];
    struct store_blob ret_blob;
    uint64_t ret_bytes; // of all blobs of the account
};

struct store_blob_there {
    int64_t row; // 0: it is not there
    int64_t wanted_ms;
};
struct store_blobs_find { // which of these contents the account has
    struct store_op op;
    int64_t account;
    const uint8_t (*hashes)[STORE_HASH_LEN];
    size_t count;                       // at most BLOBS_MAX
    struct store_blob_there *ret_there; // the caller's; one for each
    uint64_t ret_bytes;                 // of all blobs of the account
};

struct store_file { // an input or an artifact
    char *name;
    uint8_t hash[STORE_HASH_LEN];
    uint64_t size;
    unsigned mode;
    int64_t created_ms; // of an artifact
    char key[STORE_BLOB_KEY_MAX + 1];
};
enum store_file_kind { STORE_FILE_INPUT, STORE_FILE_ARTIFACT };
struct store_file_list { // by name; at most ARTIFACTS_MAX
    struct store_op op;
    int64_t row;
    enum store_file_kind file_kind;
    struct str name; // only this one; empty: all
    struct store_file *ret_files;
    size_t ret_count; // with a name 0 or 1
};

struct store_blobs_unused { // whether STORE_BLOB_DROP would find something
    struct store_op op;
    bool ret_any;
};

#define BLOB_KNOWN_MAX 256
struct store_blobs_known { // which of these keys are a blob's
    struct store_op op;
    struct str keys[BLOB_KNOWN_MAX];
    size_t count;
    bool ret_known[BLOB_KNOWN_MAX];
};

struct store_run_find { // what a run token is judged by. ERR_NOT_FOUND
    struct store_op op;
    int64_t row;
    int64_t ret_account;
    char *ret_execution_id;
    uint64_t ret_epoch;
    enum execution_status ret_status;
    bool ret_sealed, ret_purged, ret_suspended, ret_deleted; // the last two: the account
    int64_t ret_sealed_ms;
};

// What an execution is to have as an input: of struct store_create.
struct store_input {
    struct str name;
    uint8_t hash[STORE_HASH_LEN];
    uint64_t size;
    unsigned mode;
};
