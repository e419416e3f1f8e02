// What Loki answers to a query: {"status":"success","data":{"resultType":"streams","result":[{"stream":{labels},
// "values":[["NANOSECONDS","line"(,{"structuredMetadata":{…}} or metadata)]]}]}}. Pure. Private to this folder.
#pragma once

#include "mirror/loki/exchange.h"

#define LOKI_ANSWER_MAX ((size_t)16 * 1024 * 1024)

// Appends the lines, sorted by their number. Returns 0; ERR_MALFORMED.
int loki_answer_read(struct str json, const struct loki_ask *ask, struct loki_lines *ret);
