// Takes the content of a blob: PUT /api/v1/blobs/{sha256}. What comes is gathered in one buffer while another is
// written; when both are full, nothing is read from the client.
//
//   find ──▶ begin ──▶ body ⇄ write ──▶ finish ──▶ add ──▶ 201
//    │ it is there     │ a part, or the client is gone      │ somebody was faster: remove
//    └▶ 200            └▶ pause ──▶ 202                     └▶ 200
#include "api/artifacts/artifacts.h"
#include "api/artifacts/taking.h"
#include "api/streams.h"
#include "http/range.h"
#include "util/id.h"

#define GATHERED ((size_t)256 * 1024)
#define HELD     (2 * GATHERED + 2 * (size_t)LOOP_SCRATCH_SIZE)

struct upload {
    struct taking taking;
    uint8_t hash[STORE_HASH_LEN];
    uint64_t first, len, size; // of the body's range
    struct blob_upload *upload;
    uint64_t offset;
    struct buf gathered, written; // written: what is under way to the store
    bool busy;                    // an operation is under way
    bool whole;                   // the body has come
    int err;                      // of a write; the rest of the body is not wanted
    char reason[BLOB_REASON_MAX + 1];
    struct store_blob_find find;
    struct store_blob_want want;
    struct store_blob_new blob;
    struct store_blob_add add;
    struct blob_begin begin;
    struct blob_write write;
    struct blob_pause pause;
    struct blob_finish finish;
    struct blob_remove remove;
};

static void upload_free(struct upload *it)
{
    taking_release(&it->taking);
    buf_release(&it->gathered);
    buf_release(&it->written);
    free(it);
}

static void store_op(struct upload *it, struct store_op *op, enum store_op_kind kind, void (*done)(struct store_op *op))
{
    it->busy = true;
    taking_store(&it->taking, op, kind, done);
}

static void blob_op(struct upload *it, struct blob_op *op, enum blob_op_kind kind, void (*done)(struct blob_op *op))
{
    it->busy = true;
    taking_blob(&it->taking, op, kind, done);
}

// --- Answers, each the last one

static void tell_offset(struct upload *it, uint64_t offset)
{
    if (it->taking.request)
        http_add_header(it->taking.request, "Upload-Offset",
                        arena_printf(http_arena(it->taking.request), "%llu", (unsigned long long)offset));
}

static void answer(struct upload *it, int status)
{
    char hex[2 * STORE_HASH_LEN + 1];
    struct http_request *request = taking_end(&it->taking);
    if (!request)
        return;
    CLEANUP(buf_release) struct buf text = {0};
    struct json_writer json = json_writer_to(&text);
    hex_encode(it->hash, sizeof(it->hash), hex);
    json_open_object(&json, NULL);
    json_add_text(&json, "sha256", hex);
    json_add_u64(&json, "size", it->size);
    json_close(&json);
    json_writer_end(&json);
    http_respond(request, status, "application/json", text.data, text.len);
}

// --- The end

static void paused(struct blob_op *op)
{
    struct upload *it = CONTAINER_OF(op, struct upload, pause.op);
    int err = it->err ? it->err : op->err;
    tell_offset(it, it->pause.ret_offset);
    if (err == ERR_CONFLICT)
        taking_fail(&it->taking, err, "the upload stands elsewhere; go on from Upload-Offset");
    else if (err)
        taking_fail(&it->taking, err, it->err == 0 ? blob_reason(op) : it->reason[0] ? it->reason : NULL);
    else
        answer(it, 202);
    upload_free(it);
}

static void pause_upload(struct upload *it)
{
    it->pause.upload = TAKE_PTR(it->upload);
    blob_op(it, &it->pause.op, BLOB_PAUSE, paused);
}

static void removed(struct blob_op *op)
{
    upload_free(CONTAINER_OF(op, struct upload, remove.op));
}

// The content that came is not needed, or may not be kept.
static void remove_content(struct upload *it)
{
    it->remove.key = str_of(it->finish.ret_key);
    blob_op(it, &it->remove.op, BLOB_REMOVE, removed);
}

static void added(struct store_op *op)
{
    struct upload *it = CONTAINER_OF(op, struct upload, add.op);
    bool kept = op->err == 0 && !it->blob.ret_existed;
    if (op->err == ERR_TOO_LARGE)
        taking_fail(&it->taking, op->err, TAKING_FULL);
    else if (op->err)
        taking_fail(&it->taking, op->err, NULL);
    else
        answer(it, it->blob.ret_existed ? 200 : 201);
    // After an error of another kind it may have been kept after all. If not, the sweep finds it.
    if (!kept && (op->err == 0 || op->err == ERR_TOO_LARGE || op->err == ERR_UNAUTHORIZED))
        remove_content(it);
    else
        upload_free(it);
}

static void fail_finish(struct upload *it, const struct blob_op *op)
{
    struct http_request *request = taking_end(&it->taking);
    if (request && op->err == ERR_DIGEST)
        http_respond_invalid(request, &(struct http_field_error){"sha256", "the content has another hash"}, 1);
    else if (request)
        http_respond_error(request, op->err, blob_reason(op));
}

static void finished(struct blob_op *op)
{
    struct upload *it = CONTAINER_OF(op, struct upload, finish.op);
    int standing = api_standing(it->taking.call->api, &it->taking.call->principal); // it may have taken long
    if (op->err) {
        fail_finish(it, op);
        upload_free(it);
    } else if (standing) {
        taking_fail(&it->taking, standing, NULL);
        remove_content(it);
    } else {
        it->blob = (struct store_blob_new){.size = it->size, .key = str_of(it->finish.ret_key)};
        memcpy(it->blob.hash, it->hash, sizeof(it->hash));
        it->add = (struct store_blob_add){
            .account = it->taking.call->principal.account,
            .blobs = &it->blob,
            .count = 1,
            .bytes_max = it->taking.call->api->limits->artifacts_max,
        };
        store_op(it, &it->add.op, STORE_BLOB_ADD, added);
    }
}

static void end_upload(struct upload *it)
{
    if (it->err || !it->whole || it->offset < it->size) {
        pause_upload(it);
        return;
    }
    it->finish.upload = TAKE_PTR(it->upload);
    blob_op(it, &it->finish.op, BLOB_FINISH, finished);
}

// --- The body

static void go_on(struct upload *it);

static void written(struct blob_op *op)
{
    struct upload *it = CONTAINER_OF(op, struct upload, write.op);
    it->busy = false;
    if (op->err) {
        it->err = op->err;
        memcpy(it->reason, op->ret_reason, sizeof(it->reason));
    } else {
        it->offset += it->written.len;
    }
    buf_reset(&it->written);
    go_on(it);
}

static void write_gathered(struct upload *it)
{
    struct buf full = it->gathered;
    it->gathered = it->written;
    it->written = full;
    it->write.upload = it->upload;
    it->write.data = it->written.data;
    it->write.len = it->written.len;
    blob_op(it, &it->write.op, BLOB_WRITE, written);
}

// After each event, while nothing is under way.
static void go_on(struct upload *it)
{
    bool ends = it->whole || !it->taking.request || it->err;
    if (it->busy)
        return;
    if (it->gathered.len > 0 && !it->err && (ends || it->gathered.len >= GATHERED))
        write_gathered(it);
    else if (ends)
        end_upload(it);
    if (it->taking.request && !ends)
        http_pause_body(it->taking.request, it->gathered.len >= GATHERED);
}

static void body_data(void *owner, const void *data, size_t len)
{
    struct upload *it = owner;
    buf_append(&it->gathered, data, len);
    if (!it->busy && it->gathered.len >= GATHERED)
        write_gathered(it);
    else if (it->gathered.len >= GATHERED)
        http_pause_body(it->taking.request, true);
}

static void body_end(void *owner)
{
    struct upload *it = owner;
    it->whole = true;
    go_on(it);
}

static const struct http_body_handler body_handler = {body_data, body_end};

// What has come so far is kept, so that the client can go on from there.
static void aborted(void *arg)
{
    struct upload *it = arg;
    it->taking.request = NULL;
    if (it->upload)
        go_on(it);
}

static void begun(struct blob_op *op)
{
    struct upload *it = CONTAINER_OF(op, struct upload, begin.op);
    it->busy = false;
    if (op->err) {
        taking_fail(&it->taking, op->err,
                    op->err == ERR_TOO_LARGE
                        ? "interrupted uploads of the account hold as much as they may; end them, or wait "
                          "a day"
                        : blob_reason(op));
        upload_free(it);
        return;
    }
    it->upload = it->begin.ret_upload;
    it->offset = it->begin.ret_offset;
    if (it->offset != it->first)
        it->err = ERR_CONFLICT;
    else if (it->taking.request && !taking_hold(&it->taking, HELD))
        it->err = ERR_OVERLOADED;
    if (it->err || !it->taking.request) {
        end_upload(it);
    } else if (it->len == 0) {
        body_end(it);
    } else {
        http_read_body_by(it->taking.request, it->len, &body_handler, it);
    }
}

// --- The beginning

static void begin(struct upload *it)
{
    uint64_t most = it->taking.call->api->limits->artifacts_max, has = it->find.ret_bytes;
    if (it->size > most || has > most - it->size) {
        taking_fail(&it->taking, ERR_TOO_LARGE, TAKING_FULL);
        upload_free(it);
        return;
    }
    it->begin = (struct blob_begin){.size = it->size, .resume = it->first > 0, .parts_max = most - has};
    memcpy(it->begin.hash, it->hash, sizeof(it->hash));
    blob_op(it, &it->begin.op, BLOB_BEGIN, begun);
}

static void wanted(struct store_op *op)
{
    struct upload *it = CONTAINER_OF(op, struct upload, want.op);
    if (op->err)
        taking_fail(&it->taking, op->err, NULL);
    else
        answer(it, 200);
    upload_free(it);
}

static void found(struct store_op *op)
{
    struct upload *it = CONTAINER_OF(op, struct upload, find.op);
    it->busy = false;
    if (!it->taking.request) {
        upload_free(it);
    } else if (op->err == ERR_NOT_FOUND) {
        begin(it);
    } else if (op->err) {
        taking_fail(&it->taking, op->err, NULL);
        upload_free(it);
    } else {
        it->size = it->find.ret_blob.size;
        it->want = (struct store_blob_want){.rows = &it->find.ret_blob.row, .count = 1};
        store_op(it, &it->want.op, STORE_BLOB_WANT, wanted);
    }
}

// Which part of the content the body is. Returns what is wrong with it; NULL if nothing is.
static const char *take_range(struct upload *it, const struct http_request *request)
{
    struct str range = http_header(request, STR("Content-Range"));
    uint64_t last;
    bool chunked = http_header(request, STR("Transfer-Encoding")).len > 0;
    it->len = http_body_length(request);
    if (chunked)
        return "send the length of the body as Content-Length";
    it->size = it->len;
    if (!range.data)
        return NULL;
    if (!http_content_range_parse(range, &it->first, &last, &it->size))
        return "Content-Range must be bytes A-B/N";
    return last - it->first + 1 == it->len ? NULL : "Content-Range differs from Content-Length";
}

void blobs_put(struct call *call)
{
    struct upload *it = xcalloc(1, sizeof(*it));
    const char *problem = take_range(it, call->request);
    bool named = content_hash_read(call_capture(call, "sha256"), it->hash);
    if (!named || problem || it->size > call->api->limits->artifact_max) {
        if (!named)
            call_fail_fields(call, &(struct http_field_error){"sha256", rule_hash.must}, 1);
        else
            call_fail(call, problem ? ERR_MALFORMED : ERR_TOO_LARGE,
                      problem ? problem : "a file may not be so large (artifact_max)");
        free(it);
        return;
    }
    taking_init(&it->taking, call);
    http_on_abort(it->taking.request, aborted, it);
    it->find = (struct store_blob_find){.account = call->principal.account};
    memcpy(it->find.hash, it->hash, sizeof(it->hash));
    store_op(it, &it->find.op, STORE_BLOB_FIND, found);
}
