// Detects a command that keeps its output in a buffer, as most commands do that do not write to a terminal. The sign is
// a long silence, and then as much output as a buffer holds; or all output at the end. Pure.
//
// These are no signs: little output at the end (it may be the result), very much output (no buffer holds it), and
// output after a short silence.
#pragma once

#include "util/attrs.h"

#define BUFFERING_QUIET_MS  10000
#define BUFFERING_BLOCK     4096u // buffers of libraries have this size or a multiple of it
#define BUFFERING_LITTLE    2048u
#define BUFFERING_MUCH      65536u
#define BUFFERING_AT_END_MS 1000

struct buffering {      // of one stream; begins as all 0
    uint64_t quiet_ms;  // length of the last long silence; 0: there was none
    uint64_t broken_ms; // when that silence ended
    size_t bytes;       // bytes since then
};

// Tells what was read at `now_ms`, after waiting for it. Returns true if it looks like a full buffer.
bool buffering_read(struct buffering *buffering, uint64_t now_ms, uint64_t waited_ms, const char *data, size_t len);
// Tells that the stream has ended. Returns true if the output since a long silence looks like the rest of a buffer.
bool buffering_ended(const struct buffering *buffering, uint64_t now_ms);
