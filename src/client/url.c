#include "client/url.h"

struct str url_host(const char *url)
{
    const char *host = strstr(url, "://");
    host = host ? host + 3 : url;
    size_t len = strcspn(host, "/?#");
    const char *at = memchr(host, '@', len);
    if (at) {
        len -= (size_t)(at + 1 - host);
        host = at + 1;
    }
    if (*host == '[')
        return str_n(host + 1, strcspn(host + 1, "]"));
    return str_n(host, MIN(len, strcspn(host, ":")));
}

bool url_is_loopback(const char *url)
{
    struct str host = url_host(url);
    if (str_eq_nocase(host, STR("localhost")) || str_eq(host, STR("::1")))
        return true;
    struct str rest = host;
    for (int i = 0; i < 4; i++) {
        uint64_t number;
        if (!str_to_u64(str_split(&rest, '.'), &number) || number > 255 || (i == 0 && number != 127))
            return false;
    }
    return rest.len == 0;
}

bool url_redirected(const char *url, const char *path_and_query, const char *location, char **ret)
{
    struct str to = str_of(location), path = str_of(path_and_query);
    if (!str_starts(str_of(url), STR("http://")) || !str_starts(to, STR("https://")))
        return false;
    if (!str_eq_nocase(url_host(url), url_host(location)))
        return false;
    if (to.len < path.len || memcmp(to.data + to.len - path.len, path.data, path.len) != 0)
        return false;
    *ret = str_dup(str_n(to.data, to.len - path.len));
    return true;
}

struct str url_user(const char *url)
{
    const char *start = strstr(url, "://");
    start = start ? start + 3 : url;
    size_t len = strcspn(start, "/?#");
    const char *at = memrchr(start, '@', len);
    return at ? str_n(start, (size_t)(at - start)) : str_n(start, 0);
}

char *url_without_user(const char *url)
{
    struct str user = url_user(url);
    if (user.len == 0)
        return xstrdup(url);
    return xasprintf("%.*s%s", (int)(user.data - url), url, user.data + user.len + 1);
}
