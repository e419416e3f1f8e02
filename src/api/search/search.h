// Searches: in one log, and over the logs of an account.
#pragma once

#include "api/call.h"

void search_log(struct call *call);  // GET …/logs/search
void search_logs(struct call *call); // GET /api/v1/search
