// How long a worker may trust that the lease of an execution lasts, so that a job that is to be run again when it is
// lost has ended before that. Pure. All times are those of one clock of the worker's machine, in milliseconds, which
// goes on while the machine sleeps: they are only compared with each other. The server sends them back as they came.
//
// A heartbeat renews the leases of the streams that are open when it arrives. Its answer, and what begins and ends a
// stream, come in the order in which they were said: so it has renewed the leases of the streams that are open when the
// answer comes. They last from then on, at least as long as from when the heartbeat was sent. Whatever else a server
// says may have been under way for long, and proves nothing.
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct life {          // all 0 for an execution of which no server has heard
    bool open;         // its stream has begun, and was not ended
    uint64_t asked_ms; // when the stream was last asked for
    uint64_t alive_ms; // a server has renewed the lease after it was told something at this time; or it began then
};

// `proved_ms`: the newest thing that was said then has come to the server that gives the job.
void life_begin(struct life *life, uint64_t proved_ms);
void life_asked(struct life *life, uint64_t now_ms); // its stream is asked for, which renews the lease when it begins
void life_opened(struct life *life);
void life_closed(struct life *life);
// The server has answered the heartbeat of that time. Returns whether its life is longer now.
bool life_answered(struct life *life, uint64_t at_ms);
// It must have ended by then.
uint64_t life_until_ms(const struct life *life, uint64_t lease_ms);
// Whether the lease of a job that comes now may have run out already, under way. Then it must not begin.
bool life_too_late(uint64_t proved_ms, uint64_t lease_ms, uint64_t now_ms);
