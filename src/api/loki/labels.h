// Labels as Loki writes them: {name="value",…}. The value is a string of Go, in double quotes or in backquotes. Pure.
#pragma once

#include "util/buf.h"

// Takes the next label off the front, which begins behind "{". 1: *ret_name and *ret_value are it, the value in
// *scratch if it has an escape; 0: the "}" and nothing else is left; ERR_MALFORMED.
int loki_label_next(struct str *labels, struct str *ret_name, struct str *ret_value, struct buf *scratch);
