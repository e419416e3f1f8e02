// Logs: reading by one request, and appending by POST.
#pragma once

#include "api/log_query.h"
#include "ingest/submission.h"

// Handlers.
void logs_read(struct call *call);
void logs_append(struct call *call);

// Returns true, after it has answered, if the account has as many records on their way to the store as it may have.
bool logs_append_denied(struct call *call);
struct submission_target logs_target(const struct call *call, int64_t row); // whose records they are
void logs_page(struct call *call, struct log_query *query);                 // takes over what the query holds
