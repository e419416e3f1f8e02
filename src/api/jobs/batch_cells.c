// The states of a batch's jobs in as few bytes as they take: 10,000 jobs are 10 KB. Who has seen them is told 304 while
// they are the same.
#include "api/jobs/jobs.h"

#include <xxhash.h>

struct cells {
    struct store_batch_cells cells;
    struct call *call;
};

// As docs/execution-contract.md has them.
static const char letters[] = {
    [STATUS_QUEUED] = 'q',    [STATUS_RUNNING] = 'r', [STATUS_WAITING] = 'w',   [STATUS_PAUSED] = 'p',
    [STATUS_COMPLETED] = 'c', [STATUS_FAILED] = 'f',  [STATUS_CANCELLED] = 'x', [STATUS_TIMED_OUT] = 't',
    [STATUS_SKIPPED] = 's',   [STATUS_LOST] = 'l',    [BATCH_CELL_NONE] = '.',
};
_Static_assert(ARRAY_LEN(letters) == STATUS_COUNT + 1, "every status has a letter");

static void write_cells(struct json_writer *json, const struct batch *batch, const struct store_batch_cells *cells)
{
    CLEANUP(buf_release) struct buf states = {0};
    for (size_t i = 0; i < cells->ret_count; i++)
        buf_append_byte(&states, letters[cells->ret_states[i]]);
    json_open_object(json, NULL);
    json_add_text(json, "batch_id", batch->batch_id);
    json_add_u64(json, "from", cells->from);
    json_add_str(json, "states", buf_str(&states));
    if (cells->with_ids) {
        json_open_array(json, "ids");
        for (size_t i = 0; i < cells->ret_count; i++)
            json_add_text(json, NULL, cells->ret_ids[i]);
        json_close(json);
    }
    if (cells->ret_more)
        json_add_u64(json, "next_from", cells->from + cells->ret_count);
    else
        json_add_null(json, "next_from");
    json_close(json);
}

static void answer(struct call *call, const struct store_batch_cells *cells)
{
    CLEANUP(buf_release) struct buf text = {0};
    struct json_writer json = json_writer_to(&text);
    struct http_request *request = call->request;
    write_cells(&json, &call->batch, cells);
    char *etag = arena_printf(http_arena(request), "\"%016llx\"", (unsigned long long)XXH3_64bits(text.data, text.len));
    http_add_header(request, "ETag", etag);
    http_add_header(request, "Cache-Control", "private, no-cache");
    if (http_none_match(http_header(request, STR("If-None-Match")), str_of(etag))) {
        http_may_compress(request); // the answer that the client has kept may have been compressed
        http_respond(call_take_request(call), 304, NULL, NULL, 0);
        return;
    }
    call_answer(call, 200, &json);
}

static void cells_done(struct store_op *op)
{
    struct cells *it = CONTAINER_OF(op, struct cells, cells.op);
    struct call *call = it->call;
    if (op->err)
        call_fail(call, op->err, NULL);
    else if (call->request)
        answer(call, &it->cells);
    store_op_release(op);
    free(it);
    call_unref(call);
}

void batches_cells(struct call *call)
{
    struct cells *it = xcalloc(1, sizeof(*it));
    it->call = call;
    it->cells = (struct store_batch_cells){
        .row = call->batch.row,
        .from = (uint32_t)call_param(call, "from").number,
        .limit = (unsigned)call_param(call, "limit").number,
        .with_ids = call_param(call, "ids").number,
    };
    call_submit(call, STORE_BATCH_CELLS, &it->cells.op, cells_done);
}
