// The inside of a search. Only for the files search*.c.
#pragma once

#include "model/search.h"

// --- search_found.c
void search_found_hit(struct search_found *found, const struct search_ask *ask, uint64_t sequence);
void search_found_trim(struct search_found *found, const struct search_ask *ask);
