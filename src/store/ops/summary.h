// The summary of a log. See docs/internals/workflows.md. Conventions: store/store.h.
#pragma once

#include "model/summary.h"
#include "store/op.h"

// Counts the log up to its end at the time of the query, of a short log in one go. Otherwise it ends after a slice:
// SUMMARY_SLICE_BYTES of payload, or as many chunks that are counted by their header alone. `ret_more` then says to
// submit it again, as it is, with op.scan set. ERR_EXPIRED: it is purged.
#define SUMMARY_SLICE_BYTES (4u * 1024 * 1024)
struct store_summary {
    struct store_op op;
    int64_t row;
    bool started, foreign;      // zero in the first call; then private
    struct summary ret_summary; // what is counted so far; store_op_release frees it
    bool ret_more;
    size_t ret_chunks; // how many were read so far
};
