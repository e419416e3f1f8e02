// Tickets: a browser opens a stream with one, and opens the same stream again with it.
//
//   unused ──first use within 30 s: bound──▶ open ──its last stream closed──▶ idle ──unused for 5 min──▶ (gone)
//                                             ▲                                │
//                                             └──────────── used again ────────┘
// The caller holds the lock.
#include "auth/auth_private.h"
#include "model/config_limits.h"
#include "util/id.h"

struct ticket_account {
    struct map_node node;
    int64_t account;
    unsigned count;
};

struct ticket {
    struct map_node by_hash, by_id;
    struct list_node order; // in one of the three lists
    uint8_t hash[32];
    uint64_t id, until_ms;
    unsigned kind, streams; // kind is 0 while it is not bound; streams: how many are open
    char *execution_id;
    struct ticket_account *account;
    struct principal principal;
};

void tickets_init(struct tickets *tickets, unsigned max)
{
    *tickets = (struct tickets){.max = max};
    map_init(&tickets->by_hash);
    map_init(&tickets->by_id);
    map_init(&tickets->accounts);
    list_init(&tickets->unused);
    list_init(&tickets->idle);
    list_init(&tickets->open);
}

static struct ticket_account *account_of(struct tickets *tickets, int64_t account)
{
    struct map_node *node = map_find(&tickets->accounts, str_n((const char *)&account, sizeof(account)));
    if (node)
        return CONTAINER_OF(node, struct ticket_account, node);
    struct ticket_account *made = xcalloc(1, sizeof(*made));
    made->account = account;
    map_insert(&tickets->accounts, &made->node, str_n((const char *)&made->account, sizeof(made->account)));
    return made;
}

static void ticket_drop(struct tickets *tickets, struct ticket *ticket)
{
    struct ticket_account *account = ticket->account;
    if (--account->count == 0) {
        map_remove(&tickets->accounts, &account->node);
        free(account);
    }
    map_remove(&tickets->by_hash, &ticket->by_hash);
    map_remove(&tickets->by_id, &ticket->by_id);
    list_remove(&ticket->order);
    free(ticket->execution_id);
    free(ticket);
}

// Drops the tickets of key_row, or all if it is 0.
static void drop_from(struct tickets *tickets, struct list_node *list, int64_t key_row)
{
    LIST_FOR_EACH_SAFE(it, next, list) {
        struct ticket *ticket = CONTAINER_OF(it, struct ticket, order);
        if (!key_row || ticket->principal.key_row == key_row)
            ticket_drop(tickets, ticket);
    }
}

void tickets_drop_row(struct tickets *tickets, int64_t key_row)
{
    drop_from(tickets, &tickets->unused, key_row);
    drop_from(tickets, &tickets->idle, key_row);
    drop_from(tickets, &tickets->open, key_row);
}

void tickets_release(struct tickets *tickets)
{
    tickets_drop_row(tickets, 0);
    map_release(&tickets->by_hash);
    map_release(&tickets->by_id);
    map_release(&tickets->accounts);
}

static void expire(struct tickets *tickets, struct list_node *list, uint64_t now_ms)
{
    LIST_FOR_EACH_SAFE(it, next, list) {
        struct ticket *ticket = CONTAINER_OF(it, struct ticket, order);
        if (ticket->until_ms > now_ms)
            return;
        ticket_drop(tickets, ticket);
    }
}

static void tickets_expire(struct tickets *tickets, uint64_t now_ms)
{
    expire(tickets, &tickets->unused, now_ms);
    expire(tickets, &tickets->idle, now_ms);
}

static void ticket_idle(struct tickets *tickets, struct ticket *ticket, uint64_t now_ms)
{
    ticket->until_ms = now_ms + TICKET_UNUSED_MS;
    list_remove(&ticket->order);
    list_push_back(&tickets->idle, &ticket->order);
}

static struct ticket *ticket_new(struct tickets *tickets, const uint8_t hash[32], const struct principal *principal,
                                 uint64_t now_ms)
{
    struct ticket_account *account = account_of(tickets, principal->account);
    account->count++;
    struct ticket *ticket = xcalloc(1, sizeof(*ticket));
    memcpy(ticket->hash, hash, sizeof(ticket->hash));
    ticket->id = ++tickets->last_id;
    ticket->until_ms = now_ms + TICKET_MS;
    ticket->account = account;
    ticket->principal = *principal;
    ticket->principal.ticket = ticket->id;
    map_insert(&tickets->by_hash, &ticket->by_hash, str_n((const char *)ticket->hash, sizeof(ticket->hash)));
    map_insert(&tickets->by_id, &ticket->by_id, str_n((const char *)&ticket->id, sizeof(ticket->id)));
    list_push_back(&tickets->unused, &ticket->order);
    return ticket;
}

int tickets_add(struct tickets *tickets, const uint8_t hash[32], const struct principal *principal, uint64_t now_ms)
{
    tickets_expire(tickets, now_ms);
    if (account_of(tickets, principal->account)->count >= tickets->max)
        return ERR_RATE;
    ticket_new(tickets, hash, principal, now_ms);
    return 0;
}

static bool ticket_serves(const struct ticket *ticket, const struct ticket_use *use)
{
    return ticket->kind == use->kind && str_eq(str_of(ticket->execution_id), use->execution_id);
}

int tickets_use(struct tickets *tickets, const uint8_t hash[32], const struct ticket_use *use, uint64_t now_ms,
                struct principal *ret)
{
    tickets_expire(tickets, now_ms);
    struct map_node *node = map_find(&tickets->by_hash, str_n((const char *)hash, 32));
    if (!node)
        return ERR_NOT_FOUND;
    struct ticket *ticket = CONTAINER_OF(node, struct ticket, by_hash);
    if (ticket->kind && !ticket_serves(ticket, use))
        return ERR_UNAUTHORIZED;
    if (!ticket->kind) {
        ticket->kind = use->kind;
        ticket->execution_id = xasprintf("%.*s", STR_ARGS(use->execution_id));
    }
    if (ticket->streams == 0)
        ticket_idle(tickets, ticket, now_ms);
    *ret = ticket->principal;
    return 0;
}

void tickets_adopt(struct tickets *tickets, const uint8_t hash[32], const struct ticket_use *use,
                   const struct principal *principal, uint64_t now_ms, struct principal *ret)
{
    tickets_expire(tickets, now_ms);
    struct map_node *node = map_find(&tickets->by_hash, str_n((const char *)hash, 32));
    struct ticket *ticket =
        node ? CONTAINER_OF(node, struct ticket, by_hash) : ticket_new(tickets, hash, principal, now_ms);
    if (!ticket->kind) {
        ticket->kind = use->kind;
        ticket->execution_id = xasprintf("%.*s", STR_ARGS(use->execution_id));
    }
    if (ticket->streams == 0)
        ticket_idle(tickets, ticket, now_ms);
    ticket->principal = *principal;
    ticket->principal.ticket = ticket->id;
    *ret = ticket->principal;
}

void tickets_open_ids(const struct tickets *tickets, struct buf *out_json)
{
    buf_append_byte(out_json, '[');
    LIST_FOR_EACH_SAFE(it, next, (struct list_node *)&tickets->open) {
        const struct ticket *ticket = CONTAINER_OF(it, struct ticket, order);
        char id[STORE_TICKET_ID_LEN + 1];
        hex_encode(ticket->hash, sizeof(ticket->hash), id);
        buf_printf(out_json, "%s\"%s\"", out_json->len > 1 ? "," : "", id);
    }
    buf_append_byte(out_json, ']');
}

static struct ticket *ticket_by_id(struct tickets *tickets, uint64_t id)
{
    struct map_node *node = map_find(&tickets->by_id, str_n((const char *)&id, sizeof(id)));
    return node ? CONTAINER_OF(node, struct ticket, by_id) : NULL;
}

void tickets_stream_opened(struct tickets *tickets, uint64_t id)
{
    struct ticket *ticket = ticket_by_id(tickets, id);
    if (!ticket)
        return;
    ticket->streams++;
    list_remove(&ticket->order);
    list_push_back(&tickets->open, &ticket->order);
}

void tickets_stream_closed(struct tickets *tickets, uint64_t id, uint64_t now_ms)
{
    struct ticket *ticket = ticket_by_id(tickets, id);
    if (ticket && ticket->streams > 0 && --ticket->streams == 0)
        ticket_idle(tickets, ticket, now_ms);
}
