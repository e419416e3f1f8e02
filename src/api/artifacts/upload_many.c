// Takes many small contents in one body: POST /api/v1/blobs (model/contents.h). All of them are kept, or none.
//
//   body ──▶ find ──▶ keep ──▶ add ──▶ 201, or 200 if all were there
//     │        │        │       └ what somebody was faster with, or may not be kept: remove
//     └────────┴────────┴▶ a refusal
#include "api/artifacts/artifacts.h"
#include "api/artifacts/taking.h"
#include "api/streams.h"
#include "util/id.h"

#define HELD_EACH \
    (sizeof(struct blob_content) + sizeof(struct store_blob_new) + sizeof(struct store_blob_there) + STORE_HASH_LEN)

struct many {
    struct taking taking;
    struct buf body;
    bool reading;
    size_t count;
    struct blob_content *contents; // of different hashes, in their order; their bytes lie in the body
    struct store_blob_new *blobs;  // one for each
    uint8_t (*hashes)[STORE_HASH_LEN];
    struct store_blob_there *there;
    uint64_t bytes;
    size_t removed; // of the contents: what is before it is not to be removed any more
    struct store_blobs_find find;
    struct blob_keep keep;
    struct store_blob_add add;
    struct blob_remove remove;
};

static void many_free(struct many *it)
{
    taking_release(&it->taking);
    buf_release(&it->body);
    free(it->contents);
    free(it->blobs);
    free(it->hashes);
    free(it->there);
    free(it);
}

// --- Answers, each the last one

static void refuse(struct many *it, int err, const char *detail)
{
    taking_fail(&it->taking, err, detail);
    many_free(it);
}

static void answer(struct many *it)
{
    struct http_request *request = taking_end(&it->taking);
    CLEANUP(buf_release) struct buf text = {0};
    struct json_writer json = json_writer_to(&text);
    size_t added = 0;
    if (!request)
        return;
    for (size_t i = 0; i < it->count; i++)
        added += !it->blobs[i].ret_existed;
    json_open_object(&json, NULL);
    json_add_u64(&json, "total_count", it->count);
    json_add_u64(&json, "total_bytes", it->bytes);
    json_add_u64(&json, "new_count", added);
    json_close(&json);
    json_writer_end(&json);
    http_respond(request, added > 0 ? 201 : 200, "application/json", text.data, text.len);
}

static void refuse_digest(struct many *it)
{
    char hex[2 * STORE_HASH_LEN + 1], reason[160];
    struct http_request *request = taking_end(&it->taking);
    hex_encode(it->contents[it->keep.ret_wrong].hash, STORE_HASH_LEN, hex);
    snprintf(reason, sizeof(reason), "the content that is called %s has another hash, so nothing is kept", hex);
    if (request)
        http_respond_invalid(request, &(struct http_field_error){"sha256", reason}, 1);
    many_free(it);
}

// --- The end

// Removes one after the other what no row names.
static void remove_rest(struct many *it);

static void removed(struct blob_op *op)
{
    remove_rest(CONTAINER_OF(op, struct many, remove.op));
}

static void remove_rest(struct many *it)
{
    while (it->removed < it->count) {
        const char *key = it->contents[it->removed].ret_key;
        bool unnamed = key[0] && (it->add.op.err || it->blobs[it->removed].ret_existed);
        it->removed++;
        if (!unnamed)
            continue;
        it->remove.key = str_of(key);
        taking_blob(&it->taking, &it->remove.op, BLOB_REMOVE, removed);
        return;
    }
    many_free(it);
}

static void added(struct store_op *op)
{
    struct many *it = CONTAINER_OF(op, struct many, add.op);
    bool refused = op->err == ERR_TOO_LARGE || op->err == ERR_UNAUTHORIZED || op->err == ERR_UNAVAILABLE;
    if (op->err == ERR_TOO_LARGE)
        taking_fail(&it->taking, op->err, TAKING_FULL);
    else if (op->err)
        taking_fail(&it->taking, op->err, NULL);
    else
        answer(it);
    // After an error of another kind they may have been kept after all. If not, the sweep finds them.
    if (op->err == 0 || refused)
        remove_rest(it);
    else
        many_free(it);
}

static void add(struct many *it)
{
    for (size_t i = 0; i < it->count; i++) {
        struct blob_content *content = &it->contents[i];
        it->blobs[i] = (struct store_blob_new){.size = content->bytes.len, .key = str_of(content->ret_key)};
        memcpy(it->blobs[i].hash, content->hash, STORE_HASH_LEN);
    }
    it->add = (struct store_blob_add){
        .account = it->taking.call->principal.account,
        .blobs = it->blobs,
        .count = it->count,
        .bytes_max = it->taking.call->api->limits->artifacts_max,
    };
    taking_store(&it->taking, &it->add.op, STORE_BLOB_ADD, added);
}

static void kept(struct blob_op *op)
{
    struct many *it = CONTAINER_OF(op, struct many, keep.op);
    int standing = api_standing(it->taking.call->api, &it->taking.call->principal); // it may have taken long
    if (op->err == ERR_DIGEST) {
        refuse_digest(it);
    } else if (op->err) {
        taking_fail(&it->taking, op->err, blob_reason(op));
        many_free(it);
    } else if (standing) {
        taking_fail(&it->taking, standing, NULL);
        it->add.op.err = standing;
        remove_rest(it);
    } else {
        add(it);
    }
}

// What is there already is not written again.
static void found(struct store_op *op)
{
    struct many *it = CONTAINER_OF(op, struct many, find.op);
    uint64_t most = it->taking.call->api->limits->artifacts_max, more = 0;
    if (op->err) {
        refuse(it, op->err, NULL);
        return;
    }
    for (size_t i = 0; i < it->count; i++) {
        it->contents[i].known = it->there[i].row > 0;
        more += it->contents[i].known ? 0 : it->contents[i].bytes.len;
    }
    if (more > 0 && (more > most || it->find.ret_bytes > most - more)) {
        refuse(it, ERR_TOO_LARGE, TAKING_FULL);
        return;
    }
    it->keep.contents = it->contents;
    it->keep.count = it->count;
    taking_blob(&it->taking, &it->keep.op, BLOB_KEEP, kept);
}

static void find(struct many *it)
{
    it->blobs = xcalloc(it->count + 1, sizeof(*it->blobs));
    it->there = xcalloc(it->count + 1, sizeof(*it->there));
    it->hashes = xcalloc(it->count + 1, sizeof(*it->hashes));
    for (size_t i = 0; i < it->count; i++)
        memcpy(it->hashes[i], it->contents[i].hash, STORE_HASH_LEN);
    it->find = (struct store_blobs_find){
        .account = it->taking.call->principal.account,
        .hashes = (const uint8_t(*)[STORE_HASH_LEN])it->hashes,
        .count = it->count,
        .ret_there = it->there,
    };
    taking_store(&it->taking, &it->find.op, STORE_BLOBS_FIND, found);
}

// --- The body

static int by_hash(const void *a, const void *b)
{
    const struct blob_content *one = a, *other = b;
    return memcmp(one->hash, other->hash, BLOB_HASH_LEN);
}

// One content may have come twice. Returns false if the same hash came with different bytes: at least one is wrong, and
// both stay.
static void leave_out_copies(struct many *it)
{
    size_t left = 0;
    if (it->count > 0)
        qsort(it->contents, it->count, sizeof(*it->contents), by_hash);
    for (size_t i = 0; i < it->count; i++) {
        bool copy = left > 0 && by_hash(&it->contents[left - 1], &it->contents[i]) == 0 &&
                    str_eq(it->contents[left - 1].bytes, it->contents[i].bytes);
        if (!copy)
            it->contents[left++] = it->contents[i];
    }
    it->count = left;
}

// Returns 0, or the error with its text.
static int take_contents(struct many *it, const char **ret_problem)
{
    uint64_t each_max = it->taking.call->api->limits->artifact_max;
    struct str rest = buf_str(&it->body);
    struct contents_item item;
    int rc;
    it->contents = xcalloc(CONTENTS_MAX, sizeof(*it->contents));
    while ((rc = contents_next(&rest, &item, ret_problem)) == 1) {
        *ret_problem = it->count == CONTENTS_MAX ? "send at most 1,000 contents in one body"
                                                 : "a file may not be so large (artifact_max)";
        if (it->count == CONTENTS_MAX || item.bytes.len > each_max)
            return ERR_TOO_LARGE;
        struct blob_content *content = &it->contents[it->count++];
        content->bytes = item.bytes;
        memcpy(content->hash, item.hash, BLOB_HASH_LEN);
        it->bytes += item.bytes.len;
    }
    return rc;
}

static void body_data(void *owner, const void *data, size_t len)
{
    struct many *it = owner;
    buf_append(&it->body, data, len);
}

static void body_end(void *owner)
{
    struct many *it = owner;
    const char *problem = NULL;
    it->reading = false;
    int err = take_contents(it, &problem);
    if (err < 0) {
        CLEANUP(free_ptr) char *text = xasprintf("content %zu of the body: %s", it->count + 1, problem);
        refuse(it, err, text);
        return;
    }
    leave_out_copies(it);
    find(it);
}

static const struct http_body_handler body_handler = {body_data, body_end};

// Whatever is under way goes on to its end.
static void aborted(void *arg)
{
    struct many *it = arg;
    it->taking.request = NULL;
    if (it->reading)
        many_free(it);
}

// What is wrong with the head; NULL if nothing is.
static const char *head_problem(const struct http_request *request, int *ret_err)
{
    struct str coding = http_header(request, STR("Content-Encoding"));
    *ret_err = ERR_MALFORMED;
    if (http_header(request, STR("Transfer-Encoding")).len > 0)
        return "send the length of the body as Content-Length";
    *ret_err = ERR_MEDIA_TYPE;
    if (coding.len > 0 && !str_eq_nocase(coding, STR("identity")))
        return "send the contents as they are, without a Content-Encoding";
    *ret_err = ERR_TOO_LARGE;
    return http_body_length(request) > CONTENTS_BODY_MAX ? "send at most 8 MiB in one body" : NULL;
}

void blobs_put_many(struct call *call)
{
    int err;
    const char *problem = head_problem(call->request, &err);
    if (problem) {
        call_fail(call, err, problem);
        return;
    }
    struct many *it = xcalloc(1, sizeof(*it));
    size_t len = (size_t)http_body_length(call->request);
    taking_init(&it->taking, call);
    if (!taking_hold(&it->taking, len + CONTENTS_MAX * HELD_EACH)) {
        refuse(it, ERR_OVERLOADED, NULL);
        return;
    }
    http_on_abort(it->taking.request, aborted, it);
    if (len == 0) {
        body_end(it);
        return;
    }
    it->reading = true;
    buf_reserve(&it->body, len);
    http_read_body_by(it->taking.request, len, &body_handler, it);
}
