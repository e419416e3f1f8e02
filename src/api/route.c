#include "api/route.h"

static bool path_matches(const char *pattern, struct str path, struct route_match *ret)
{
    struct str left = str_of(pattern);
    size_t fixed = strcspn(pattern, "{"); // most patterns are told apart by their beginning
    *ret = (struct route_match){0};
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

const struct route *route_find(const struct route *routes, enum http_method method, struct str path,
                               struct route_match *ret, bool *ret_other_method)
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

void route_add_allow(const struct route *routes, struct http_request *request, struct str path)
{
    static const char *const names[] = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"};
    CLEANUP(buf_release) struct buf allow = {0};
    struct route_match match;
    for (const struct route *route = routes; route->pattern; route++) {
        if (!path_matches(route->pattern, path, &match))
            continue;
        buf_printf(&allow, "%s%s", allow.len ? ", " : "", names[route->method]);
        if (has_head(route))
            buf_append_text(&allow, ", HEAD");
    }
    http_add_header(request, "Allow", arena_dup(http_arena(request), buf_str(&allow)));
}

void route_document(const struct route *routes, struct buf *out)
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
