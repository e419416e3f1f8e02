// The table of routes: the top of this room, which nothing in it looks up to. The wiring hands it to api_new.
#pragma once

#include "api/route.h"

extern const struct route api_routes[]; // ends with a NULL pattern
