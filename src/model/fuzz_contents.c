// A body of many contents. What is taken lies within it, in order, and is found again when it is written anew.
#include "model/contents.h"
#include "util/buf.h"
#include "util/error.h"
#include "util/id.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool holds)
{
    if (!holds)
        abort();
}

static void write_again(struct buf *out, const struct contents_item *item)
{
    char hex[2 * CONTENT_HASH_BYTES + 1];
    hex_encode(item->hash, sizeof(item->hash), hex);
    buf_printf(out, "%s %zu\n", hex, item->bytes.len);
    buf_append_str(out, item->bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str body = str_n((const char *)data, size), rest = body;
    CLEANUP(buf_release) struct buf again = {0};
    struct contents_item item, same;
    const char *problem = NULL;
    int rc;
    while ((rc = contents_next(&rest, &item, &problem)) == 1) {
        check(item.bytes.data > body.data && item.bytes.data + item.bytes.len == rest.data);
        check(item.bytes.len <= CONTENTS_EACH_MAX && rest.data + rest.len == body.data + body.len);
        buf_reset(&again);
        write_again(&again, &item);
        struct str one = buf_str(&again);
        check(contents_next(&one, &same, &problem) == 1 && one.len == 0 && str_eq(same.bytes, item.bytes));
        check(memcmp(same.hash, item.hash, sizeof(item.hash)) == 0);
    }
    check(rc == 0 ? rest.len == 0 : (rc == ERR_MALFORMED || rc == ERR_TOO_LARGE) && problem);
    return 0;
}
