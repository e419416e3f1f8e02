// JSON bodies of requests.
#pragma once

#include "api/call.h"

#include <jansson.h>

// The body as a JSON object; NULL after having answered 400, 413, 415 or 422.
json_t *call_json_object(struct call *call);
char *json_text(const json_t *value); // compact, keys sorted; owned by the caller
