// Objects under names that the caller makes (blob/objects.h).
#include "blob/s3/s3_private.h"
#include "util/error.h"

struct object_s3 {
    struct object_store base;
    struct blob_s3 *s3;
};

const struct s3_kind s3_cold = {
    .setting = "cold must be s3://BUCKET/PREFIX with a prefix of letters, digits, - . _ and /",
    .storage = "the storage of cold logs (S3)",
    .lost = "cold logs cannot be read or moved",
    .found = "cold logs can be read and moved again",
    .requests = METRIC_cold_requests_total,
    .retries = METRIC_cold_retries_total,
    .failures = METRIC_cold_failures_total,
    .sent = METRIC_cold_sent_bytes_total,
    .received = METRIC_cold_received_bytes_total,
    .seconds = METRIC_cold_request_seconds,
    .away = METRIC_cold_away,
};

static struct blob_s3 *s3_of(struct object_store *store)
{
    return CONTAINER_OF(store, struct object_s3, base)->s3;
}

static int answer(int err, const struct blob_op *op, char *ret_reason)
{
    memcpy(ret_reason, op->ret_reason, BLOB_REASON_MAX + 1);
    return err == 0 || err == ERR_NOT_FOUND || err == ERR_STORE_FULL ? err : ERR_UNAVAILABLE;
}

static int object_put(struct object_store *store, const char *name, struct str body, char *ret_reason)
{
    struct blob_op op = {0};
    return answer(s3_put(s3_of(store), &op, name, body), &op, ret_reason);
}

static int object_get(struct object_store *store, const char *name, uint64_t at, size_t len, struct buf *ret,
                      char *ret_reason)
{
    struct blob_op op = {0};
    return answer(s3_get(s3_of(store), &op, name, at, len, ret, NULL), &op, ret_reason);
}

static int object_remove(struct object_store *store, const char *name, char *ret_reason)
{
    struct blob_op op = {0};
    return answer(s3_delete(s3_of(store), &op, name), &op, ret_reason);
}

static int object_list(struct object_store *store, const char *after, struct object_entry *ret, size_t *ret_count,
                       char *ret_reason)
{
    CLEANUP(s3_objects_release) struct s3_objects objects = {0};
    struct blob_op op = {0};
    int err = s3_list_objects(s3_of(store), &op, "", after, BLOB_LIST_MAX, &objects);
    *ret_count = err ? 0 : objects.count;
    for (size_t i = 0; i < *ret_count; i++) {
        ret[i] = (struct object_entry){.changed_ms = objects.items[i].changed_ms};
        memcpy(ret[i].name, objects.items[i].key, sizeof(ret[i].name));
    }
    return answer(err, &op, ret_reason);
}

static bool object_away(struct object_store *store, char *ret_reason)
{
    return s3_is_away(s3_of(store), ret_reason);
}

static void object_stop(struct object_store *store)
{
    atomic_store(&s3_of(store)->abort, true);
    s3_end(s3_of(store));
}

static void object_free(struct object_store *store)
{
    s3_free(s3_of(store));
    free(CONTAINER_OF(store, struct object_s3, base));
}

static const struct object_vtable vtable = {
    .put = object_put,
    .get = object_get,
    .remove = object_remove,
    .list = object_list,
    .away = object_away,
    .stop = object_stop,
    .free = object_free,
};

int object_s3_open(const struct blob_s3_options *options, struct object_store **ret, struct buf *ret_error)
{
    struct blob_s3 *s3;
    int err = s3_new(options, &s3_cold, &s3, ret_error);
    if (err)
        return err;
    struct object_s3 *store = xcalloc(1, sizeof(*store));
    store->base.vtable = &vtable;
    store->s3 = s3;
    *ret = &store->base;
    return 0;
}
