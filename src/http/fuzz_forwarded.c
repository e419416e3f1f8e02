// Arbitrary values of the headers of proxies. Whatever a client has written before it, the address that a trusted proxy
// added last is the one that is found.
#include "http/forwarded.h"
#include "util/buf.h"
#include "util/error.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void check_client(const struct forwarded *got)
{
    static const uint8_t wanted[4] = {192, 0, 2, 1};
    if (!got->has_client || got->client.family != NET_V4 || memcmp(got->client.bytes, wanted, sizeof(wanted)) != 0)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct str value = str_n(len ? (const char *)data : "", len), rest = value;
    struct forwarded_headers any = {.forwarded = str_split(&rest, '\n')};
    any.x_for = str_split(&rest, '\n');
    any.x_proto = str_split(&rest, '\n');
    any.x_host = rest;
    struct forwarded got = {0};
    forwarded_read(&any, NULL, &got);

    CLEANUP(buf_release) struct buf list = {0};
    buf_append_str(&list, value);
    buf_append_text(&list, ", 192.0.2.1");
    struct forwarded_headers x = {.x_for = buf_str(&list)};
    if (forwarded_read(&x, NULL, &got) < 0)
        abort();
    check_client(&got);

    buf_reset(&list);
    buf_append_str(&list, value);
    buf_append_text(&list, ", for=192.0.2.1");
    struct forwarded_headers forwarded = {.forwarded = buf_str(&list)};
    if (forwarded_read(&forwarded, NULL, &got) == 0)
        check_client(&got);
    return 0;
}
