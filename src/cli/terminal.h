// What of a job's output may reach a terminal: text and colour (SGR). All else is shown instead of obeyed.
#pragma once

#include "util/buf.h"

// ESC is shown as ^[, other control characters alike, C1 controls and those that turn the direction of writing as
// <U+009B>, bytes that are not UTF-8 as U+FFFD. Tabs pass; what follows a newline within the text is indented, so that
// it cannot pass for a line of its own. If a colour was set, it is reset at the end.
void terminal_append(struct buf *out, struct str text);
