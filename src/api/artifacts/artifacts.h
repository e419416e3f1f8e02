// Blobs, and what refers to them: inputs and artifacts of executions. See docs/internals/artifacts.md.
#pragma once

#include "api/call.h"

void blobs_head(struct call *call);
void blobs_put(struct call *call); // ROUTE_CONTENT: before the body
void artifacts_put(struct call *call);
void artifacts_list(struct call *call);
void artifacts_get(struct call *call);
void inputs_get(struct call *call);

// Reads 64 hex digits in lower case.
bool hash_read(struct str text, uint8_t ret[STORE_HASH_LEN]);
extern const struct field_rule rule_hash;
