// Readers that stay connected: streamed answers, server-sent events and WebSockets.
#pragma once

#include "api/log_query.h"

// Handlers.
void follow_sse(struct call *call);
void follow_ws(struct call *call);
void follow_batch_sse(struct call *call);          // the status of a batch
void follow_streams(struct call *call);            // one WebSocket for many logs and batches
void follow_ws_refuse(struct call *call, int err); // accepts the socket only to say why not

void follow_http(struct call *call, struct log_query *query); // takes over what the query holds
