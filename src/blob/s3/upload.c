// Uploads. What comes is gathered and hashed; whenever a part is full, it goes to S3.
//
//   smaller than a part    gathered ──FINISH──▶ PUT content/KEY
//   larger                 the first full part begins a multipart upload, and a record names it ──FINISH──▶ completed
//
// PAUSE writes what is gathered into the record. Of an upload that went on, S3 alone has the first parts: so FINISH
// reads all of it back and hashes that, before it tells the key.
#include "blob/s3/s3_private.h"
#include "net/digest.h"
#include "util/error.h"
#include "util/id.h"

#define CHECK_LEN  ((size_t)4 * 1024 * 1024) // bytes of one question when it is read back
#define ETAG_BYTES 256                       // of XML, for one part

struct blob_upload {
    struct blob_upload *next; // of those that are abandoned
    struct s3_claim claim;
    bool resumable;  // it holds the claim
    bool has_record; // there is something under the record's key
    int64_t account;
    uint8_t hash[BLOB_HASH_LEN];
    uint64_t size;
    struct buf gathered;          // room for the record's head, then bytes; those of the next part
    uint64_t held;                // bytes of memory
    struct sha256_stream *digest; // NULL: it went on, so not all bytes came by here
    struct s3_record record;      // with a key: a multipart upload
    struct s3_parts parts;
};

static size_t gathered_len(const struct blob_upload *upload)
{
    return upload->gathered.len - S3_RECORD_HEAD;
}

static struct str gathered(const struct blob_upload *upload)
{
    return str_n(upload->gathered.data + S3_RECORD_HEAD, gathered_len(upload));
}

static uint64_t offset_of(const struct blob_upload *upload)
{
    return upload->parts.count * upload->parts.size + gathered_len(upload);
}

static void upload_free(struct blob_s3 *s3, struct blob_upload *upload)
{
    if (upload->resumable)
        s3_unclaim(s3, &upload->claim);
    s3_let_go(s3, upload->held);
    sha256_free(&upload->digest);
    s3_parts_release(&upload->parts);
    buf_release(&upload->gathered);
    free(upload);
}

// --- Beginning

static void record_key(const struct blob_upload *upload, char ret[BLOB_KEY_MAX + 1])
{
    s3_record_key(upload->account, upload->hash, upload->size, ret);
}

// Takes what the record has, and the parts that are there. ERR_NOT_FOUND, ERR_CONFLICT: it begins anew.
static int take_up(struct blob_s3 *s3, struct blob_op *op, struct blob_upload *upload)
{
    CLEANUP(buf_release) struct buf body = {0};
    char key[BLOB_KEY_MAX + 1];
    record_key(upload, key);
    int err = s3_get(s3, op, key, 0, S3_RECORD_HEAD + (size_t)upload->parts.size, &body, NULL);
    if (err)
        return err;
    if (body.len < S3_RECORD_HEAD || !s3_record_read(body.data, &upload->record))
        return ERR_CONFLICT;
    upload->has_record = true;
    if (upload->record.key[0])
        err = s3_parts_list(s3, op, &upload->record, &upload->parts);
    uint64_t whole = upload->parts.count * upload->parts.size;
    if (err || whole > upload->size)
        return err ? err : ERR_CONFLICT;
    if (whole == upload->record.base)
        buf_append(&upload->gathered, body.data + S3_RECORD_HEAD,
                   (size_t)MIN(body.len - S3_RECORD_HEAD, upload->size - whole));
    if (upload->record.key[0])
        sha256_free(&upload->digest);
    else
        sha256_add(upload->digest, gathered(upload).data, gathered_len(upload));
    return 0;
}

static int begin_anew(struct blob_s3 *s3, struct blob_op *op, struct blob_upload *upload, uint64_t announced)
{
    char key[BLOB_KEY_MAX + 1];
    s3_record_key(upload->account, upload->hash, announced, key);
    upload->record = (struct s3_record){0};
    upload->parts.count = 0;
    upload->gathered.len = S3_RECORD_HEAD;
    upload->has_record = false;
    return s3_drop_interrupted(s3, op, key);
}

static int look_at_interrupted(struct blob_s3 *s3, struct blob_begin *it, struct blob_upload *upload)
{
    struct s3_found all = {0}, own = {0};
    bool clean = !it->resume && s3_is_clean(s3, upload->account);
    int err = clean ? 0 : s3_find_all(s3, &it->op, it->hash, &all);
    if (err == 0 && !clean)
        err = s3_find_own(s3, &it->op, it->hash, &own);
    if (err)
        return err;
    if (!clean && !own.own && all.others == 0 && !all.many)
        s3_set_clean(s3, upload->account, true);
    bool many = all.many && !own.own;
    if (many || it->size > it->parts_max || all.others > it->parts_max - it->size)
        return ERR_TOO_LARGE;
    if (!own.own || !upload->resumable)
        return 0;
    if (!it->resume || own.size != it->size)
        return begin_anew(s3, &it->op, upload, own.size);
    err = take_up(s3, &it->op, upload);
    bool lost = err == ERR_NOT_FOUND || err == ERR_CONFLICT || err == ERR_UNSUPPORTED;
    if (!lost)
        return err;
    if (!upload->digest)
        upload->digest = sha256_begin();
    return begin_anew(s3, &it->op, upload, own.size);
}

int blob_s3_begin(struct blob_store *store, struct blob_begin *it)
{
    struct blob_s3 *s3 = blob_s3_of(store);
    char hex[2 * BLOB_HASH_LEN + 1];
    struct blob_upload *upload = xcalloc(1, sizeof(*upload));
    upload->account = it->op.account;
    upload->size = it->size;
    memcpy(upload->hash, it->hash, BLOB_HASH_LEN);
    upload->digest = sha256_begin();
    upload->parts.size = s3_part_size(s3, it->size);
    hex_encode(it->hash, BLOB_HASH_LEN, hex);
    upload->resumable = s3_claim(s3, &upload->claim, upload->account, str_of(hex));
    size_t room = S3_RECORD_HEAD + (size_t)MIN(it->size, upload->parts.size);
    int err = s3_hold(s3, &it->op, room);
    if (err == 0) {
        upload->held = room;
        buf_reserve(&upload->gathered, room);
        upload->gathered.len = S3_RECORD_HEAD;
        err = look_at_interrupted(s3, it, upload);
    }
    if (err) {
        upload_free(s3, upload);
        return err;
    }
    it->ret_offset = offset_of(upload);
    it->ret_upload = upload;
    return 0;
}

// --- Parts

static int record_put(struct blob_s3 *s3, struct blob_op *op, struct blob_upload *upload, bool with_bytes)
{
    char key[BLOB_KEY_MAX + 1];
    record_key(upload, key);
    upload->record.base = upload->parts.count * upload->parts.size;
    s3_record_write(&upload->record, upload->gathered.data);
    s3_set_clean(s3, upload->account, false);
    int err = s3_put(s3, op, key, str_n(upload->gathered.data, with_bytes ? upload->gathered.len : S3_RECORD_HEAD));
    upload->has_record |= err == 0;
    s3_set_clean(s3, upload->account, false);
    return err;
}

static int begin_multipart(struct blob_s3 *s3, struct blob_op *op, struct blob_upload *upload)
{
    CLEANUP(s3_answer_release) struct s3_answer answer = {0};
    struct s3_record record = {0};
    blob_key_new(upload->account, upload->hash, record.key);
    CLEANUP(free_ptr) char *key = xasprintf("content/%s", record.key);
    const struct s3_request request = {
        .method = "POST", .key = key, .query = "uploads=", .answer_max = 65536, .shape = &s3_shape_begun};
    int err = s3_ask(s3, op, &request, &answer);
    if (err)
        return err;
    if (!answer.head.upload_id[0] || strpbrk(answer.head.upload_id, "\r\n")) {
        snprintf(op->ret_reason, sizeof(op->ret_reason), "what the storage of files (S3) answers is not what S3 would");
        return ERR_UNAVAILABLE;
    }
    snprintf(record.upload_id, sizeof(record.upload_id), "%s", answer.head.upload_id);
    upload->record = record;
    return upload->resumable ? record_put(s3, op, upload, false) : 0;
}

// What stands in XML as it is.
static bool etag_good(const char *etag)
{
    return etag[0] && !strpbrk(etag, "<>&");
}

// Sends what is gathered as the next part.
static int send_part(struct blob_s3 *s3, struct blob_op *op, struct blob_upload *upload)
{
    CLEANUP(s3_answer_release) struct s3_answer answer = {0};
    CLEANUP(buf_release) struct buf query = {0};
    int err = upload->record.key[0] ? 0 : begin_multipart(s3, op, upload);
    if (err)
        return err;
    CLEANUP(free_ptr) char *key = xasprintf("content/%s", upload->record.key);
    buf_printf(&query, "partNumber=%zu&uploadId=", upload->parts.count + 1);
    s3_encode(&query, str_of(upload->record.upload_id));
    const struct s3_request request = {
        .method = "PUT", .key = key, .query = buf_cstr(&query), .body = gathered(upload)};
    err = s3_ask(s3, op, &request, &answer);
    if (err == 0 && !etag_good(answer.raw.etag)) {
        snprintf(op->ret_reason, sizeof(op->ret_reason), "the storage of files (S3) gives a part no ETag");
        err = ERR_UNAVAILABLE;
    }
    if (err)
        return err == ERR_CONFLICT ? ERR_UNAVAILABLE : err; // another server has ended it
    s3_parts_add(&upload->parts, answer.raw.etag);
    upload->gathered.len = S3_RECORD_HEAD;
    return 0;
}

int blob_s3_write(struct blob_store *store, struct blob_write *it)
{
    struct blob_upload *upload = it->upload;
    if (it->len > upload->size - offset_of(upload))
        return ERR_TOO_LARGE;
    for (size_t done = 0; done < it->len;) {
        bool full = gathered_len(upload) == upload->parts.size;
        int err = full ? send_part(blob_s3_of(store), &it->op, upload) : 0;
        if (err)
            return err;
        size_t len = MIN(it->len - done, (size_t)upload->parts.size - gathered_len(upload));
        buf_append(&upload->gathered, (const char *)it->data + done, len);
        if (upload->digest)
            sha256_add(upload->digest, (const char *)it->data + done, len);
        done += len;
    }
    return 0;
}

// --- Ends

// Removes what S3 has of it. What cannot be removed now, the sweep finds.
static void drop(struct blob_s3 *s3, struct blob_op *op, struct blob_upload *upload)
{
    char key[BLOB_KEY_MAX + 1], reason[sizeof(op->ret_reason)];
    memcpy(reason, op->ret_reason, sizeof(reason));
    record_key(upload, key);
    if (upload->record.key[0])
        (void)s3_abort(s3, op, upload->record.key, upload->record.upload_id);
    if (upload->has_record)
        (void)s3_delete(s3, op, key);
    memcpy(op->ret_reason, reason, sizeof(reason));
}

static int pause_upload(struct blob_s3 *s3, struct blob_op *op, struct blob_upload *upload, uint64_t *ret_offset)
{
    int err = 0;
    *ret_offset = upload->resumable ? offset_of(upload) : 0;
    if (*ret_offset == 0)
        drop(s3, op, upload);
    else if (gathered_len(upload) > 0)
        err = record_put(s3, op, upload, true);
    if (err)
        *ret_offset = 0; // what is there is not known; the next upload looks
    return err;
}

int blob_s3_pause(struct blob_store *store, struct blob_pause *it)
{
    struct blob_s3 *s3 = blob_s3_of(store);
    int err = pause_upload(s3, &it->op, it->upload, &it->ret_offset);
    upload_free(s3, it->upload);
    return err;
}

// Hashes what S3 has.
static int read_back(struct blob_s3 *s3, struct blob_op *op, const char *key, const struct blob_upload *upload,
                     uint8_t ret_hash[BLOB_HASH_LEN])
{
    CLEANUP(buf_release) struct buf piece = {0};
    struct sha256_stream *digest = sha256_begin();
    int err = 0;
    for (uint64_t at = 0; at < upload->size && err == 0; at += piece.len) {
        err = s3_get(s3, op, key, at, (size_t)MIN(upload->size - at, (uint64_t)CHECK_LEN), &piece, NULL);
        if (err == 0 && piece.len == 0)
            err = ERR_GAP;
        sha256_add(digest, piece.data ? piece.data : "", piece.len);
    }
    if (err)
        sha256_free(&digest);
    else
        sha256_end(&digest, ret_hash);
    return err;
}

static int check_hash(const struct blob_upload *upload, const uint8_t hash[BLOB_HASH_LEN])
{
    return memcmp(hash, upload->hash, BLOB_HASH_LEN) == 0 ? 0 : ERR_DIGEST;
}

// Its answer may have been lost: then the object is there, and the upload is not.
static int complete_again(struct blob_s3 *s3, struct blob_op *op, const char *key, const struct blob_upload *upload)
{
    CLEANUP(buf_release) struct buf byte = {0};
    uint64_t size = 0;
    int err = s3_get(s3, op, key, 0, 1, &byte, &size);
    return err == 0 && size == upload->size ? 0 : ERR_UNAVAILABLE;
}

static int complete(struct blob_s3 *s3, struct blob_op *op, const char *key, struct blob_upload *upload)
{
    CLEANUP(s3_answer_release) struct s3_answer answer = {0};
    CLEANUP(buf_release) struct buf query = {0}, body = {0};
    buf_append_text(&query, "uploadId=");
    s3_encode(&query, str_of(upload->record.upload_id));
    buf_append_text(&body, "<CompleteMultipartUpload>");
    for (size_t i = 0; i < upload->parts.count; i++)
        buf_printf(&body, "<Part><PartNumber>%zu</PartNumber><ETag>%s</ETag></Part>", i + 1,
                   upload->parts.etags[i].text);
    buf_append_text(&body, "</CompleteMultipartUpload>");
    const struct s3_request request = {.method = "POST",
                                       .key = key,
                                       .query = buf_cstr(&query),
                                       .body = buf_str(&body),
                                       .answer_max = 65536,
                                       .shape = &s3_shape_completed};
    int err = s3_ask(s3, op, &request, &answer);
    return err == ERR_CONFLICT ? complete_again(s3, op, key, upload) : err;
}

static int finish_multipart(struct blob_s3 *s3, struct blob_op *op, struct blob_upload *upload)
{
    uint8_t hash[BLOB_HASH_LEN];
    CLEANUP(free_ptr) char *key = xasprintf("content/%s", upload->record.key);
    bool whole_came = upload->digest;
    int err = gathered_len(upload) > 0 ? send_part(s3, op, upload) : 0;
    if (whole_came && err == 0) {
        sha256_end(&upload->digest, hash);
        err = check_hash(upload, hash);
    }
    if (err == 0)
        err = complete(s3, op, key, upload);
    if (err || whole_came)
        return err;
    err = read_back(s3, op, key, upload, hash);
    if (err == 0)
        err = check_hash(upload, hash);
    if (err)
        (void)s3_delete(s3, op, key);
    return err == ERR_GAP || err == ERR_NOT_FOUND ? ERR_DIGEST : err;
}

static int finish_small(struct blob_s3 *s3, struct blob_op *op, struct blob_upload *upload)
{
    uint8_t hash[BLOB_HASH_LEN];
    sha256_end(&upload->digest, hash);
    int err = check_hash(upload, hash);
    if (err)
        return err;
    blob_key_new(upload->account, upload->hash, upload->record.key);
    CLEANUP(free_ptr) char *key = xasprintf("content/%s", upload->record.key);
    err = s3_put(s3, op, key, gathered(upload));
    if (err)
        upload->record.key[0] = 0;
    return err;
}

static int finish(struct blob_s3 *s3, struct blob_finish *it)
{
    struct blob_upload *upload = it->upload;
    bool multipart = upload->record.key[0] || upload->size > upload->parts.size;
    uint64_t offset;
    if (offset_of(upload) < upload->size) {
        int paused = pause_upload(s3, &it->op, upload, &offset);
        return paused ? paused : ERR_GAP;
    }
    int err = multipart ? finish_multipart(s3, &it->op, upload) : finish_small(s3, &it->op, upload);
    if (err == 0) {
        snprintf(it->ret_key, sizeof(it->ret_key), "%s", upload->record.key);
        upload->record.key[0] = 0; // there is no multipart upload any more
    }
    if (err == 0 || err == ERR_DIGEST)
        drop(s3, &it->op, upload);
    return err;
}

int blob_s3_finish(struct blob_store *store, struct blob_finish *it)
{
    struct blob_s3 *s3 = blob_s3_of(store);
    int err = finish(s3, it);
    upload_free(s3, it->upload);
    return err;
}

// --- Without a thread to run on

void blob_s3_abandon(struct blob_store *store, struct blob_upload *upload)
{
    struct blob_s3 *s3 = blob_s3_of(store);
    if (!store->stopped) { // its last bytes come again
        upload_free(s3, upload);
        return;
    }
    pthread_mutex_lock(&s3->lock);
    upload->next = s3->abandoned;
    s3->abandoned = upload;
    pthread_mutex_unlock(&s3->lock);
}

void s3_keep_abandoned(struct blob_s3 *s3)
{
    struct blob_upload *next;
    for (struct blob_upload *upload = s3->abandoned; upload; upload = next) {
        struct blob_op op = {.account = upload->account};
        uint64_t offset;
        next = upload->next;
        (void)pause_upload(s3, &op, upload, &offset);
        upload_free(s3, upload);
    }
    s3->abandoned = NULL;
}
