// Finds a short text within a long one, sixteen places at a time. Pure. For any thread.
#pragma once

#include "util/str.h"

// What is looked for. The text is borrowed and is not empty. With `ignore_case`, ASCII letters of either case are one,
// and the text must be in lower case.
struct needle {
    struct str text;
    bool ignore_case;
    size_t first, second; // the places of its two rarest bytes: only where both stand is the rest compared
};

struct needle needle_of(struct str text, bool ignore_case);
// Returns where it begins in [at, end) for the first time; NULL if it does not occur.
const char *needle_find(const struct needle *needle, const char *at, const char *end);
// Returns how many newlines are in [at, end).
size_t newlines_count(const char *at, const char *end);
