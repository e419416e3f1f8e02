// The runner's socket.
#pragma once

#include "api/call.h"

void runner_socket(struct call *call); // handler
