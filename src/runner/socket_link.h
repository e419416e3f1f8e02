// A delivery's link over a WebSocket of its own. It registers the run first if the server does not know it.
#pragma once

#include "runner/delivery.h"

// `options` live until it is freed; the run file is kept up to date, and `changed` called.
struct delivery_link *socket_link_new(const struct delivery_options *options);
