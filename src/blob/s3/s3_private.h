// What the files of this folder share.
#pragma once

#include "blob/key.h"
#include "blob/pack.h"
#include "blob/s3/answers.h"
#include "blob/s3/s3.h"
#include "client/signed.h"
#include "util/backoff.h"
#include "util/map.h"

#include <pthread.h>
#include <stdatomic.h>

#define S3_CLEAN_SLOTS 256
#define S3_REASON_MAX  BLOB_REASON_MAX

struct s3_pause { // an account of which no interrupted upload is known
    int64_t account;
    uint64_t until_ms;
};

struct s3_pack { // what is left of one
    struct buf index;
    unsigned count; // 0: it is none
    uint8_t gone[BLOB_PACK_COUNT_MAX / 8 + 1];
};

struct s3_known_pack { // the one that was looked at last
    char name[BLOB_KEY_MAX + 1];
    uint64_t until_ms; // mono
    struct s3_pack pack;
};

// What it is used for: its name for people, what the log says when it goes away and comes back, and its metrics.
struct s3_kind {
    const char *setting, *storage, *lost, *found;
    enum metric requests, retries, failures, sent, received, seconds, away;
};
extern const struct s3_kind s3_files, s3_cold;

struct blob_s3 {
    struct blob_store base;
    const struct s3_kind *kind;
    char *bucket_url; // with a slash at its end, if the bucket is in the host's name
    char *prefix;     // "" or "a/b/"
    char *region, *ca_file, *credentials_file, *profile;
    uint64_t timeout_ms, memory_max;
    size_t part_size;
    unsigned line_max;
    const struct logger *logger;
    struct metrics *metrics;

    pthread_mutex_t packs; // who looks at a pack, changes its marks and writes them
    struct s3_known_pack known;

    pthread_mutex_t lock; // all of the following
    pthread_cond_t ends;
    bool ending;
    atomic_bool abort;          // requests that are under way end too
    struct client_line **lines; // that are idle
    unsigned line_count;
    char away[S3_REASON_MAX + 1]; // "": S3 answers
    uint64_t ask_again_ms;        // while it is away: who comes before fails at once
    struct map under_way;         // of struct s3_claim, by name
    struct s3_pause clean[S3_CLEAN_SLOTS];
    uint64_t held; // bytes of memory
    struct blob_upload *abandoned;
};

static inline struct blob_s3 *blob_s3_of(struct blob_store *store)
{
    return CONTAINER_OF(store, struct blob_s3, base);
}

// --- s3.c
int s3_new(const struct blob_s3_options *options, const struct s3_kind *kind, struct blob_s3 **ret,
           struct buf *ret_error); // without a pool
void s3_end(struct blob_s3 *s3);   // nobody waits to ask again any more
void s3_free(struct blob_s3 *s3);
bool s3_is_away(struct blob_s3 *s3, char ret_reason[S3_REASON_MAX + 1]);

// --- request.c: one question, with its retries

struct s3_request {
    const char *method;
    const char *key;   // beneath the prefix; NULL: the bucket
    const char *query; // sorted, percent-encoded; NULL: none
    struct str body;
    bool ranged;
    uint64_t first, last; // of the range, both within
    size_t answer_max;
    const struct s3_shape *shape; // what the answer must be; NULL: bytes, or nothing
};
struct s3_answer { // zeroed; released by the caller
    struct client_answer raw;
    struct s3_head head; // of its shape, or of the refusal
    unsigned tries;
};
static inline void s3_answer_release(struct s3_answer *answer)
{
    buf_release(&answer->raw.body);
}
// Returns 0 for an answer that is what it should be; ERR_NOT_FOUND (the object), ERR_CONFLICT (the multipart upload is
// not there any more), ERR_RANGE, ERR_UNSUPPORTED, ERR_STORE_FULL; else ERR_UNAVAILABLE, with op->ret_reason.
int s3_ask(struct blob_s3 *s3, struct blob_op *op, const struct s3_request *request, struct s3_answer *ret);
// The same for an answer in items, which are handed over when all of it is good.
int s3_ask_items(struct blob_s3 *s3, struct blob_op *op, const struct s3_request *request, const struct s3_items *items,
                 struct s3_head *ret_head);
int s3_put(struct blob_s3 *s3, struct blob_op *op, const char *key, struct str body);
int s3_delete(struct blob_s3 *s3, struct blob_op *op, const char *key); // 0 also if it is not there
// Reads up to `len` bytes from `at`; fewer at its end. *ret_size: of the whole object, if it is not NULL.
int s3_get(struct blob_s3 *s3, struct blob_op *op, const char *key, uint64_t at, size_t len, struct buf *ret,
           uint64_t *ret_size);
void s3_encode(struct buf *out, struct str text); // for a query

// --- objects.c

struct s3_object {
    char key[BLOB_KEY_MAX + 1]; // behind the prefix that was asked for
    uint64_t size;
    int64_t changed_ms;
};
struct s3_objects {
    struct s3_object *items;
    size_t count, cap;
    bool truncated;
    char last[1025]; // key that was listed last, whatever it is, behind the prefix that was asked for
};
static inline void s3_objects_release(struct s3_objects *objects)
{
    free(objects->items);
}
// Those beneath `beneath` whose rest of the key is a valid one, behind `after`; at most `limit`.
int s3_list_objects(struct blob_s3 *s3, struct blob_op *op, const char *beneath, const char *after, unsigned limit,
                    struct s3_objects *ret);

// --- state.c

uint64_t s3_part_size(const struct blob_s3 *s3, uint64_t size);
// Takes so many bytes of what uploads may hold together. ERR_UNAVAILABLE with a reason.
int s3_hold(struct blob_s3 *s3, struct blob_op *op, uint64_t bytes);
void s3_let_go(struct blob_s3 *s3, uint64_t bytes);
// Whether nothing of the account was interrupted, as far as it was seen here within a minute.
bool s3_is_clean(struct blob_s3 *s3, int64_t account);
void s3_set_clean(struct blob_s3 *s3, int64_t account, bool clean);
// Who writes to an upload of a content, of all threads here.
struct s3_claim {
    struct map_node node;
    char name[96];
};
bool s3_claim(struct blob_s3 *s3, struct s3_claim *claim, int64_t account, struct str hex);
void s3_unclaim(struct blob_s3 *s3, struct s3_claim *claim);

// --- parts.c: interrupted uploads

#define S3_RECORD_HEAD ((size_t)1536)

struct s3_record {
    char key[BLOB_KEY_MAX + 1]; // of the content to be; "": it is no multipart upload
    char upload_id[1025];
    uint64_t base; // where its last bytes begin
};
void s3_record_key(int64_t account, const uint8_t hash[BLOB_HASH_LEN], uint64_t size, char ret[BLOB_KEY_MAX + 1]);
void s3_record_write(const struct s3_record *record, char head[S3_RECORD_HEAD]);
bool s3_record_read(const char head[S3_RECORD_HEAD], struct s3_record *ret);

struct s3_etag {
    char text[129];
};
struct s3_parts { // that were uploaded, without a hole, each of `size`
    uint64_t size;
    struct s3_etag *etags;
    size_t count, cap;
    int64_t changed_ms; // of the newest one, whatever its size; 0: there is none
};
static inline void s3_parts_release(struct s3_parts *parts)
{
    free(parts->etags);
}
void s3_parts_add(struct s3_parts *parts, const char *etag);
// ERR_CONFLICT: there is no such upload.
int s3_parts_list(struct blob_s3 *s3, struct blob_op *op, const struct s3_record *record, struct s3_parts *ret);

struct s3_found {
    bool own;            // there is something of this content
    uint64_t size, tail; // that was announced; what lies in its record
    uint64_t others;     // bytes that other uploads of the account may hold
    bool many;           // there are more than were looked at
};
int s3_find_own(struct blob_s3 *s3, struct blob_op *op, const uint8_t hash[BLOB_HASH_LEN], struct s3_found *ret);
int s3_find_all(struct blob_s3 *s3, struct blob_op *op, const uint8_t hash[BLOB_HASH_LEN], struct s3_found *ret);
// Removes what is known of it, and its parts.
int s3_drop_interrupted(struct blob_s3 *s3, struct blob_op *op, const char *record_key);
int s3_abort(struct blob_s3 *s3, struct blob_op *op, const char *key, const char *upload_id);
int blob_s3_offset(struct blob_store *store, struct blob_offset *it);
int blob_s3_forget(struct blob_store *store, struct blob_forget *it);

// --- upload.c

int blob_s3_begin(struct blob_store *store, struct blob_begin *it);
int blob_s3_write(struct blob_store *store, struct blob_write *it);
int blob_s3_pause(struct blob_store *store, struct blob_pause *it);
int blob_s3_finish(struct blob_store *store, struct blob_finish *it);
void blob_s3_abandon(struct blob_store *store, struct blob_upload *upload);
void s3_keep_abandoned(struct blob_s3 *s3); // at the end

// --- pack.c

int blob_s3_keep(struct blob_store *store, struct blob_keep *it);
int s3_pack_read(struct blob_s3 *s3, const struct blob_pack_place *place, struct blob_read *it);
int s3_pack_remove(struct blob_s3 *s3, struct blob_op *op, const struct blob_pack_place *place);
// For who holds s3->packs, as long as it does. ERR_NOT_FOUND.
int s3_pack_known(struct blob_s3 *s3, struct blob_op *op, struct str name, struct s3_pack **ret);
bool s3_pack_entry(const struct s3_pack *pack, unsigned index, struct blob_pack_entry *ret); // false: it was removed

// --- list.c

int blob_s3_list(struct blob_store *store, struct blob_list *it);
