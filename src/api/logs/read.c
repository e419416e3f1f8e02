// Reads a log with one request: a page, or a stream.
#include "api/follow/follow.h"
#include "api/logs/logs.h"

#include <xxhash.h>

// --- ETag of a log that can only change at its front any more

static bool answer_not_modified(struct call *call)
{
    const struct execution *execution = &call->execution;
    struct str query = http_query(call->request), wanted = http_header(call->request, STR("If-None-Match"));
    struct str accept = http_header(call->request, STR("Accept"));
    char *etag = arena_printf(
        http_arena(call->request), "\"%016llx-%llu-%llu-%016llx\"", (unsigned long long)execution->digest,
        (unsigned long long)execution->next_sequence, (unsigned long long)execution->first_sequence,
        (unsigned long long)XXH3_64bits_withSeed(query.data, query.len, XXH3_64bits(accept.data, accept.len)));
    http_add_header(call->request, "ETag", etag);
    // The client may keep it but must ask each time: the log may be purged, and the client must show a credential.
    http_add_header(call->request, "Cache-Control", "private, no-cache");
    if (!http_none_match(wanted, str_of(etag)))
        return false;
    http_may_compress(call->request); // the answer that the client has kept may have been compressed
    http_respond(call_take_request(call), 304, NULL, NULL, 0);
    return true;
}

void logs_read(struct call *call)
{
    struct log_query query;
    if (!log_query_parse(call, POSITION_PAGE, &query))
        return;
    call_say_front(call);
    // A relative time moves on, so the same query may mean something else tomorrow.
    if (call->execution.sealed && !query.follow && query.position.kind != POSITION_SINCE && !query.position.has_since &&
        answer_not_modified(call)) {
        log_query_release(&query);
        return;
    }
    if (query.has_format)
        follow_http(call, &query);
    else
        logs_page(call, &query);
}
