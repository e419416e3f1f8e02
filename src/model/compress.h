// zstd for chunk payloads.
#pragma once

#include "util/buf.h"

// Appends the compressed bytes to `out` if they are fewer than `len`. Otherwise returns false and leaves `out` as it
// was.
bool compress_append(struct buf *out, const void *data, size_t len, int level);
// Fills `out` with exactly `out_len` bytes. Returns false if `data` does not hold exactly that. Safe for bytes from
// outside.
bool decompress_exact(const void *data, size_t len, void *out, size_t out_len);
