// The table of routes. It is the top of this room: nothing in the room uses it. The wiring gives it to api_new.
#pragma once

#include "api/route.h"

extern const struct route api_routes[]; // ends with a NULL pattern
