// The server's log, as its settings say.
#pragma once

#include "server/config.h"
#include "util/log.h"

struct logger logging_of(const struct config *config); // on stderr
