#include "sim.h"

static struct record record_of(const struct content *content)
{
    return (struct record){
        .stream = content->kind == CONTENT_LINE ? STREAM_STDOUT : STREAM_EVENT,
        .message = str_n((const char *)content, sizeof(*content)),
    };
}

uint64_t content_hash(const struct content *content)
{
    struct record record = record_of(content);
    return record_hash(&record);
}

uint64_t content_digest(const struct content *content, uint64_t digest)
{
    struct record record = record_of(content);
    return record_digest_next(digest, &record);
}

bool content_equal(const struct content *a, const struct content *b)
{
    return a->kind == b->kind && a->author == b->author && a->number == b->number;
}
