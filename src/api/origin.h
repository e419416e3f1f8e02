// What is decided before the route: by which name the server is called, over which transport, from which page, and
// beneath which path.
#pragma once

#include "api/api_private.h"

// Checks Host, Origin and base path. *ret_path is the path beneath the base path. Returns false after it has answered.
bool origin_admit(struct api *api, struct http_request *request, struct str *ret_path);
void origin_refused(void *api, struct http_request *request, int err); // http_app.refused
// Whether a credential, and what it gives access to, may travel on this request's transport.
bool origin_plain_allowed(const struct api *api, const struct http_request *request);
