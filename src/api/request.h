// The way from a request to its handler: host and origin, route, credential, role, execution. For http_app.
#pragma once

#include "api/call.h"

void request_head(void *api, struct http_request *request);  // http_app.head
void request_whole(void *api, struct http_request *request); // http_app.request
