// Tickets: credentials for one stream.
#include "api/keys/keys.h"

void tickets_create(struct call *call)
{
    char ticket[API_KEY_LEN + 1];
    int err = auth_ticket_make(call->api->options.auth, &call->principal, ticket);
    if (err) {
        call_fail(call, err, "the account has as many tickets as it may");
        return;
    }
    CLEANUP(buf_release) struct buf json = {0};
    buf_printf(&json, "{\"ticket\":\"%s\",\"expires_in\":30}", ticket);
    call_answer_json(call, 201, &json);
}
