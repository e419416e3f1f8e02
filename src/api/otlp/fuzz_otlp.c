// Arbitrary exports, the first byte of which says in which encoding. Each record that comes out is one that may be
// stored.
#include "api/otlp/logs.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void each(void *arg, const struct arrival *arrival)
{
    struct str extra = arrival->record.extra;
    if (extra.len > RECORD_EXTRA_MAX || !record_extra_valid(arg, extra) || arrival->record.level >= LEVEL_COUNT)
        abort();
}

static void refused(void *arg, const char *reason)
{
    (void)arg;
    if (!reason)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    static struct record_parser *parser;
    if (!parser)
        parser = record_parser_new(0);
    if (len == 0)
        return 0;
    const char *reason;
    enum otlp_encoding encoding = data[0] & 1 ? OTLP_PROTOBUF : OTLP_JSON;
    struct str body = str_n((const char *)data + 1, len - 1);
    int err = otlp_logs_read(encoding, body, &(struct arrival_reader){each, refused, parser}, &reason);
    if (err != 0 && ((err != ERR_MALFORMED && err != ERR_TOO_LARGE) || !reason))
        abort();
    return 0;
}
