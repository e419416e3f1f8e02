// What is decided before the route: by which name the server is called, over which transport, from which page, and
// beneath which path.
#include "api/origin.h"

#define PREFLIGHT_HEADERS_MAX 1024

// --- Names of hosts

// "name:port"; without a port, the scheme's. The name keeps the brackets of IPv6.
struct host {
    struct str name, port;
};

static struct host split_host(struct str text, bool https)
{
    struct host host = {text, https ? STR("443") : STR("80")};
    for (size_t i = text.len; i-- > 0;) {
        if (text.data[i] == ']')
            break;
        if (text.data[i] != ':')
            continue;
        host.name = str_n(text.data, i);
        if (i + 1 < text.len)
            host.port = str_n(text.data + i + 1, text.len - i - 1);
        break;
    }
    return host;
}

static bool same_host(struct str a, struct str b, bool https)
{
    struct host one = split_host(a, https), other = split_host(b, https);
    return str_eq_nocase(one.name, other.name) && str_eq(one.port, other.port);
}

// A name without a port in the list allows any port.
static bool host_listed(char *const *list, struct str host, bool https)
{
    struct str name = split_host(host, https).name;
    for (size_t i = 0; list && list[i]; i++)
        if (str_eq_nocase(str_of(list[i]), name) || same_host(str_of(list[i]), host, https))
            return true;
    return false;
}

// A page that a browser loaded from elsewhere must not reach a server on loopback by a name that the page's owner
// controls (DNS rebinding).
static bool host_allowed(const struct api *api, struct str host, bool https)
{
    static const char *const loopback[] = {"localhost", "127.0.0.1", "[::1]"};
    struct str name = split_host(host, https).name;

    for (size_t i = 0; i < ARRAY_LEN(loopback); i++)
        if (str_eq_nocase(name, str_of(loopback[i])))
            return true;
    for (size_t i = 0; i < api->options.listen_count; i++)
        if (str_eq_nocase(name, split_host(str_of(api->options.listen[i]), https).name))
            return true;
    return host_listed(api->limits->allowed_hosts, host, https);
}

// --- Origins

static bool split_origin(struct str origin, bool *ret_https, struct str *ret_host)
{
    static const struct str http = STR("http://"), https = STR("https://");
    struct str scheme = str_starts(origin, https) ? https : http;
    if (!str_starts(origin, scheme))
        return false;
    *ret_https = scheme.len == https.len;
    *ret_host = str_n(origin.data + scheme.len, origin.len - scheme.len);
    return true;
}

// With plain HTTP nobody can tell which scheme the client used: a proxy that is not trusted may have ended its TLS.
static bool origin_is_own(const struct http_request *request, struct str origin)
{
    bool https;
    struct str host;
    return split_origin(origin, &https, &host) && (https || !http_is_https(request)) &&
           same_host(host, http_host(request), https);
}

static bool same_origin(struct str a, struct str b)
{
    bool a_https, b_https;
    struct str a_host, b_host;
    if (!split_origin(a, &a_https, &a_host) || !split_origin(b, &b_https, &b_host))
        return str_eq_nocase(a, b);
    return a_https == b_https && same_host(a_host, b_host, a_https);
}

static bool origin_listed(const struct api *api, struct str origin)
{
    char *const *list = api->limits->cors_origins;
    for (size_t i = 0; list && list[i]; i++)
        if (same_origin(str_of(list[i]), origin))
            return true;
    return false;
}

// --- CORS

static void add_cors(struct http_request *request, struct str origin)
{
    http_add_header(request, "Access-Control-Allow-Origin", arena_dup(http_arena(request), origin));
    http_add_header(
        request, "Access-Control-Expose-Headers",
        "Allow, Date, ETag, Location, Retry-After, WWW-Authenticate, X-Request-ID, X-Runnel-First-Sequence, "
        "X-Runnel-Incarnation, X-Trace-ID, traceparent");
}

static bool is_header_list(struct str list)
{
    for (size_t i = 0; i < list.len; i++)
        if (list.data[i] != ',' && list.data[i] != ' ' && !http_is_token((uint8_t)list.data[i]))
            return false;
    return list.len > 0 && list.len <= PREFLIGHT_HEADERS_MAX;
}

// An allowed origin may send any headers: no header is treated differently because it comes from a page.
static void answer_preflight(struct http_request *request)
{
    struct str wanted = http_header(request, STR("Access-Control-Request-Headers"));
    http_add_header(request, "Access-Control-Allow-Methods", "GET, HEAD, POST, PUT, PATCH, DELETE");
    http_add_header(request, "Access-Control-Allow-Headers",
                    is_header_list(wanted) ? arena_dup(http_arena(request), wanted)
                                           : "Authorization, Content-Type, X-Runnel-Token");
    http_add_header(request, "Access-Control-Max-Age", "600");
    http_add_header(request, "Vary", "Access-Control-Request-Headers");
    http_respond(request, 204, NULL, NULL, 0);
}

// A cache must not give an answer for one origin to pages of another.
static void add_vary(const struct api *api, struct http_request *request)
{
    if (api->limits->cors_origins && api->limits->cors_origins[0])
        http_add_header(request, "Vary", "Origin");
}

static bool check_origin(struct api *api, struct http_request *request)
{
    struct str origin = http_header(request, STR("Origin"));

    add_vary(api, request);
    if (!origin.data || origin_is_own(request, origin))
        return true;
    if (!origin_listed(api, origin)) {
        http_respond_error(request, ERR_FORBIDDEN, "this Origin is not allowed; add it to cors_origins");
        return false;
    }
    add_cors(request, origin);
    if (http_method(request) != HTTP_M_OPTIONS)
        return true;
    answer_preflight(request);
    return false;
}

void origin_refused(void *arg, struct http_request *request, int err)
{
    struct api *api = arg;
    struct str origin = http_header(request, STR("Origin")), host = http_host(request);
    (void)err;
    if (http_header_added(request, "Access-Control-Allow-Origin") || !origin.data ||
        !host_allowed(api, host, http_is_https(request)) || !origin_listed(api, origin))
        return;
    add_vary(api, request);
    add_cors(request, origin);
}

// --- All together

// Returns the path beneath the base path; .data == NULL if it lies outside. `base` is empty, or begins with '/' and
// does not end with one.
static struct str beneath(struct str base, struct str path)
{
    struct str rest = str_n(path.data + base.len, path.len - MIN(base.len, path.len));
    if (!str_starts(path, base) || (base.len > 0 && rest.len > 0 && rest.data[0] != '/'))
        return (struct str){0};
    return rest.len > 0 ? rest : STR("/");
}

bool origin_admit(struct api *api, struct http_request *request, struct str *ret_path)
{
    struct str host = http_host(request), base = str_of(api->options.base_path);

    if (host.data && !host_allowed(api, host, http_is_https(request))) {
        http_respond_error(request, ERR_FORBIDDEN, "this Host is not served here; add it to allowed_hosts");
        return false;
    }
    if (!check_origin(api, request))
        return false;
    *ret_path = beneath(base, http_path(request));
    if (ret_path->data)
        return true;
    http_respond_error(request, ERR_NO_ROUTE,
                       arena_printf(http_arena(request), "all that is served here lies beneath %.*s", STR_ARGS(base)));
    return false;
}

bool origin_plain_allowed(const struct api *api, const struct http_request *request)
{
    return api->options.insecure || http_is_https(request) || http_client_is_local(request);
}
