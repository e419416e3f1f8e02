// Files with secrets, which nobody but their owner may read or write.
#pragma once

#include "util/buf.h"

// Returns NULL, or what is wrong, in words for people; static.
const char *private_file_read(const char *path, size_t max, struct buf *ret);
