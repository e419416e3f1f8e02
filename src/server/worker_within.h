// Whether a server has a worker within (server/embedded.h), and how it is started by the server's settings.
#pragma once

#include "server/config.h"
#include "server/embedded.h"

// `port`: where the server listens by TCP; 0: nowhere. NULL: there is to be none.
struct embedded *worker_within_start(const struct config *config, unsigned port, const char *base_path,
                                     struct loop *loop, const struct logger *logger);
