// 204 if all was taken, as Loki answers. Clients send again what gets 429 or 5xx, and drop what gets 400: so that is
// the answer if some lines cannot be taken; the others are.
#include "api/loki/loki.h"

#include "api/body.h"
#include "api/logs/gather.h"
#include "api/logs/logs.h"
#include "api/loki/push.h"

static void sent(struct call *call, const struct gather_answer *got)
{
    if (got->err) {
        call_fail(call, got->err == ERR_STORE_FULL ? ERR_UNAVAILABLE : got->err, error_text(got->err));
        return;
    }
    if (got->refused) {
        CLEANUP(free_ptr)
        char *detail = xasprintf("%llu of %llu lines were not taken: %s", (unsigned long long)got->refused,
                                 (unsigned long long)(got->refused + got->taken), got->reason);
        call_fail(call, ERR_MALFORMED, detail);
        return;
    }
    struct http_request *request = call_take_request(call);
    if (request)
        http_respond(request, 204, NULL, NULL, 0);
}

void loki_push(struct call *call)
{
    struct str type = http_header(call->request, STR("Content-Type"));
    struct str media = str_trim(str_split(&type, ';'));
    bool json = str_eq_nocase(media, STR("application/json"));
    if (!json && !str_eq_nocase(media, STR("application/x-protobuf"))) {
        call_fail(call, ERR_MEDIA_TYPE, "send application/json, or application/x-protobuf in a block of snappy");
        return;
    }
    if (logs_append_denied(call))
        return;
    const char *reason = NULL;
    struct str body = http_body(call->request);
    if (json && !json_shape_within(body, ARRIVALS_DEPTH_MAX, ARRIVALS_VALUES_MAX)) {
        call_fail(call, ERR_TOO_LARGE, ARRIVALS_SHAPE);
        return;
    }
    struct gather *gather = gather_new(call, body, sent);
    const struct arrival_reader reader = gather_reader(gather);
    int err = (json ? loki_read_json : loki_read_snappy)(body, &reader, &reason);
    if (err == 0) {
        gather_send(gather);
        return;
    }
    gather_free(&gather);
    call_fail(call, err, reason);
}
