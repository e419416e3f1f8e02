// URLs of servers, as users write them.
#pragma once

#include "util/str.h"

// Returns the host of a URL, without user, port and brackets; a view into `url`.
struct str url_host(const char *url);
// Returns "user:password" as the URL has it, else an empty view. A view into `url`.
struct str url_user(const char *url);
char *url_without_user(const char *url); // for messages; malloc
// True for localhost, ::1 and 127.0.0.0/8. Only four numbers count as an address, so 127.example.com is not loopback.
bool url_is_loopback(const char *url);
// Finds where a redirect of one request leads for the whole server. True if `location` is https on the same host, and
// the rest of its path is the path of the request; *ret (malloc) is `location` without that path. False for any other
// redirect: a credential must not be sent elsewhere.
bool url_redirected(const char *url, const char *path_and_query, const char *location, char **ret);
