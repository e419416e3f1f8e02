// Workers: one socket for all executions of a worker. See docs/internals/jobs.md, "The worker's socket".
#pragma once

#include "api/call.h"

void workers_socket(struct call *call); // handler
