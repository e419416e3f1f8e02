// Logs: read by one request, and appended to by POST.
#pragma once

#include "api/log_query.h"

// Handlers.
void logs_read(struct call *call);
void logs_append(struct call *call);

void logs_page(struct call *call, struct log_query *query); // takes what the query holds
