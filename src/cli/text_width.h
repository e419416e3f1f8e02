// How much room a text takes on a terminal.
#pragma once

#include "util/buf.h"

// In columns: characters of East Asia and pictures take two, combining ones and colours (SGR) none. `text` is UTF-8
// without control characters.
size_t text_width(struct str text);
// The longest beginning that takes at most `width` columns, in whole characters, with the colours behind it.
size_t text_prefix(struct str text, size_t width);
// Appends the text; if it takes more than `width` columns, its beginning and "…".
void text_append_cut(struct buf *out, struct str text, size_t width);
