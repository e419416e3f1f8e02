// Asks whether a blob is there, and how much of it an interrupted upload has left.
#include "api/artifacts/artifacts.h"
#include "util/clock.h"

static bool is_hash(struct str value)
{
    uint8_t hash[STORE_HASH_LEN];
    return content_hash_read(value, hash);
}

const struct field_rule rule_hash = {"must be a SHA-256 as 64 hex digits in lower case", is_hash};

struct asking {
    struct store_blob_find find;
    struct store_blob_want want;
    struct blob_offset offset;
    struct call *call;
};

static void asking_free(struct asking *it)
{
    call_unref(it->call);
    free(it);
}

static void answer_there(struct asking *it)
{
    struct http_request *request = call_take_request(it->call);
    if (request)
        http_respond(request, 200, "application/octet-stream", NULL, it->find.ret_blob.size);
    asking_free(it);
}

static void wanted(struct store_op *op)
{
    struct asking *it = CONTAINER_OF(op, struct asking, want.op);
    if (op->err)
        call_fail(it->call, op->err, NULL);
    answer_there(it);
}

static void offset_known(struct blob_op *op)
{
    struct asking *it = CONTAINER_OF(op, struct asking, offset.op);
    struct call *call = it->call;
    if (op->err == 0 && call->request)
        http_add_header(call->request, "Upload-Offset",
                        arena_printf(http_arena(call->request), "%llu", (unsigned long long)it->offset.ret_offset));
    call_fail(call, op->err ? op->err : ERR_NOT_FOUND, blob_reason(op));
    asking_free(it);
}

static void found(struct store_op *op)
{
    struct asking *it = CONTAINER_OF(op, struct asking, find.op);
    const struct api_options *options = &it->call->api->options;
    if (op->err == ERR_NOT_FOUND) {
        it->offset.op = (struct blob_op){.kind = BLOB_OFFSET,
                                         .reply_to = options->loop,
                                         .done = offset_known,
                                         .account = it->call->principal.account};
        blob_submit(options->blobs, &it->offset.op);
    } else if (op->err) {
        call_fail(it->call, op->err, NULL);
        asking_free(it);
    } else if (it->find.ret_blob.wanted_ms + BLOB_WANTED_MS < clock_real_ms()) {
        // It must not go before the order comes that the client asks for.
        it->want = (struct store_blob_want){.op = {.kind = STORE_BLOB_WANT, .reply_to = options->loop, .done = wanted},
                                            .rows = &it->find.ret_blob.row,
                                            .count = 1};
        store_submit(options->store, &it->want.op);
    } else {
        answer_there(it);
    }
}

void blobs_head(struct call *call)
{
    struct asking *it = xcalloc(1, sizeof(*it));
    if (!content_hash_read(call_capture(call, "sha256"), it->find.hash)) {
        free(it);
        call_fail(call, ERR_NOT_FOUND, NULL);
        return;
    }
    it->call = call;
    it->find.account = call->principal.account;
    memcpy(it->offset.hash, it->find.hash, sizeof(it->offset.hash));
    call_submit(call, STORE_BLOB_FIND, &it->find.op, found);
}
