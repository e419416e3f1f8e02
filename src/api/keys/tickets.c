// Tickets: each is a credential for one stream.
#include "api/keys/keys.h"
#include "model/config_limits.h"

struct making {
    struct auth_ticket ticket;
    struct call *call;
};

static void ticket_made(struct auth_ticket *ticket)
{
    struct making *making = CONTAINER_OF(ticket, struct making, ticket);
    struct call *call = making->call;
    CLEANUP(buf_release) struct buf text = {0};
    struct json_writer json = json_writer_to(&text);
    json_open_object(&json, NULL);
    json_add_text(&json, "ticket", ticket->text);
    json_add_i64(&json, "expires_in", TICKET_MS / 1000);
    json_close(&json);
    if (ticket->err)
        call_fail(call, ticket->err, ticket->err == ERR_RATE ? "the account has as many tickets as it may" : NULL);
    else
        call_answer(call, 201, &json);
    free(making);
    call_unref(call);
}

void tickets_create(struct call *call)
{
    struct making *making = xcalloc(1, sizeof(*making));
    making->call = call;
    call_ref(call);
    auth_ticket_make(call->api->options.auth, &making->ticket, &call->principal, call->api->options.loop, ticket_made);
}
