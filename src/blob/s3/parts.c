// Interrupted uploads: the record of one, its parts, and what becomes of them.
#include "blob/s3/s3_private.h"
#include "util/clock.h"
#include "util/error.h"
#include "util/id.h"

#define MAGIC       "RNLPART1"
#define FOLDER      "parts/"
#define LIST_MAX    1000u
#define PARTS_MAX   10000u
#define ITEM_BYTES  2048 // of XML for one part or upload
#define HEX_LEN     (2 * BLOB_HASH_LEN)
#define UPLOADS_MAX 1000 // pages of unfinished uploads

// --- The record

void s3_record_key(int64_t account, const uint8_t hash[BLOB_HASH_LEN], uint64_t size, char ret[BLOB_KEY_MAX + 1])
{
    char hex[HEX_LEN + 1];
    hex_encode(hash, BLOB_HASH_LEN, hex);
    snprintf(ret, BLOB_KEY_MAX + 1, FOLDER "%lld/%s.%llu", (long long)account, hex, (unsigned long long)size);
}

void s3_record_write(const struct s3_record *record, char head[S3_RECORD_HEAD])
{
    memset(head, 0, S3_RECORD_HEAD);
    snprintf(head, S3_RECORD_HEAD, MAGIC "\n%s\n%s\n%llu\n", record->key, record->upload_id,
             (unsigned long long)record->base);
}

bool s3_record_read(const char head[S3_RECORD_HEAD], struct s3_record *ret)
{
    struct str rest = str_n(head, S3_RECORD_HEAD);
    bool good = str_eq(str_split(&rest, '\n'), STR(MAGIC));
    struct str key = str_split(&rest, '\n'), upload_id = str_split(&rest, '\n');
    *ret = (struct s3_record){0};
    return good && str_to_u64(str_split(&rest, '\n'), &ret->base) && (key.len == 0 || blob_key_valid(key)) &&
           str_put(ret->key, sizeof(ret->key), key) && str_put(ret->upload_id, sizeof(ret->upload_id), upload_id);
}

// What a record's name says. `name`: behind parts/.
static bool name_read(const char *name, struct str *ret_account, struct str *ret_hex, uint64_t *ret_size)
{
    struct str rest = str_of(name);
    *ret_account = str_split(&rest, '/');
    *ret_hex = str_split(&rest, '.');
    return ret_hex->len == HEX_LEN && str_to_u64(rest, ret_size);
}

// --- Parts of a multipart upload

void s3_parts_add(struct s3_parts *parts, const char *etag)
{
    if (parts->count == parts->cap) {
        parts->cap = MAX((size_t)16, parts->cap * 2);
        parts->etags = xrealloc(parts->etags, parts->cap * sizeof(*parts->etags));
    }
    snprintf(parts->etags[parts->count++].text, sizeof(parts->etags->text), "%s", etag);
}

static void take_part(void *arg, const struct str fields[S3_FIELDS])
{
    struct s3_parts *parts = arg;
    uint64_t number, size;
    int64_t changed_ms;
    if (time_parse_rfc3339(fields[2], &changed_ms))
        parts->changed_ms = MAX(parts->changed_ms, changed_ms);
    bool next = str_to_u64(fields[0], &number) && number == parts->count + 1 && number <= PARTS_MAX &&
                str_to_u64(fields[1], &size) && size == parts->size && fields[3].len < sizeof(parts->etags->text);
    if (!next)
        return;
    CLEANUP(free_ptr) char *etag = str_dup(fields[3]);
    s3_parts_add(parts, etag);
}

int s3_parts_list(struct blob_s3 *s3, struct blob_op *op, const struct s3_record *record, struct s3_parts *ret)
{
    struct s3_head head = {.truncated = true};
    CLEANUP(free_ptr) char *key = xasprintf("content/%s", record->key);
    for (uint64_t marker = 0; head.truncated; marker = head.next_part) {
        CLEANUP(buf_release) struct buf query = {0};
        buf_printf(&query, "max-parts=%u&part-number-marker=%llu&uploadId=", LIST_MAX, (unsigned long long)marker);
        s3_encode(&query, str_of(record->upload_id));
        const struct s3_request request = {.method = "GET",
                                           .key = key,
                                           .query = buf_cstr(&query),
                                           .answer_max = 65536 + (size_t)LIST_MAX * ITEM_BYTES,
                                           .shape = &s3_shape_parts};
        int err = s3_ask_items(s3, op, &request, &(struct s3_items){take_part, ret}, &head);
        if (err)
            return err;
        if (head.next_part <= marker)
            break;
    }
    return 0;
}

int s3_abort(struct blob_s3 *s3, struct blob_op *op, const char *key, const char *upload_id)
{
    CLEANUP(s3_answer_release) struct s3_answer answer = {0};
    CLEANUP(buf_release) struct buf query = {0};
    CLEANUP(free_ptr) char *path = xasprintf("content/%s", key);
    buf_append_text(&query, "uploadId=");
    s3_encode(&query, str_of(upload_id));
    const struct s3_request request = {.method = "DELETE", .key = path, .query = buf_cstr(&query)};
    int err = s3_ask(s3, op, &request, &answer);
    return err == ERR_CONFLICT || err == ERR_NOT_FOUND ? 0 : err;
}

// --- What an account has

static void note_found(const struct s3_objects *objects, const uint8_t hash[BLOB_HASH_LEN], struct s3_found *found)
{
    char hex[HEX_LEN + 1];
    hex_encode(hash, BLOB_HASH_LEN, hex);
    for (size_t i = 0; i < objects->count; i++) {
        struct str account, name;
        uint64_t size;
        CLEANUP(free_ptr) char *whole = xasprintf("0/%s", objects->items[i].key);
        if (!name_read(whole, &account, &name, &size))
            continue;
        if (!str_eq(name, str_of(hex))) {
            found->others = size > UINT64_MAX - found->others ? UINT64_MAX : found->others + size;
            continue;
        }
        found->own = true;
        found->size = size;
        found->tail = objects->items[i].size > S3_RECORD_HEAD ? objects->items[i].size - S3_RECORD_HEAD : 0;
    }
}

static int find(struct blob_s3 *s3, struct blob_op *op, const char *beneath, const char *after, struct s3_found *ret,
                const uint8_t hash[BLOB_HASH_LEN])
{
    CLEANUP(s3_objects_release) struct s3_objects objects = {0};
    *ret = (struct s3_found){0};
    int err = s3_list_objects(s3, op, beneath, after, LIST_MAX, &objects);
    note_found(&objects, hash, ret);
    ret->many = objects.truncated;
    return err;
}

int s3_find_all(struct blob_s3 *s3, struct blob_op *op, const uint8_t hash[BLOB_HASH_LEN], struct s3_found *ret)
{
    CLEANUP(free_ptr) char *beneath = xasprintf(FOLDER "%lld/", (long long)op->account);
    return find(s3, op, beneath, "", ret, hash);
}

int s3_find_own(struct blob_s3 *s3, struct blob_op *op, const uint8_t hash[BLOB_HASH_LEN], struct s3_found *ret)
{
    CLEANUP(s3_objects_release) struct s3_objects objects = {0};
    char hex[HEX_LEN + 1];
    hex_encode(hash, BLOB_HASH_LEN, hex);
    CLEANUP(free_ptr) char *beneath = xasprintf(FOLDER "%lld/%s.", (long long)op->account, hex);
    *ret = (struct s3_found){0};
    int err = s3_list_objects(s3, op, beneath, "", 1, &objects);
    ret->own = err == 0 && objects.count > 0 && str_to_u64(str_of(objects.items[0].key), &ret->size);
    if (ret->own && objects.items[0].size > S3_RECORD_HEAD)
        ret->tail = objects.items[0].size - S3_RECORD_HEAD;
    return err;
}

static int record_get(struct blob_s3 *s3, struct blob_op *op, const char *key, struct s3_record *ret)
{
    CLEANUP(buf_release) struct buf head = {0};
    int err = s3_get(s3, op, key, 0, S3_RECORD_HEAD, &head, NULL);
    if (err == 0 && (head.len < S3_RECORD_HEAD || !s3_record_read(head.data, ret)))
        *ret = (struct s3_record){0}; // nobody can go on with it
    return err;
}

int s3_drop_interrupted(struct blob_s3 *s3, struct blob_op *op, const char *record_key)
{
    struct s3_record record;
    int err = record_get(s3, op, record_key, &record);
    if (err == ERR_NOT_FOUND)
        return 0;
    if (err == 0 && record.key[0])
        err = s3_abort(s3, op, record.key, record.upload_id);
    return err && err != ERR_UNSUPPORTED ? err : s3_delete(s3, op, record_key);
}

int blob_s3_offset(struct blob_store *store, struct blob_offset *it)
{
    struct blob_s3 *s3 = blob_s3_of(store);
    CLEANUP(s3_parts_release) struct s3_parts parts = {0};
    struct s3_record record = {0};
    struct s3_found found;
    char key[BLOB_KEY_MAX + 1];
    it->ret_offset = 0;
    int err = s3_find_own(s3, &it->op, it->hash, &found);
    if (err || !found.own)
        return err;
    s3_record_key(it->op.account, it->hash, found.size, key);
    parts.size = s3_part_size(s3, found.size);
    if (found.size > parts.size)
        err = record_get(s3, &it->op, key, &record);
    if (err == 0 && record.key[0])
        err = s3_parts_list(s3, &it->op, &record, &parts);
    if (err == 0) {
        uint64_t whole = parts.count * parts.size;
        it->ret_offset = MIN(whole == record.base ? whole + found.tail : whole, found.size);
    }
    return err == ERR_NOT_FOUND || err == ERR_CONFLICT || err == ERR_UNSUPPORTED ? 0 : err;
}

// --- Forgetting

// Whether nobody has written to it since. Servers elsewhere may.
static int has_rested(struct blob_s3 *s3, struct blob_op *op, const struct s3_record *record, int64_t before_ms,
                      bool *ret)
{
    CLEANUP(s3_parts_release) struct s3_parts parts = {0};
    int err = record->key[0] ? s3_parts_list(s3, op, record, &parts) : 0;
    *ret = parts.changed_ms < before_ms;
    return err == ERR_CONFLICT || err == ERR_NOT_FOUND || err == ERR_UNSUPPORTED ? 0 : err;
}

static int forget_record(struct blob_s3 *s3, struct blob_forget *it, const struct s3_object *object)
{
    struct str account, hex;
    struct s3_claim claim;
    struct s3_record record;
    uint64_t size;
    int64_t number;
    bool rested = false;
    CLEANUP(free_ptr) char *key = xasprintf(FOLDER "%s", object->key);
    bool named = name_read(object->key, &account, &hex, &size) && str_to_i64(account, &number);
    if (!named || object->changed_ms >= it->before_ms || !s3_claim(s3, &claim, number, hex))
        return 0;
    int err = record_get(s3, &it->op, key, &record);
    if (err == 0)
        err = has_rested(s3, &it->op, &record, it->before_ms, &rested);
    if (err == 0 && rested)
        err = s3_drop_interrupted(s3, &it->op, key);
    s3_unclaim(s3, &claim);
    it->ret_count += err == 0 && rested;
    return err == ERR_NOT_FOUND ? 0 : err;
}

static int forget_records(struct blob_s3 *s3, struct blob_forget *it)
{
    char after[BLOB_KEY_MAX + 1] = "";
    for (;;) {
        CLEANUP(s3_objects_release) struct s3_objects objects = {0};
        int err = s3_list_objects(s3, &it->op, FOLDER, after, LIST_MAX, &objects);
        for (size_t i = 0; i < objects.count && err == 0; i++)
            err = forget_record(s3, it, &objects.items[i]);
        if (err || objects.count == 0)
            return err;
        snprintf(after, sizeof(after), "%s", objects.items[objects.count - 1].key);
    }
}

struct stray {
    struct s3_record record;
    int64_t begun_ms;
};
struct strays {
    struct blob_s3 *s3;
    int64_t before_ms;
    struct stray items[LIST_MAX];
    size_t count;
};

// Only those of keys that are ours: the bucket may be others' as well.
static void take_upload(void *arg, const struct str fields[S3_FIELDS])
{
    struct strays *it = arg;
    struct stray stray = {0};
    CLEANUP(free_ptr) char *key = str_dup(fields[0]);
    CLEANUP(free_ptr) char *prefix = xasprintf("%scontent/", it->s3->prefix);
    bool ours = s3_percent_decode(key) && strncmp(key, prefix, strlen(prefix)) == 0 &&
                blob_key_valid(str_of(key + strlen(prefix))) &&
                str_put(stray.record.upload_id, sizeof(stray.record.upload_id), fields[1]) &&
                time_parse_rfc3339(fields[2], &stray.begun_ms);
    if (!ours || stray.begun_ms >= it->before_ms || it->count == LIST_MAX)
        return;
    snprintf(stray.record.key, sizeof(stray.record.key), "%.*s", BLOB_KEY_MAX, key + strlen(prefix));
    it->items[it->count++] = stray;
}

static int list_uploads(struct strays *it, struct blob_op *op, struct s3_head *head)
{
    CLEANUP(buf_release) struct buf query = {0};
    CLEANUP(free_ptr) char *prefix = xasprintf("%scontent/", it->s3->prefix);
    buf_append_text(&query, "encoding-type=url&key-marker=");
    s3_encode(&query, str_of(head->next_key));
    buf_printf(&query, "&max-uploads=%u&prefix=", LIST_MAX);
    s3_encode(&query, str_of(prefix));
    buf_append_text(&query, "&upload-id-marker=");
    s3_encode(&query, str_of(head->next_upload));
    buf_append_text(&query, "&uploads=");
    const struct s3_request request = {.method = "GET",
                                       .query = buf_cstr(&query),
                                       .answer_max = 65536 + (size_t)LIST_MAX * ITEM_BYTES,
                                       .shape = &s3_shape_uploads};
    return s3_ask_items(it->s3, op, &request, &(struct s3_items){take_upload, it}, head);
}

// ACCOUNT/AB/HASH.ID, as a claim names it.
static bool claim_key(struct blob_s3 *s3, struct s3_claim *claim, const char *key)
{
    struct str rest = str_of(key), account = str_split(&rest, '/');
    int64_t number;
    str_split(&rest, '/');
    return str_to_i64(account, &number) && s3_claim(s3, claim, number, str_split(&rest, '.'));
}

static int forget_stray(struct blob_s3 *s3, struct blob_forget *it, const struct stray *stray)
{
    struct s3_claim claim;
    bool rested = false;
    if (!claim_key(s3, &claim, stray->record.key))
        return 0;
    int err = has_rested(s3, &it->op, &stray->record, it->before_ms, &rested);
    if (err == 0 && rested)
        err = s3_abort(s3, &it->op, stray->record.key, stray->record.upload_id);
    s3_unclaim(s3, &claim);
    it->ret_count += err == 0 && rested;
    return err;
}

// Uploads without a record: somebody died between beginning one and noting it.
static int forget_strays(struct blob_s3 *s3, struct blob_forget *it)
{
    CLEANUP(free_ptr) struct strays *strays = xcalloc(1, sizeof(*strays));
    struct s3_head head = {.truncated = true};
    int err = 0;
    strays->s3 = s3;
    strays->before_ms = it->before_ms;
    for (int page = 0; err == 0 && head.truncated && page < UPLOADS_MAX; page++) {
        strays->count = 0;
        err = list_uploads(strays, &it->op, &head);
        s3_percent_decode(head.next_key);
        for (size_t i = 0; i < strays->count && err == 0; i++)
            err = forget_stray(s3, it, &strays->items[i]);
    }
    return err == ERR_UNSUPPORTED ? 0 : err;
}

int blob_s3_forget(struct blob_store *store, struct blob_forget *it)
{
    struct blob_s3 *s3 = blob_s3_of(store);
    it->ret_count = 0;
    int err = forget_records(s3, it);
    return err ? err : forget_strays(s3, it);
}
