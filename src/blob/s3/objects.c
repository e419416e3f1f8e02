// Lists objects beneath a folder.
#include "blob/s3/s3_private.h"
#include "util/clock.h"
#include "util/error.h"

#define OBJECT_BYTES 3072 // of XML for one, at most: its key, percent-encoded, owner, checksums
#define PAGES_MAX    64   // that hold nothing of ours

struct taking {
    struct s3_objects *into;
    const char *prefix, *after;
    size_t prefix_len;
    unsigned limit;
    bool wrong;
};

static void take_object(void *arg, const struct str fields[S3_FIELDS])
{
    struct taking *it = arg;
    struct s3_object object = {0};
    CLEANUP(free_ptr) char *key = str_dup(fields[0]);
    bool beneath = s3_percent_decode(key) && strncmp(key, it->prefix, it->prefix_len) == 0;
    if (!beneath || strlen(key + it->prefix_len) >= sizeof(it->into->last)) {
        it->wrong = true; // it was not asked for
        return;
    }
    const char *rest = key + it->prefix_len;
    snprintf(it->into->last, sizeof(it->into->last), "%s", rest);
    if (strcmp(rest, it->after) <= 0)
        return; // whoever does not know start-after begins anew
    bool ours = blob_key_valid(str_of(rest)) && str_to_u64(fields[1], &object.size) &&
                time_parse_rfc3339(fields[2], &object.changed_ms);
    if (!ours || it->into->count == it->limit)
        return;
    snprintf(object.key, sizeof(object.key), "%.*s", BLOB_KEY_MAX, rest);
    if (it->into->count == it->into->cap) {
        it->into->cap = MAX((size_t)64, it->into->cap * 2);
        it->into->items = xrealloc(it->into->items, it->into->cap * sizeof(object));
    }
    it->into->items[it->into->count++] = object;
}

static int list_page(struct blob_s3 *s3, struct blob_op *op, struct taking *it, const char *after)
{
    CLEANUP(buf_release) struct buf query = {0};
    struct s3_head head = {0}; // if nothing is answered
    buf_printf(&query, "encoding-type=url&list-type=2&max-keys=%u&prefix=", it->limit);
    s3_encode(&query, str_of(it->prefix));
    if (after[0]) {
        buf_append_text(&query, "&start-after=");
        s3_encode(&query, str_of(it->prefix));
        s3_encode(&query, str_of(after));
    }
    const struct s3_request request = {
        .method = "GET",
        .query = buf_cstr(&query),
        .answer_max = 65536 + (size_t)it->limit * OBJECT_BYTES,
        .shape = &s3_shape_objects,
    };
    int err = s3_ask_items(s3, op, &request, &(struct s3_items){take_object, it}, &head);
    it->into->truncated = head.truncated;
    return err;
}

int s3_list_objects(struct blob_s3 *s3, struct blob_op *op, const char *beneath, const char *after, unsigned limit,
                    struct s3_objects *ret)
{
    CLEANUP(free_ptr) char *prefix = xasprintf("%s%s", s3->prefix, beneath);
    CLEANUP(free_ptr) char *from = xstrdup(after);
    struct taking it = {.into = ret, .prefix = prefix, .prefix_len = strlen(prefix), .after = after, .limit = limit};
    int err = 0;
    *ret = (struct s3_objects){0};
    for (int page = 0; page < PAGES_MAX; page++) {
        err = list_page(s3, op, &it, from);
        bool stands = strcmp(ret->last, from) <= 0; // a page that leads nowhere would be asked for again and again
        if (err == 0 && ret->truncated && (it.wrong || stands)) {
            snprintf(op->ret_reason, sizeof(op->ret_reason), "what %s lists is in no order", s3->kind->storage);
            err = ERR_UNAVAILABLE;
        }
        if (err || ret->count > 0 || !ret->truncated)
            break;
        free(from);
        from = xstrdup(ret->last);
    }
    if (err)
        ret->count = 0;
    return err;
}
