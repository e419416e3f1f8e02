// Tickets: each is a credential for one stream.
#include "api/keys/keys.h"
#include "model/config_limits.h"

void tickets_create(struct call *call)
{
    char ticket[API_KEY_LEN + 1];
    int err = auth_ticket_make(call->api->options.auth, &call->principal, ticket);
    if (err) {
        call_fail(call, err, "the account has as many tickets as it may");
        return;
    }
    CLEANUP(buf_release) struct buf text = {0};
    struct json_writer json = json_writer_to(&text);
    json_open_object(&json, NULL);
    json_add_text(&json, "ticket", ticket);
    json_add_i64(&json, "expires_in", TICKET_MS / 1000);
    json_close(&json);
    call_answer(call, 201, &json);
}
