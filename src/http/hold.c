// Counts in the budget what a connection holds: the part of a head, a body and pipelined requests that has arrived, and
// answers that the peer has not taken. Up to HOLD_FREE bytes are part of the cost of any connection and are not
// counted.
#include "http/http_private.h"

#define HOLD_FREE ((size_t)16 * 1024)

// Returns the account of the present request, with a reference.
static struct budget_account *account_of(const struct http_conn *conn)
{
    int64_t id = conn->request ? conn->request->account : BUDGET_NOBODY;
    return budget_account(conn->server->limits.budget, id);
}

static bool hold(struct http_conn *conn, struct budget_lease *lease, enum budget_holder holder, size_t bytes)
{
    if (!conn->server->limits.budget || (bytes <= HOLD_FREE && lease->bytes == 0))
        return true;
    CLEANUP(budget_account_unref)
    struct budget_account *account = lease->account ? budget_account_ref(lease->account) : account_of(conn);
    return budget_lease_set(lease, account, holder, bytes > HOLD_FREE ? bytes : 0);
}

bool http_hold_input(struct http_conn *conn)
{
    const struct http_request *request = conn->request;
    size_t bytes = conn->backlog.len - conn->backlog_at;
    if (request)
        bytes += request->head.len + (request->body_held ? request->body_held : request->body.cap);
    if (request && request->decoder)
        bytes += request->coded.cap + http_decoder_memory(request->decoder);
    return hold(conn, &conn->input, BUDGET_requests, bytes);
}

bool http_hold_body(struct http_request *request, uint64_t len)
{
    request->body_held = (size_t)len;
    // The head was counted for strangers so far. From now on it counts for the account.
    budget_lease_release(&request->conn->input);
    if (!http_hold_input(request->conn))
        return false;
    if (len > 0)
        buf_reserve(&request->body, (size_t)len);
    return true;
}

bool http_hold_answer(struct http_request *request, size_t len)
{
    struct http_conn *conn = request->conn;
    return hold(conn, &conn->output, BUDGET_answers, conn_pending(conn->conn) + len);
}

void http_release_output(struct http_conn *conn)
{
    budget_lease_release(&conn->output);
}

void http_release_all(struct http_conn *conn)
{
    budget_lease_release(&conn->input);
    budget_lease_release(&conn->output);
}

bool http_output_unwanted(const struct http_conn *conn)
{
    return conn->output.bytes > 0 && budget_tight(conn->output.account, BUDGET_answers);
}

void http_charge_to(struct http_request *request, int64_t account)
{
    request->account = account;
}
