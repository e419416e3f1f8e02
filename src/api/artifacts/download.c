// Gives out the content of inputs and artifacts, in pieces that are read while the client takes them. A browser saves
// it and never shows or runs it.
#include "api/artifacts/artifacts.h"
#include "http/range.h"
#include "util/id.h"

#define PIECE ((size_t)256 * 1024)

struct download {
    struct call *call; // has the request until the answer begins
    struct http_stream *stream;
    char *name;
    struct store_file_list list;
    struct store_file file; // its name is the list's
    struct blob_read read;
    uint64_t first, at, left; // of the range that is given
    uint64_t len;             // of the whole range
    int status;
    bool reading;
    struct payload *piece;
    struct buf data;
    struct budget_lease held;
};

static void download_free(struct download *it)
{
    budget_lease_release(&it->held);
    store_op_release(&it->list.op);
    buf_release(&it->data);
    free(it->name);
    call_unref(it->call);
    free(it);
}

static void fail(struct download *it, int err, const char *detail)
{
    call_fail(it->call, err, detail);
    download_free(it);
}

// --- The head

// filename*= of RFC 6266: the last part of the name, percent-encoded.
static const char *disposition(struct arena *arena, struct str name)
{
    static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~";
    CLEANUP(buf_release) struct buf text = {0};
    struct str last = name;
    while (str_find(last, '/'))
        str_split(&last, '/');
    buf_append_text(&text, "attachment; filename*=UTF-8''");
    for (size_t i = 0; i < last.len; i++) {
        uint8_t byte = (uint8_t)last.data[i];
        if (memchr(plain, byte, sizeof(plain) - 1))
            buf_append_byte(&text, (char)byte);
        else
            buf_printf(&text, "%%%02X", byte);
    }
    return arena_dup(arena, buf_str(&text));
}

static const char *etag_of(struct arena *arena, const struct store_file *file)
{
    char hex[2 * STORE_HASH_LEN + 1];
    hex_encode(file->hash, STORE_HASH_LEN, hex);
    return arena_printf(arena, "\"%s\"", hex);
}

static void add_headers(struct download *it, struct http_request *request, const char *etag)
{
    struct arena *arena = http_arena(request);
    http_add_header(request, "Accept-Ranges", "bytes");
    http_add_header(request, "ETag", etag);
    http_add_header(request, "Content-Security-Policy", "sandbox");
    http_add_header(request, "Content-Disposition", disposition(arena, str_of(it->file.name)));
    if (it->status == 206)
        http_add_header(request, "Content-Range",
                        arena_printf(arena, "bytes %llu-%llu/%llu", (unsigned long long)it->first,
                                     (unsigned long long)(it->first + it->len - 1), (unsigned long long)it->file.size));
}

// Decides what is given: false after it has answered.
static bool take_range(struct download *it, const char *etag)
{
    struct http_request *request = it->call->request;
    struct str if_range = http_header(request, STR("If-Range"));
    struct str range = http_header(request, STR("Range"));
    bool wanted = range.len > 0 && (!if_range.data || str_eq(if_range, str_of(etag)));
    it->status = 200;
    it->first = 0;
    it->len = it->file.size;
    switch (wanted ? http_range_parse(range, it->file.size, &it->first, &it->len) : HTTP_RANGE_WHOLE) {
    case HTTP_RANGE_OUTSIDE:
        http_add_header(request, "Content-Range",
                        arena_printf(http_arena(request), "bytes */%llu", (unsigned long long)it->file.size));
        fail(it, ERR_RANGE, NULL);
        return false;
    case HTTP_RANGE_PART:
        it->status = 206;
        break;
    case HTTP_RANGE_WHOLE:
        break;
    }
    return true;
}

// --- The content

static void read_next(struct download *it);

static void on_drained(void *owner)
{
    struct download *it = owner;
    if (!it->reading && it->left > 0)
        read_next(it);
}

static void on_closed(void *owner, int err)
{
    struct download *it = owner;
    (void)err;
    it->stream = NULL;
    if (!it->reading)
        download_free(it);
}

static const struct http_stream_handler stream_handler = {on_drained, on_closed};

static void begin_stream(struct download *it)
{
    struct http_request *request = call_take_request(it->call);
    if (!request)
        return;
    add_headers(it, request, etag_of(http_arena(request), &it->file));
    it->stream = http_stream_begin_sized(request, it->status, "application/octet-stream", it->len, &stream_handler, it);
}

static void end_stream(struct download *it)
{
    struct http_stream *stream = TAKE_PTR(it->stream);
    http_stream_end(&stream);
    download_free(it);
}

static void give_piece(struct download *it)
{
    it->data.len = it->read.ret_len;
    struct payload *piece = payload_take(&it->data);
    it->at += piece->len;
    it->left -= piece->len;
    http_stream_write_payload(it->stream, piece, 0, piece->len);
    payload_unref(&piece);
    if (it->left == 0)
        end_stream(it);
    else if (http_stream_pending(it->stream) < PIECE)
        read_next(it);
}

// Before the first byte is sent, an error can still be told.
static void piece_read(struct blob_op *op)
{
    struct download *it = CONTAINER_OF(op, struct download, read.op);
    bool begun = it->at > it->first;
    int err = op->err ? op->err : it->read.ret_len < it->read.len ? ERR_CORRUPT : 0;
    it->reading = false;
    if (err && !begun) {
        // The reason lies within what is freed.
        CLEANUP(free_ptr) char *reason = op->ret_reason[0] ? xstrdup(op->ret_reason) : NULL;
        fail(it, err,
             err == ERR_NOT_FOUND
                 ? "its content is not there: another server may keep it in its own data folder (artifacts must be the "
                   "same for all), or the store was restored or moved without its files"
                 : reason);
        return;
    }
    if (!begun)
        begin_stream(it);
    if (err && it->stream)
        http_stream_abort(&it->stream);
    if (it->stream)
        give_piece(it);
    else
        download_free(it); // the client is gone
}

static void read_next(struct download *it)
{
    const struct api_options *options = &it->call->api->options;
    size_t len = (size_t)MIN(it->left, (uint64_t)PIECE);
    buf_reserve(&it->data, len);
    it->read = (struct blob_read){
        .op = {.kind = BLOB_READ,
               .reply_to = options->loop,
               .done = piece_read,
               .account = it->call->principal.account},
        .key = str_of(it->file.key),
        .at = it->at,
        .data = it->data.data,
        .len = len,
    };
    it->reading = true;
    blob_submit(options->blobs, &it->read.op);
}

static bool hold_memory(struct download *it)
{
    CLEANUP(budget_account_unref)
    struct budget_account *account = budget_account(it->call->api->options.budget, it->call->principal.account);
    return budget_lease_set(&it->held, account, BUDGET_answers, (size_t)MIN(it->len, 2 * (uint64_t)PIECE));
}

static void give(struct download *it)
{
    struct http_request *request = it->call->request;
    const char *etag = etag_of(http_arena(request), &it->file);
    if (http_none_match(http_header(request, STR("If-None-Match")), str_of(etag))) {
        http_add_header(request, "ETag", etag);
        http_respond(call_take_request(it->call), 304, NULL, NULL, 0);
        download_free(it);
        return;
    }
    if (!take_range(it, etag))
        return;
    it->at = it->first;
    it->left = it->len;
    if (http_method(request) == HTTP_M_HEAD || it->len == 0) {
        add_headers(it, request, etag);
        http_respond(call_take_request(it->call), it->status, "application/octet-stream", NULL, it->len);
        download_free(it);
    } else if (!hold_memory(it)) {
        fail(it, ERR_OVERLOADED, NULL);
    } else {
        read_next(it);
    }
}

static void found(struct store_op *op)
{
    struct download *it = CONTAINER_OF(op, struct download, list.op);
    if (op->err) {
        fail(it, op->err, NULL);
    } else if (it->list.ret_count == 0) {
        fail(it, ERR_NOT_FOUND, it->list.file_kind == STORE_FILE_INPUT ? "no such input" : "no such artifact");
    } else if (!it->call->request) {
        download_free(it);
    } else {
        it->file = it->list.ret_files[0];
        give(it);
    }
}

static void get(struct call *call, enum store_file_kind kind)
{
    struct download *it = xcalloc(1, sizeof(*it));
    struct str name = call_capture(call, "name");
    if (artifact_name_problem(name)) {
        free(it);
        call_fail(call, ERR_NOT_FOUND, kind == STORE_FILE_INPUT ? "no such input" : "no such artifact");
        return;
    }
    it->call = call;
    it->name = str_dup(name);
    it->list = (struct store_file_list){.row = call->execution.row, .file_kind = kind, .name = str_of(it->name)};
    call_submit(call, STORE_FILE_LIST, &it->list.op, found);
}

void artifacts_get(struct call *call)
{
    get(call, STORE_FILE_ARTIFACT);
}

void inputs_get(struct call *call)
{
    get(call, STORE_FILE_INPUT);
}
