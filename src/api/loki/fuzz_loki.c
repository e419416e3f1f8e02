// Arbitrary pushes: the first byte says whether it is JSON, a block of snappy, or such a block's contents, which are
// packed here. Each line that comes out is one that may be stored.
#include "api/loki/push.h"

#include <snappy-c.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void each(void *arg, const struct arrival *arrival)
{
    struct str extra = arrival->record.extra;
    if (extra.len > RECORD_EXTRA_MAX || !record_extra_valid(arg, extra) || arrival->record.level >= LEVEL_COUNT ||
        arrival->record.stream >= STREAM_COUNT)
        abort();
}

static void refused(void *arg, const char *reason)
{
    (void)arg;
    if (!reason)
        abort();
}

static int read_packed(struct str plain, const struct arrival_reader *reader, const char **ret_reason)
{
    size_t len = snappy_max_compressed_length(plain.len);
    CLEANUP(free_ptr) char *packed = xmalloc(len);
    if (snappy_compress(plain.data, plain.len, packed, &len) != SNAPPY_OK)
        abort();
    return loki_read_snappy(str_n(packed, len), reader, ret_reason);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    static struct record_parser *parser;
    if (!parser)
        parser = record_parser_new(0);
    if (len == 0)
        return 0;
    const char *reason = NULL;
    const struct arrival_reader reader = {each, refused, parser};
    struct str body = str_n((const char *)data + 1, len - 1);
    int err = data[0] % 3 == 0   ? loki_read_json(body, &reader, &reason)
              : data[0] % 3 == 1 ? loki_read_snappy(body, &reader, &reason)
                                 : read_packed(body, &reader, &reason);
    if (err != 0 && ((err != ERR_MALFORMED && err != ERR_TOO_LARGE) || !reason))
        abort();
    return 0;
}
