// URLs of servers, as users write them.
#pragma once

#include "util/str.h"

// The host of a URL, without user, port and brackets; a view into `url`.
struct str url_host(const char *url);
// "user:password" of a URL that has one, as written there; else empty. A view into `url`.
struct str url_user(const char *url);
char *url_without_user(const char *url); // to be shown; malloc
// localhost, ::1 and 127.0.0.0/8 as four numbers, so that 127.example.com is none.
bool url_is_loopback(const char *url);
// Where a redirect leads for the whole server: *ret (malloc) is `location` without the path of the request, if it is
// the same host by https and the rest of the path is the same. False for any other: a credential is not taken
// elsewhere.
bool url_redirected(const char *url, const char *path_and_query, const char *location, char **ret);
