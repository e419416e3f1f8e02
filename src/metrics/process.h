// What the kernel says of this process, under the names that Prometheus' clients use.
#pragma once

#include "util/buf.h"

// In the text format. What cannot be found (no /proc) is left out.
void process_metrics_export(struct buf *out);
void process_metrics_document(struct buf *out); // rows for docs/metrics.md
