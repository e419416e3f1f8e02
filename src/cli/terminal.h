// Lets only text and colour (SGR) of a job's output reach a terminal. Everything else is shown and not obeyed.
#pragma once

#include "util/buf.h"

// ESC is shown as ^[ and other control characters in the same way; C1 controls, and those that change the direction of
// writing, as <U+009B>; bytes that are not UTF-8 as U+FFFD. Tabs pass. Text after a newline is indented, so that it
// cannot look like a line of its own. If a colour was set, it is reset at the end.
void terminal_append(struct buf *out, struct str text);
void terminal_append_plain(struct buf *out, struct str text); // no colour either: ESC is shown
// For a cell of a table: white space is one space, so that it is one line, and colours are shown, too.
void terminal_append_cell(struct buf *out, struct str text);
