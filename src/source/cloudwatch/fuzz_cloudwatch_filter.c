// Arbitrary answers of CloudWatch's API, as a page and as a failure, and arbitrary files of credentials. Each record
// that comes out is one that may be stored, with an id.
#include "client/aws_credentials.h"
#include "source/cloudwatch/filter.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void each(void *arg, const struct arrival *arrival)
{
    struct str extra = arrival->record.extra;
    if (extra.len > RECORD_EXTRA_MAX || !record_extra_valid(arg, extra) || arrival->record.time_ms < 0 ||
        arrival->id.len == 0)
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
    static const struct cloudwatch_place place = {"/group", "a/{execution_id}/*"};
    static struct record_parser *parser;
    CLEANUP(buf_release) struct buf token = {0}, error = {0};
    CLEANUP(aws_credentials_release) struct aws_credentials credentials = {0};
    if (!parser)
        parser = record_parser_new(0);
    struct str body = str_n((const char *)data, len);
    const struct arrival_reader reader = {each, refused, parser};
    struct cloudwatch *cloudwatch = cloudwatch_new();
    int err = cloudwatch_page_read(cloudwatch, &place, STR("x"), body, &reader, &token);
    cloudwatch_free(&cloudwatch);
    if ((err && err != ERR_MALFORMED && err != ERR_TOO_LARGE) || (err == 0 && token.len >= CLOUDWATCH_TOKEN_MAX))
        abort();
    if (cloudwatch_failure(400, body, &error) >= 0 || error.len == 0)
        abort();
    cloudwatch_stream_valid(body);
    err = aws_credentials_parse(body, "", &credentials, &error);
    if (err == 0 && (credentials.key_id.len == 0 || credentials.secret.len == 0))
        abort();
    return 0;
}
