// Making tickets; and their use where several servers share the store: it keeps them, so a browser may come to any of
// them. Memory has those that were used here, to count their open streams.
#include "auth/auth_private.h"
#include "model/config_limits.h"
#include "net/digest.h"
#include "util/clock.h"
#include "util/id.h"
#include "util/json_writer.h"

#include <jansson.h>

// --- A principal as the store keeps it

static void write_principal(const struct principal *principal, struct buf *out)
{
    struct json_writer json = json_writer_to(out);
    json_open_object(&json, NULL);
    json_add_text(&json, "role", role_name(principal->role));
    json_add_i64(&json, "account", principal->account);
    json_add_i64(&json, "key", principal->key_row);
    json_add_i64(&json, "expires", (int64_t)principal->expires_ms);
    json_add_hex(&json, "jwt_key", principal->jwt_key);
    json_add_text(&json, "user", principal->user);
    json_close(&json);
}

static int64_t integer(const json_t *object, const char *name)
{
    return json_integer_value(json_object_get(object, name));
}

static bool read_principal(const char *text, struct principal *ret)
{
    json_t *object = json_loads(text, 0, NULL);
    const char *role = json_string_value(json_object_get(object, "role"));
    const char *user = json_string_value(json_object_get(object, "user"));
    const char *jwt_key = json_string_value(json_object_get(object, "jwt_key"));
    *ret = (struct principal){
        .account = integer(object, "account"),
        .key_row = integer(object, "key"),
        .expires_ms = (uint64_t)integer(object, "expires"),
        .jwt_key = jwt_key ? strtoull(jwt_key, NULL, 16) : 0,
    };
    bool good = role && user && jwt_key && role_parse(str_of(role), &ret->role);
    if (good)
        snprintf(ret->user, sizeof(ret->user), "%s", user);
    json_decref(object);
    return good;
}

// --- Making one

static void added(struct store_op *op)
{
    struct auth_ticket *ticket = CONTAINER_OF(op, struct auth_ticket, add.op);
    ticket->err = op->err && op->err != ERR_RATE ? ERR_UNAVAILABLE : op->err;
    buf_release(&ticket->principal);
    ticket->done(ticket);
}

static void make_shared(struct auth *auth, struct auth_ticket *ticket, const uint8_t hash[32],
                        const struct principal *principal, struct loop *reply_to)
{
    write_principal(principal, &ticket->principal);
    ticket->add = (struct store_ticket_add){
        .op = {.kind = STORE_TICKET_ADD, .reply_to = reply_to, .done = added},
        .account = principal->account,
        .key_row = principal->key_row,
        .principal = buf_str(&ticket->principal),
        .lasts_ms = TICKET_MS,
        .max = auth->tickets.max,
    };
    hex_encode(hash, 32, ticket->add.id);
    store_submit(auth->store, &ticket->add.op);
}

void auth_ticket_make(struct auth *auth, struct auth_ticket *ticket, const struct principal *principal,
                      struct loop *reply_to, void (*done)(struct auth_ticket *ticket))
{
    uint8_t hash[32];
    *ticket = (struct auth_ticket){.done = done};
    secret_make(TICKET_PREFIX, ticket->text);
    sha256(ticket->text, API_KEY_LEN, hash);
    if (!store_alone(auth->store)) {
        make_shared(auth, ticket, hash, principal, reply_to);
        return;
    }
    pthread_mutex_lock(&auth->lock);
    ticket->err = tickets_add(&auth->tickets, hash, principal, clock_mono_ms());
    pthread_mutex_unlock(&auth->lock);
    ticket->done(ticket);
}

// --- Using one

static void used(struct store_op *op)
{
    struct auth_check *check = CONTAINER_OF(op, struct auth_check, ticket.op);
    struct auth *auth = check->auth;
    struct principal principal;
    const struct ticket_use use = {check->ticket.kind, check->ticket.execution_id};
    uint8_t hash[32];
    int err = op->err;
    hex_decode(str_of(check->ticket.id), hash, sizeof(hash));
    if (err == 0 && !read_principal(check->ticket.ret_principal, &principal))
        err = ERR_NOT_FOUND; // a newer server's
    if (err == 0) {
        principal.suspended = check->ticket.ret_suspended;
        pthread_mutex_lock(&auth->lock);
        err = auth_judge(auth, &principal);
        if (err == 0)
            tickets_adopt(&auth->tickets, hash, &use, &principal, clock_mono_ms(), &check->principal);
        if (err == 0)
            err = auth_judge(auth, &check->principal);
        pthread_mutex_unlock(&auth->lock);
    }
    store_op_release(op);
    free(TAKE_PTR(check->ticket_execution));
    static const int told[] = {0, ERR_UNAUTHORIZED, ERR_TOKEN_EXPIRED, ERR_SUSPENDED};
    bool known = false;
    for (size_t i = 0; i < ARRAY_LEN(told); i++)
        known |= err == told[i];
    if (err == ERR_NOT_FOUND)
        check_finish_failed(check);
    else
        check_finish(check, known ? err : ERR_UNAVAILABLE);
}

void shared_ticket_check(struct auth *auth, struct auth_check *check, const uint8_t hash[32],
                         const struct ticket_use *use, struct loop *reply_to)
{
    check->ticket_execution = str_dup(use->execution_id);
    check->ticket = (struct store_ticket_use){
        .op = {.kind = STORE_TICKET_USE, .reply_to = reply_to, .done = used},
        .kind = use->kind,
        .execution_id = str_of(check->ticket_execution),
        .lasts_ms = TICKET_UNUSED_MS,
    };
    hex_encode(hash, 32, check->ticket.id);
    store_submit(auth->store, &check->ticket.op);
}

// --- Keeping them

struct keeping {
    struct store_tickets_keep keep;
    struct buf ids;
};

static void kept(struct store_op *op)
{
    struct keeping *keeping = CONTAINER_OF(op, struct keeping, keep.op);
    buf_release(&keeping->ids);
    free(keeping);
}

void auth_keep_tickets(struct auth *auth, struct loop *loop)
{
    if (store_alone(auth->store))
        return;
    struct keeping *keeping = xcalloc(1, sizeof(*keeping));
    pthread_mutex_lock(&auth->lock);
    tickets_open_ids(&auth->tickets, &keeping->ids);
    pthread_mutex_unlock(&auth->lock);
    keeping->keep = (struct store_tickets_keep){
        .op = {.kind = STORE_TICKETS_KEEP, .reply_to = loop, .done = kept},
        .ids_json = buf_str(&keeping->ids),
        .lasts_ms = TICKET_UNUSED_MS,
    };
    store_submit(auth->store, &keeping->keep.op);
}
