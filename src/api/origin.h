// What is settled before the route: by which name and over what the server is called, from which page, and beneath
// which path.
#pragma once

#include "api/api_private.h"

// Host, Origin and base path of a request; the path beneath that. False after having answered.
bool origin_admit(struct api *api, struct http_request *request, struct str *ret_path);
void origin_refused(void *api, struct http_request *request, int err); // http_app.refused
// Whether a credential and what it shows may travel as this request does.
bool origin_plain_allowed(const struct api *api, const struct http_request *request);
