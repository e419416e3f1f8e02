// What a JSON text is like, told without reading it.
#pragma once

#include "util/str.h"

// Whether JSON is nested no deeper, and has no more values. To be asked before jansson reads it, which is recursive and
// takes up to a hundred bytes for a value of two.
bool json_shape_within(struct str s, unsigned depth_max, size_t values_max);
