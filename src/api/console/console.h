// The console: a page within the binary, its script and its styles. They hold nothing of anybody, so they need no
// credential; what the page shows it asks of the interface, with one.
#pragma once

#include "api/call.h"

// Handlers.
void console_page(struct call *call);  // for each address of the console: the script looks which one it is
void console_asset(struct call *call); // {name}
