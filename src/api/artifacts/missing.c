// Asks which of many contents the account lacks: POST /api/v1/blobs/missing.
#include "api/artifacts/artifacts.h"
#include "api/body.h"
#include "util/clock.h"

struct looking {
    struct call *call;
    size_t count;
    uint8_t (*hashes)[STORE_HASH_LEN];
    struct store_blob_there *there;
    int64_t *rows; // of those that nobody has asked for lately
    struct store_blobs_find find;
    struct store_blob_want want;
};

static void looking_free(struct looking *it)
{
    struct call *call = it->call;
    free(it->hashes);
    free(it->there);
    free(it->rows);
    free(it);
    call_unref(call);
}

// In the words and the order of the question; what was asked for twice is told twice.
static void answer_missing(struct looking *it)
{
    const json_t *hashes = json_object_get(it->call->body, "hashes");
    CLEANUP(buf_release) struct buf text = {0};
    struct json_writer json = json_writer_to(&text);
    json_open_object(&json, NULL);
    json_open_array(&json, "missing");
    for (size_t i = 0; i < it->count; i++)
        if (it->there[i].row == 0)
            json_add_text(&json, NULL, json_string_value(json_array_get(hashes, i)));
    json_close(&json);
    json_close(&json);
    call_answer(it->call, 200, &json);
    looking_free(it);
}

static void wanted(struct store_op *op)
{
    struct looking *it = CONTAINER_OF(op, struct looking, want.op);
    if (op->err)
        call_fail(it->call, op->err, NULL);
    answer_missing(it);
}

// What is told to be there must not go before the order comes that the client asks for.
static void want_those_there(struct looking *it)
{
    int64_t old_ms = clock_real_ms() - BLOB_WANTED_MS;
    for (size_t i = 0; i < it->count; i++)
        if (it->there[i].row > 0 && it->there[i].wanted_ms < old_ms)
            it->rows[it->want.count++] = it->there[i].row;
    it->want.rows = it->rows;
    if (it->want.count == 0) {
        answer_missing(it);
        return;
    }
    const struct api_options *options = &it->call->api->options;
    it->want.op = (struct store_op){.kind = STORE_BLOB_WANT, .reply_to = options->loop, .done = wanted};
    store_submit(options->store, &it->want.op);
}

static void found(struct store_op *op)
{
    struct looking *it = CONTAINER_OF(op, struct looking, find.op);
    if (op->err) {
        call_fail(it->call, op->err, NULL);
        looking_free(it);
    } else {
        want_those_there(it);
    }
}

// Returns false if one of them is none.
static bool take_hashes(struct looking *it, const json_t *hashes)
{
    it->count = json_array_size(hashes);
    it->hashes = xcalloc(it->count + 1, sizeof(*it->hashes));
    it->there = xcalloc(it->count + 1, sizeof(*it->there));
    it->rows = xcalloc(it->count + 1, sizeof(*it->rows));
    for (size_t i = 0; i < it->count; i++) {
        const json_t *hash = json_array_get(hashes, i);
        if (!content_hash_read(str_n(json_string_value(hash), json_string_length(hash)), it->hashes[i]))
            return false;
    }
    return true;
}

void blobs_missing(struct call *call)
{
    struct looking *it = xcalloc(1, sizeof(*it));
    call_ref(call);
    it->call = call;
    if (!take_hashes(it, json_object_get(call->body, "hashes"))) {
        call_fail_fields(call, &(struct http_field_error){"hashes", rule_hash.must}, 1);
        looking_free(it);
        return;
    }
    it->find = (struct store_blobs_find){
        .account = call->principal.account,
        .hashes = (const uint8_t(*)[STORE_HASH_LEN])it->hashes,
        .count = it->count,
        .ret_there = it->there,
    };
    it->find.op = (struct store_op){.kind = STORE_BLOBS_FIND,
                                    .reply_to = call->api->options.loop,
                                    .done = found,
                                    .account = call->principal.account};
    store_submit(call->api->options.store, &it->find.op);
}
