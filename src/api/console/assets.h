// The files of the console, as its bundle makes them (console/build.mjs). A build without the console has none.
#pragma once

#include <stddef.h>

struct console_asset {
    const char *name; // "index.html" is the first
    const char *content_type, *etag;
    const unsigned char *packed; // gzip
    size_t packed_len, len;      // bytes; `len` is what is in it
};

extern const struct console_asset console_assets[]; // ends with a NULL name
