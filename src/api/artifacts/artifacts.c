// Names blobs as artifacts of an execution, lists them, and forgets them.
#include "api/artifacts/artifacts.h"

#include "util/id.h"

// --- Naming

struct naming {
    struct store_artifact_put put;
    struct call *call;
    char *name;
};

static void add_file(struct json_writer *json, const char *name, uint64_t size, const uint8_t hash[STORE_HASH_LEN],
                     unsigned mode, int64_t created_ms)
{
    char hex[2 * STORE_HASH_LEN + 1];
    hex_encode(hash, STORE_HASH_LEN, hex);
    json_open_object(json, NULL);
    json_add_text(json, "name", name);
    json_add_u64(json, "size", size);
    json_add_text(json, "sha256", hex);
    json_add_u64(json, "mode", mode);
    json_add_time(json, "created_at", created_ms);
    json_close(json);
}

static void answer_named(const struct naming *it)
{
    CLEANUP(buf_release) struct buf text = {0};
    struct json_writer json = json_writer_to(&text);
    add_file(&json, it->name, it->put.size, it->put.hash, it->put.mode, it->put.ret_created_ms);
    call_answer(it->call, it->put.ret_existed ? 200 : 201, &json);
}

static void named(struct store_op *op)
{
    struct naming *it = CONTAINER_OF(op, struct naming, put.op);
    struct call *call = it->call;
    switch (op->err) {
    case 0:
        answer_named(it);
        break;
    case ERR_NOT_FOUND:
        call_fail_fields(
            call, &(struct http_field_error){"sha256", "names content that the account does not have; upload it first"},
            1);
        break;
    case ERR_INVALID:
        call_fail_fields(call, &(struct http_field_error){"size", "differs from that of the content"}, 1);
        break;
    case ERR_CONFLICT:
        call_fail(call, op->err, "another content has this name");
        break;
    case ERR_TOO_LARGE:
        call_fail(call, op->err, "an execution may leave 1000 artifacts");
        break;
    default:
        call_fail(call, op->err, NULL);
        break;
    }
    free(it->name);
    free(it);
    call_unref(call);
}

void artifacts_put(struct call *call)
{
    struct str name = call_capture(call, "name");
    const char *problem = artifact_name_problem(name);
    if (problem) {
        call_fail_fields(call, &(struct http_field_error){"name", problem}, 1);
        return;
    }
    struct naming *it = xcalloc(1, sizeof(*it));
    it->call = call;
    it->name = str_dup(name);
    it->put = (struct store_artifact_put){
        .row = call->execution.row,
        .epoch = call->principal.run_epoch,
        .late = call->principal.role == ROLE_RUN,
        .name = str_of(it->name),
        .size = (uint64_t)call_member(call, "size").number,
        .mode = (unsigned)call_member(call, "mode").number,
    };
    content_hash_read(call_member(call, "sha256").text, it->put.hash); // it was checked
    call_submit(call, STORE_ARTIFACT_PUT, &it->put.op, named);
}

// --- Listing

struct listing {
    struct store_file_list list;
    struct call *call;
};

static void answer_list(struct call *call, const struct store_file_list *list)
{
    CLEANUP(buf_release) struct buf text = {0};
    struct json_writer json = json_writer_to(&text);
    uint64_t bytes = 0;
    json_open_object(&json, NULL);
    json_open_array(&json, "artifacts");
    for (size_t i = 0; i < list->ret_count; i++) {
        const struct store_file *file = &list->ret_files[i];
        add_file(&json, file->name, file->size, file->hash, file->mode, file->created_ms);
        bytes += file->size;
    }
    json_close(&json);
    json_add_u64(&json, "total_count", list->ret_count);
    json_add_u64(&json, "total_bytes", bytes);
    json_close(&json);
    call_answer(call, 200, &json);
}

static void listed(struct store_op *op)
{
    struct listing *it = CONTAINER_OF(op, struct listing, list.op);
    struct call *call = it->call;
    if (op->err)
        call_fail(call, op->err, NULL);
    else
        answer_list(call, &it->list);
    store_op_release(op);
    free(it);
    call_unref(call);
}

void artifacts_list(struct call *call)
{
    struct listing *it = xcalloc(1, sizeof(*it));
    it->call = call;
    it->list = (struct store_file_list){.row = call->execution.row, .file_kind = STORE_FILE_ARTIFACT};
    call_submit(call, STORE_FILE_LIST, &it->list.op, listed);
}

// --- Purging

struct forgetting {
    struct store_artifacts_purge purge;
    struct call *call;
};

static void forgotten(struct store_op *op)
{
    struct forgetting *it = CONTAINER_OF(op, struct forgetting, purge.op);
    struct call *call = it->call;
    if (op->err) {
        call_fail(call, op->err,
                  op->err == ERR_CONFLICT
                      ? "only a sealed execution's artifacts can be purged; cancel it, or let it end"
                      : NULL);
    } else {
        CLEANUP(buf_release) struct buf text = {0};
        struct json_writer json = json_writer_to(&text);
        json_open_object(&json, NULL);
        json_add_text(&json, "execution_id", call->execution.execution_id);
        json_add_u64(&json, "purged_count", it->purge.ret_count);
        json_add_u64(&json, "purged_bytes", it->purge.ret_bytes);
        json_close(&json);
        call_answer(call, 200, &json);
    }
    free(it);
    call_unref(call);
}

void artifacts_purge(struct call *call)
{
    struct forgetting *it = xcalloc(1, sizeof(*it));
    it->call = call;
    it->purge.row = call->execution.row;
    call_submit(call, STORE_ARTIFACTS_PURGE, &it->purge.op, forgotten);
}
