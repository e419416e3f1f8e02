// Arbitrary bytes of a peer that should answer in HTTP. Cut in two anywhere, they give the same.
#include "http/reply.h"
#include "util/buf.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

struct seen {
    unsigned heads;
    struct buf body;
};

static void saw_head(void *arg, int status)
{
    struct seen *seen = arg;
    if (status < 100 || status > 999 || seen->heads++ > 0)
        abort(); // there is one head
}

static void saw_body(void *arg, struct str bytes)
{
    struct seen *seen = arg;
    if (seen->heads != 1)
        abort();
    buf_append_str(&seen->body, bytes);
}

static int read_all(const uint8_t *data, size_t len, size_t cut, bool upgrade, struct seen *ret)
{
    static const struct http_reply_events events = {saw_head, saw_body};
    struct http_reply *reply = http_reply_new(upgrade, &events, ret);
    int err = http_reply_feed(reply, data, cut);
    if (err == 0)
        err = http_reply_feed(reply, data + cut, len - cut);
    if (err == 0)
        err = http_reply_end(reply);
    http_reply_free(&reply);
    return err;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct seen whole = {0}, cut = {0};
    if (len < 2)
        return 0;
    bool upgrade = data[0] & 1;
    size_t at = data[1] % (len - 1);
    int err = read_all(data + 2, len - 2, 0, upgrade, &whole);
    int cut_err = read_all(data + 2, len - 2, MIN(at, len - 2), upgrade, &cut);
    if ((err < 0) != (cut_err < 0) || whole.body.len > len)
        abort();
    if (err == 0 && !str_eq(buf_str(&whole.body), buf_str(&cut.body)))
        abort();
    buf_release(&whole.body);
    buf_release(&cut.body);
    return 0;
}
