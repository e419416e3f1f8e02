// JSON for what followers are told in addition to records.
#pragma once

#include "api/call.h"
#include "fanout/follower.h"

// `execution_id`: of a reader of several; NULL else.
void append_position(struct buf *out, const struct follower *follower, const char *execution_id);
void append_gap(struct buf *out, const struct follower *follower, const char *execution_id);
void append_state(struct buf *out, const struct execution *execution, const struct execution_live *live,
                  const char *execution_id);
void append_complete(struct buf *out, const struct execution *execution);
void append_stream_error(struct buf *out, struct str execution_id, int err);
