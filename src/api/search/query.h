// What all searches take: the text or pattern, the filters, and how much one answer looks at.
#pragma once

#include "api/search/scan.h"

struct search_query {
    struct filter *filter; // owned
    struct scan_limits limits;
    unsigned limit; // hits
};
// Returns false after it has answered.
bool search_query_take(struct call *call, struct search_query *ret);

// For metrics.
void search_begins(const struct call *call);
void search_ends(const struct call *call);
