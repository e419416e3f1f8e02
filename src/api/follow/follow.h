// Readers that stay: streamed answers, server-sent events and WebSockets.
#pragma once

#include "api/log_query.h"

// Handlers.
void follow_sse(struct call *call);
void follow_ws(struct call *call);
void follow_streams(struct call *call);            // one WebSocket for many
void follow_ws_refuse(struct call *call, int err); // accepts only to say why not

void follow_http(struct call *call, struct log_query *query); // takes what the query holds
