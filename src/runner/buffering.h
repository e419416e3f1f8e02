// Tells a command that keeps its output back, as most do that do not write to a terminal, from one that has nothing to
// say: after a long silence comes a buffer's worth, or all of it at the end. Pure.
//
// Told is neither little at the end (that was the result), nor very much (no buffer holds it), nor anything after a
// short silence.
#pragma once

#include "util/attrs.h"

#define BUFFERING_QUIET_MS  10000
#define BUFFERING_BLOCK     4096u // libraries' buffers are of so many bytes or a multiple
#define BUFFERING_LITTLE    2048u
#define BUFFERING_MUCH      65536u
#define BUFFERING_AT_END_MS 1000

struct buffering {      // of one stream; all 0 at first
    uint64_t quiet_ms;  // of the last long silence; 0: there was none
    uint64_t broken_ms; // when it ended
    size_t bytes;       // since then
};

// What was read at `now_ms`, having been waited for. True: it looks like a full buffer.
bool buffering_read(struct buffering *buffering, uint64_t now_ms, uint64_t waited_ms, const char *data, size_t len);
// The stream has ended. True: all that it said since a long silence looks like what was left in a buffer.
bool buffering_ended(const struct buffering *buffering, uint64_t now_ms);
