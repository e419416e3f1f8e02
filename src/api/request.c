// The way from a request to its handler: host and origin, route, credential, role, execution.
#include "api/request.h"

#include "api/origin.h"
#include "api/reading.h"
#include "api/streams.h"
#include "util/base64.h"
#include "util/clock.h"

// --- Credential, role, execution

static void add_known(void *arg, struct json_writer *json)
{
    resource_tell(arg, json);
}

static void call_refuse(struct call *call, int err)
{
    // Browsers do not show a script the status of a refused upgrade. So callers that are known get the reason as a
    // close code.
    bool tellable = err == ERR_NOT_FOUND || err == ERR_EXPIRED || err == ERR_FORBIDDEN || err == ERR_SUSPENDED;
    if (tellable && call->request && call->route->refuse && ws_is_upgrade(call->request))
        call->route->refuse(call, err);
    else if (err == ERR_EXPIRED)
        call_fail_with(call, err, NULL, add_known, call);
    else
        call_fail(call, err, resource_error_text(call, err));
}

static bool call_may(const struct call *call)
{
    return call->action == ACTION_PUBLIC || role_may(call->principal.role, call->action);
}

static void call_read_again(struct call *call);

static void call_handle(struct call *call)
{
    if (call->route->flags & ROUTE_BLOBS && !call->api->options.blobs)
        call_fail(call, ERR_UNSUPPORTED, "this server keeps no files");
    else if (!fields_check(call)) // it has answered
        return;
    else if (reading_is_due(call))
        reading_wait(call, call_read_again);
    else
        call->route->handle(call);
}

// Checks again that the caller may: a body, or an answer of the store, may have taken long. Returns false after it has
// answered.
static bool call_stands(struct call *call)
{
    int err = call->action == ACTION_PUBLIC ? 0 : api_standing(call->api, &call->principal);
    if (err == 0 && call->principal.run_late && call->action != ACTION_BLOB && call->action != ACTION_LEAVE)
        err = ERR_SEALED;
    if (err == ERR_SUSPENDED && !call->before_body)
        call_refuse(call, err);
    else if (err)
        call_fail(call, err, NULL);
    return err == 0;
}

static void call_loaded(struct call *call, int err)
{
    if (err == 0 && !call_stands(call))
        return;
    if (err == 0)
        err = resource_judge(call);
    if (err)
        call_refuse(call, err);
    else
        call_handle(call);
}

// What was loaded is of the time before its log came.
static void call_read_again(struct call *call)
{
    kept_execution_unref(&call->lookup.kept);
    call->execution = (struct execution){0};
    resource_load(call, call_loaded);
}

static void call_read_body(struct call *call)
{
    call->before_body = false;
    if (call->route->body_max)
        http_read_body_max(call->request, call->route->body_max);
    else
        http_read_body(call->request);
}

static void call_go_on(struct call *call)
{
    if (!call_stands(call))
        return;
    http_charge_to(call->request, call->principal.account);
    bool content = call->route->flags & ROUTE_CONTENT;
    if (call->before_body && call_may(call) && !content)
        call_read_body(call);
    else if (call->before_body && !call_may(call))
        // A refusal in another form, such as for an upgrade, is possible only with the whole request.
        call_fail(call, ERR_FORBIDDEN, NULL);
    else if (!call_may(call))
        call_refuse(call, ERR_FORBIDDEN);
    else if (call->route->resource)
        resource_load(call, call_loaded);
    else
        call_handle(call);
}

// A genuine token that is worth nothing: whoever has set up its issuer should hear of it.
static void tell_strange(const struct call *call)
{
    struct api *api = call->api;
    uint64_t left_out;
    if (log_limiter_pass(&api->strange_tokens, clock_mono_ms(), &left_out))
        log_warn(api->options.logger, "a token was refused", LOG_S("reason", call->check.reason),
                 LOG_S("peer", call->check.peer), LOG_I("left_out", left_out));
}

static void call_checked(struct auth_check *check)
{
    struct call *call = CONTAINER_OF(check, struct call, check);

    call->principal = check->principal;
    if (check->err && check->strange)
        tell_strange(call);
    if (call->request && check->err == ERR_SUSPENDED && !call->before_body)
        call_refuse(call, check->err);
    else if (call->request && check->err)
        call_fail(call, check->err, check->reason);
    else if (call->request)
        call_go_on(call);
    call_unref(call);
}

#define TICKET_PROTOCOL "runnel.ticket."

// Reads "Sec-WebSocket-Protocol: runnel.v1, runnel.ticket.TICKET". It is the only header that a browser's script can
// set.
static bool protocol_token(const struct call *call, struct str *ret)
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

// A proxy in front may need Authorization for itself. So X-Runnel-Token, if it is sent, is used before Authorization.
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

// Agents that push logs often know HTTP's Basic scheme alone: the password is the credential, the name says nothing.
static struct str basic_password(struct http_request *request)
{
    struct str header = http_header(request, STR("Authorization"));
    if (header.len <= 6 || !str_eq_nocase(str_n(header.data, 6), STR("Basic ")))
        return (struct str){0};
    struct str coded = str_trim(str_n(header.data + 6, header.len - 6));
    size_t len = coded.len;
    char *text = arena_alloc(http_arena(request), len);
    if (!base64_decode(coded, (uint8_t *)text, &len))
        return (struct str){0};
    struct str password = str_n(text, len);
    str_split(&password, ':');
    return password;
}

static struct credential find_credential(const struct call *call)
{
    struct credential ret = {
        .text = header_token(call->request),
        .place = CREDENTIAL_IN_HEADER,
        .use = {(unsigned)(call->route - call->api->options.routes) + 1, call_capture(call, "id")},
    };
    if (!ret.text.len && call->route->flags & ROUTE_DELIVERY)
        ret.text = str_trim(http_header(call->request, STR("X-Amz-Firehose-Access-Key")));
    if (!ret.text.len && call->route->flags & ROUTE_EXPORT)
        ret.text = basic_password(call->request);
    if (ret.text.len || !(call->route->flags & ROUTE_TICKET))
        return ret;
    if (http_param(call->request, STR("access_token"), &ret.text))
        ret.place = CREDENTIAL_IN_URL;
    else if (ws_is_upgrade(call->request) && protocol_token(call, &ret.text))
        ret.place = CREDENTIAL_IN_PROTOCOL;
    return ret;
}

static void call_authenticate(struct call *call)
{
    struct credential credential = find_credential(call);
    const char *misplaced = auth_misplaced(&credential);

    if (misplaced || !credential.text.len) {
        call_fail(call, ERR_UNAUTHORIZED, misplaced);
        return;
    }
    call_ref(call);
    auth_check(call->api->options.auth, &call->check, call->api->options.loop, &credential, http_peer(call->request),
               call_checked);
}

static enum action route_action(const struct api *api, const struct route *route)
{
    return (route->flags & ROUTE_METRICS) && api->limits->metrics_credential ? ACTION_READ : route->action;
}

static void refuse_unrouted(struct http_request *request, const struct route_match *match)
{
    CLEANUP(buf_release) struct buf allow = {0};
    if (!match->others) {
        http_respond_error(request, ERR_NO_ROUTE, "no such route");
        return;
    }
    route_allow(match->others, &allow);
    http_add_header(request, "Allow", arena_dup(http_arena(request), buf_str(&allow)));
    http_respond_error(request, ERR_METHOD, NULL);
}

static bool take_captures(struct call *call, const struct route_match *match)
{
    call->capture_count = match->capture_count;
    for (unsigned i = 0; i < match->capture_count; i++) {
        call->captures[i] = match->captures[i];
        if (!percent_decode(http_arena(call->request), match->captures[i].value, false, &call->captures[i].value))
            return false;
    }
    return true;
}

// Made when the head of a request has come. Returns NULL after it has answered.
static struct call *call_new(struct api *api, struct http_request *request)
{
    struct route_match match;
    struct str path;

    http_add_header(request, "X-Runnel-Incarnation", store_incarnation(api->options.store));
    if (!origin_admit(api, request, &path))
        return NULL;
    route_tree_find(api->tree, http_method(request), path, &match);
    if (!match.route) {
        refuse_unrouted(request, &match);
        return NULL;
    }
    enum action action = route_action(api, match.route);
    if (action != ACTION_PUBLIC && !origin_plain_allowed(api, request)) {
        http_respond_error(request, ERR_FORBIDDEN,
                           "plain HTTP is for this machine only; use https, by the server's TLS or a trusted proxy's");
        return NULL;
    }
    if (api->draining && action != ACTION_PUBLIC) {
        http_respond_error(request, ERR_SHUTTING_DOWN, NULL);
        return NULL;
    }

    struct call *call = xcalloc(1, sizeof(*call));
    *call = (struct call){.api = api, .request = request, .route = match.route, .action = action, .refs = 1};
    http_set_tag(request, (unsigned)(match.route - api->options.routes) + 1);
    call_watch(call);
    if (!take_captures(call, &match)) {
        call_fail(call, ERR_MALFORMED, "the path has a malformed percent escape");
        return NULL;
    }
    return call;
}

// The body of somebody who may not send one is not read.
void request_head(void *arg, struct http_request *request)
{
    struct call *call = call_new(arg, request);
    if (!call)
        return;
    call->before_body = true;
    call_ref(call);
    if (!route_takes_body(call->route))
        call_fail(call, ERR_TOO_LARGE, "this route takes no body; send the request without one");
    else if (call->action == ACTION_PUBLIC)
        call_read_body(call);
    else
        call_authenticate(call);
    call_unref(call);
}

void request_whole(void *arg, struct http_request *request)
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
        call_handle(call);
    else if (judged)
        call_go_on(call);
    else
        call_authenticate(call);
    call_unref(call);
}
