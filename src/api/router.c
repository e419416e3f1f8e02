// From a request to its handler: host and origin, route, credential, role, execution.
#include <stdio.h>

#include "api/call.h"
#include "util/clock.h"

#define SWEEP_MS       1000
#define EXECUTIONS_MAX 4096 // remembered by a loop

// --- Calls

void call_ref(struct call *call)
{
    call->refs++;
}

void call_unref(struct call *call)
{
    if (--call->refs > 0)
        return;
    kept_execution_unref(&call->kept);
    free(call);
}

static void call_aborted(void *arg)
{
    struct call *call = arg;
    call->request = NULL;
    call_unref(call);
}

void call_watch(struct call *call)
{
    http_on_abort(call->request, call_aborted, call);
}

// The reference that the open request held goes with it.
struct http_request *call_take_request(struct call *call)
{
    struct http_request *request = TAKE_PTR(call->request);
    if (!request)
        return NULL;
    http_on_abort(request, NULL, NULL);
    call_unref(call);
    return request;
}

void call_answer_json(struct call *call, int status, const struct buf *json)
{
    struct http_request *request = call_take_request(call);
    if (!request)
        return;
    // What is made may be a credential; what is read holds none.
    if (http_method(request) == HTTP_M_GET || http_method(request) == HTTP_M_HEAD)
        http_may_compress(request);
    http_respond(request, status, "application/json", json->data, json->len);
}

void call_fail(struct call *call, int err, const char *detail)
{
    struct http_request *request = call_take_request(call);
    if (request)
        http_respond_error(request, err, detail);
}

void call_fail_fields(struct call *call, const struct http_field_error *fields, size_t count)
{
    struct http_request *request = call_take_request(call);
    if (request)
        http_respond_invalid(request, fields, count);
}

// --- Routes

struct path_match {
    struct str execution_id, parameter;
};

static bool path_matches(const char *pattern, struct str path, struct path_match *ret)
{
    struct str left = str_of(pattern);
    size_t fixed = strcspn(pattern, "{"); // most patterns are told apart by their beginning
    *ret = (struct path_match){0};
    if (path.len < fixed || memcmp(path.data, pattern, fixed) != 0)
        return false;
    while (left.len || path.len) {
        bool more_left = memchr(left.data, '/', left.len) != NULL, more_path = memchr(path.data, '/', path.len) != NULL;
        struct str want = str_split(&left, '/'), have = str_split(&path, '/');
        if (more_left != more_path)
            return false;
        if (str_eq(want, STR("{id}")) && have.len)
            ret->execution_id = have;
        else if (str_eq(want, STR("{name}")) && have.len)
            ret->parameter = have;
        else if (!str_eq(want, have))
            return false;
    }
    return true;
}

static bool has_head(const struct route *route)
{
    return route->method == HTTP_M_GET && !(route->flags & ROUTE_UPGRADE);
}

static const struct route *find_route(enum http_method method, struct str path, struct path_match *ret,
                                      bool *ret_other_method)
{
    *ret_other_method = false;
    for (const struct route *route = routes; route->pattern; route++) {
        if (!path_matches(route->pattern, path, ret))
            continue;
        if (route->method == method || (method == HTTP_M_HEAD && has_head(route)))
            return route;
        *ret_other_method = true;
    }
    return NULL;
}

static void add_allow(struct http_request *request, struct str path)
{
    static const char *const names[] = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"};
    CLEANUP(buf_release) struct buf allow = {0};
    struct path_match match;
    for (const struct route *route = routes; route->pattern; route++) {
        if (!path_matches(route->pattern, path, &match))
            continue;
        buf_printf(&allow, "%s%s", allow.len ? ", " : "", names[route->method]);
        if (has_head(route))
            buf_append_text(&allow, ", HEAD");
    }
    http_add_header(request, "Allow", arena_dup(http_arena(request), buf_str(&allow)));
}

// --- Credential, role, execution

static void call_refuse(struct call *call, int err)
{
    // Browsers do not show a script the status of a refused upgrade, so known callers get the reason as a close code.
    bool tellable = err == ERR_NOT_FOUND || err == ERR_EXPIRED || err == ERR_FORBIDDEN || err == ERR_SUSPENDED;
    if (tellable && call->request && (call->route->flags & ROUTE_UPGRADE) && ws_is_upgrade(call->request)) {
        call->execution.purged = err == ERR_EXPIRED;
        call->check.err = err;
        call->route->handle(call);
        return;
    }
    call_fail(call, err, execution_error_text(err));
}

static bool call_may(const struct call *call)
{
    const struct route *route = call->route;
    const struct principal *principal = &call->principal;
    if (call->action == ACTION_PUBLIC || role_may(principal->role, call->action))
        return true;
    return (route->flags & ROUTE_OWN) && principal->role == ROLE_USER;
}

int api_standing(struct api *api, struct principal *principal)
{
    uint64_t generation = auth_generation(api->options.auth);
    bool expired = principal->expires_ms && (uint64_t)clock_real_ms() >= principal->expires_ms;
    if (!expired && principal->generation == generation)
        return 0;
    principal->generation = generation;
    return auth_standing(api->options.auth, principal);
}

// A body, or an answer of the store, may have been long in coming. False after having answered.
static bool call_stands(struct call *call)
{
    int err = call->action == ACTION_PUBLIC ? 0 : api_standing(call->api, &call->principal);
    if (err == ERR_SUSPENDED && !call->before_body)
        call_refuse(call, err);
    else if (err)
        call_fail(call, err, NULL);
    return err == 0;
}

static void call_with_execution(struct call *call)
{
    call->execution = call->kept->execution;
    if (!call_stands(call))
        return;
    if (!principal_owns(&call->principal, &call->execution))
        call_refuse(call, ERR_NOT_FOUND);
    else if (call->execution.purged && !(call->route->flags & ROUTE_PURGED))
        call_refuse(call, ERR_EXPIRED);
    else
        call->route->handle(call);
}

static void call_got_execution(struct store_op *op)
{
    struct call *call = CONTAINER_OF(op, struct call, get.op);

    if (op->err == 0)
        call->kept = execution_cache_keep(call->api->executions, &call->get);
    if (call->request && op->err)
        call_refuse(call, op->err);
    else if (call->request)
        call_with_execution(call);
    call_unref(call);
}

static void call_get_execution(struct call *call)
{
    if (!id_execution_valid(call->execution_id)) {
        call_refuse(call, ERR_NOT_FOUND);
        return;
    }
    call->kept = execution_cache_find(call->api->executions, call->principal.account, call->execution_id);
    if (call->kept) {
        call_with_execution(call);
        return;
    }
    memcpy(call->execution_id_copy, call->execution_id.data, call->execution_id.len);
    call->get = (struct store_get){
        .op = {.kind = STORE_GET, .reply_to = call->api->options.loop, .done = call_got_execution},
        .account = call->principal.account,
        .execution_id = str_n(call->execution_id_copy, call->execution_id.len),
    };
    call_ref(call);
    store_submit(call->api->options.store, &call->get.op);
}

static void call_read_body(struct call *call)
{
    call->before_body = false;
    http_read_body(call->request);
}

static void call_go_on(struct call *call)
{
    if (!call_stands(call))
        return;
    http_charge_to(call->request, call->principal.account);
    if (call->before_body && call_may(call))
        call_read_body(call);
    else if (call->before_body)
        call_fail(call, ERR_FORBIDDEN, NULL); // a refusal in another form, as for an upgrade, is for whole requests
    else if (!call_may(call))
        call_refuse(call, ERR_FORBIDDEN);
    else if (call->route->flags & ROUTE_EXECUTION)
        call_get_execution(call);
    else
        call->route->handle(call);
}

static void call_checked(struct auth_check *check)
{
    struct call *call = CONTAINER_OF(check, struct call, check);

    call->principal = check->principal;
    if (call->request && check->err == ERR_SUSPENDED && !call->before_body)
        call_refuse(call, check->err);
    else if (call->request && check->err)
        call_fail(call, check->err, NULL);
    else if (call->request)
        call_go_on(call);
    call_unref(call);
}

// What stands in URLs stands in histories and in proxies' logs.
#define KEY_IN_URL      "an API key must not be sent in a URL; get a ticket from POST /api/v1/tickets"
#define KEY_IN_PROTOCOL "an API key must not be sent as a subprotocol; get a ticket from POST /api/v1/tickets"
#define TICKET_PROTOCOL "runnel.ticket."

// "Sec-WebSocket-Protocol: runnel.v1, runnel.ticket.TICKET": browsers let a script set that one header.
static bool protocol_token(struct call *call, struct str *ret)
{
    struct str offered = http_header(call->request, STR("Sec-WebSocket-Protocol"));
    while (offered.len) {
        struct str one = str_trim(str_split(&offered, ','));
        if (!str_starts(one, STR(TICKET_PROTOCOL)))
            continue;
        *ret = str_n(one.data + strlen(TICKET_PROTOCOL), one.len - strlen(TICKET_PROTOCOL));
        return true;
    }
    return false;
}

// A proxy in front may want Authorization for itself, so what is sent in X-Runnel-Token goes before it.
static struct str header_token(const struct http_request *request)
{
    struct str own = str_trim(http_header(request, STR("X-Runnel-Token")));
    struct str header = http_header(request, STR("Authorization"));
    if (own.len > 0)
        return own;
    if (header.len > 7 && str_eq_nocase(str_n(header.data, 7), STR("Bearer ")))
        return str_trim(str_n(header.data + 7, header.len - 7));
    return (struct str){0};
}

// The credential, and in *ret_ticket whether it came where only tickets may. False after having answered.
static bool find_token(struct call *call, struct str *ret, bool *ret_ticket)
{
    const char *key_misplaced = NULL;

    *ret = header_token(call->request);
    *ret_ticket = false;
    if (!ret->len && (call->route->flags & ROUTE_STREAM)) {
        if (http_param(call->request, STR("access_token"), ret))
            key_misplaced = KEY_IN_URL;
        else if (ws_is_upgrade(call->request) && protocol_token(call, ret))
            key_misplaced = KEY_IN_PROTOCOL;
        *ret_ticket = key_misplaced != NULL;
    }
    bool misplaced = key_misplaced && str_starts(*ret, STR("rnl_"));
    if (misplaced || !ret->len)
        call_fail(call, ERR_UNAUTHORIZED, misplaced ? key_misplaced : NULL);
    return !misplaced && ret->len;
}

static void call_authenticate(struct call *call)
{
    struct str token;
    bool ticket;

    if (!find_token(call, &token, &ticket))
        return;
    const struct ticket_use use = {(unsigned)(call->route - routes) + 1, call->execution_id};
    call_ref(call);
    auth_check(call->api->options.auth, &call->check, call->api->options.loop, token, ticket ? &use : NULL,
               http_peer(call->request), call_checked);
}

static enum action route_action(const struct api *api, const struct route *route)
{
    return (route->flags & ROUTE_METRICS) && api->limits->metrics_credential ? ACTION_READ : route->action;
}

// From the head of a request; NULL after having answered.
static struct call *call_new(struct api *api, struct http_request *request)
{
    struct path_match match;
    struct str path;
    bool other_method;

    http_add_header(request, "X-Runnel-Incarnation", store_incarnation(api->options.store));
    if (!front_admit(api, request, &path))
        return NULL;
    const struct route *route = find_route(http_method(request), path, &match, &other_method);
    if (!route) {
        if (other_method)
            add_allow(request, path);
        http_respond_error(request, other_method ? ERR_METHOD : ERR_NO_ROUTE, other_method ? NULL : "no such route");
        return NULL;
    }
    enum action action = route_action(api, route);
    if (action != ACTION_PUBLIC && !front_plain_allowed(api, request)) {
        http_respond_error(request, ERR_FORBIDDEN,
                           "plain HTTP is for this machine only; use https, by the server's TLS or a trusted proxy's");
        return NULL;
    }
    if (api->draining && action != ACTION_PUBLIC) {
        http_respond_error(request, ERR_SHUTTING_DOWN, NULL);
        return NULL;
    }

    struct call *call = xcalloc(1, sizeof *call);
    *call = (struct call){.api = api, .request = request, .route = route, .action = action, .refs = 1};
    call_watch(call);
    if (!percent_decode(http_arena(request), match.execution_id, false, &call->execution_id) ||
        !percent_decode(http_arena(request), match.parameter, false, &call->parameter)) {
        call_fail(call, ERR_MALFORMED, "the path has a malformed percent escape");
        return NULL;
    }
    return call;
}

// A body is not read for somebody who may not send it.
static void api_head(void *arg, struct http_request *request)
{
    struct call *call = call_new(arg, request);
    if (!call)
        return;
    call->before_body = true;
    call_ref(call);
    if (!(call->route->flags & ROUTE_BODY))
        call_fail(call, ERR_TOO_LARGE, "this route takes no body; send the request without one");
    else if (call->action == ACTION_PUBLIC)
        call_read_body(call);
    else
        call_authenticate(call);
    call_unref(call);
}

static void api_request(void *arg, struct http_request *request)
{
    struct call *call = http_abort_arg(request);
    bool judged = call != NULL;
    if (!judged)
        call = call_new(arg, request);
    if (!call)
        return;
    call->began_ns = clock_mono_ns();
    call_ref(call);
    if (call->action == ACTION_PUBLIC)
        call->route->handle(call);
    else if (judged)
        call_go_on(call);
    else
        call_authenticate(call);
    call_unref(call);
}

// --- Streams

void stream_add(struct stream_node *stream, struct api *api, const struct principal *principal)
{
    stream->api = api;
    stream->principal = *principal;
    auth_stream_opened(api->options.auth, principal);
    list_push_back(&api->streams, &stream->node);
    api->stream_count++;
}

void stream_remove(struct stream_node *stream)
{
    list_remove(&stream->node);
    struct api *api = stream->api;
    auth_stream_closed(api->options.auth, &stream->principal);
    if (--api->stream_count == 0 && api->fewer)
        api->fewer(api->fewer_arg);
}

static void api_sweep(void *arg)
{
    struct api *api = arg;
    LIST_FOR_EACH_SAFE(node, next, &api->streams) {
        struct stream_node *stream = CONTAINER_OF(node, struct stream_node, node);
        int err = api_standing(api, &stream->principal);
        if (err == ERR_SUSPENDED)
            stream->end(stream, CLOSE_SUSPENDED, error_text(err));
        else if (err)
            stream->end(stream, 4401, "the credential has run out");
    }
    timer_start(api->sweep, SWEEP_MS);
}

static void api_live_changed(void *owner, int64_t row)
{
    struct api *api = owner;
    fanout_live_changed(api->options.fanout, row);
}

static struct stream_node *find_holder(struct api *api, uint64_t holder)
{
    LIST_FOR_EACH_SAFE(node, next, &api->streams) {
        struct stream_node *stream = CONTAINER_OF(node, struct stream_node, node);
        if (stream->holder == holder)
            return stream;
    }
    return NULL;
}

static void api_runner_replaced(void *owner, uint64_t holder)
{
    struct stream_node *stream = find_holder(owner, holder);
    if (stream)
        stream->end(stream, 4409, "another connection took its place");
}

static void api_runner_cancel(void *owner, uint64_t holder, const char *reason)
{
    struct stream_node *stream = find_holder(owner, holder);
    if (stream)
        stream->cancel(stream, reason);
}

const struct hub_listener api_hub_listener = {api_live_changed, api_runner_replaced, api_runner_cancel};

// --- Life

struct api *api_new(const struct api_options *options, const struct api_limits *limits)
{
    struct api *api = xcalloc(1, sizeof *api);
    api->options = *options;
    api->parser = record_parser_new(0);
    api->executions = execution_cache_new(options->store, EXECUTIONS_MAX);
    list_init(&api->streams);
    intake_gate_init(&api->gate, options->loop, options->budget);
    api->sweep = timer_new(options->loop, api_sweep, api);
    timer_start(api->sweep, SWEEP_MS);
    api_set_limits(api, limits);
    return api;
}

void api_set_limits(struct api *api, const struct api_limits *limits)
{
    api->limits = limits;
    if (api->strict_parser && api->strict_max == limits->message_max)
        return;
    record_parser_free(&api->strict_parser);
    api->strict_parser = record_parser_new(limits->message_max);
    api->strict_max = limits->message_max;
}

void api_free(struct api **api)
{
    if (!*api)
        return;
    timer_free(&(*api)->sweep);
    intake_gate_release(&(*api)->gate);
    execution_cache_free(&(*api)->executions);
    record_parser_free(&(*api)->parser);
    record_parser_free(&(*api)->strict_parser);
    free(*api);
    *api = NULL;
}

// Every refusal, also those that no handler saw: of what cannot be parsed, of hosts, origins and routes.
static void api_failed(void *arg, int err)
{
    struct api *api = arg;
    metrics_refused(api->options.metrics, api->options.shard, err);
}

struct http_app api_http_app(struct api *api)
{
    return (struct http_app){.head = api_head,
                             .request = api_request,
                             .refused = front_refused,
                             .failed = api_failed,
                             .app = api,
                             .logger = api->options.logger};
}

void api_drain(struct api *api, void (*fewer)(void *arg), void *arg)
{
    api->draining = true;
    api->fewer = fewer;
    api->fewer_arg = arg;
    LIST_FOR_EACH_SAFE(node, next, &api->streams) {
        struct stream_node *stream = CONTAINER_OF(node, struct stream_node, node);
        if (stream->finish)
            stream->finish(stream);
        else
            stream->end(stream, 1001, GOING_AWAY);
    }
}

void api_close(struct api *api)
{
    api->draining = true;
    api->fewer = NULL;
    while (!list_empty(&api->streams)) {
        struct stream_node *stream = CONTAINER_OF(api->streams.next, struct stream_node, node);
        stream->end(stream, 1001, GOING_AWAY);
    }
}

unsigned api_streams(const struct api *api)
{
    return api->stream_count;
}

void api_document(struct buf *out)
{
    static const char *const methods[] = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"};
    buf_append_text(out, "| method | path | roles | what |\n|---|---|---|---|\n");
    for (const struct route *route = routes; route->pattern; route++) {
        buf_printf(out, "| %s | `%s` |", methods[route->method], route->pattern);
        if (route->action == ACTION_PUBLIC)
            buf_append_text(out, " no credential");
        for (enum role role = ROLE_VIEWER; route->action != ACTION_PUBLIC && role < ROLE_COUNT; role++) {
            if (role_may(role, route->action))
                buf_printf(out, " %s", role_name(role));
            else if (role == ROLE_USER && (route->flags & ROUTE_OWN))
                buf_append_text(out, " user (own)");
        }
        buf_printf(out, " | %s |\n", route->summary);
    }
}
