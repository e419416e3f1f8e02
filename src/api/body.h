// JSON bodies of requests.
#pragma once

#include "api/call.h"

#include <jansson.h>

// Whether JSON is nested no deeper, and has no more values. To be asked before jansson reads it, which is recursive and
// takes up to a hundred bytes for a value of two.
bool json_shape_within(struct str s, unsigned depth_max, size_t values_max);
// Returns the body as a JSON object; NULL after it has answered 400, 413, 415 or 422.
json_t *call_json_object(struct call *call);
char *json_text(const json_t *value); // compact, with sorted keys; owned by the caller
