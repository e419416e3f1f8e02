// JSON bodies of requests.
#pragma once

#include "api/call.h"
#include "util/json_shape.h"

#include <jansson.h>

// Returns the body as a JSON object; NULL after it has answered 400, 413, 415 or 422.
json_t *call_json_object(struct call *call);
char *json_text(const json_t *value); // compact, with sorted keys; owned by the caller
