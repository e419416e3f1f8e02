// Tells a SIGHUP that means "the terminal is gone" from one that asks for a reload. For the thread of one loop.
//
// The kernel, or the shell, sends SIGHUP when the terminal goes away. But a server may also live on without it
// (`disown`) and be asked for a reload later. So a SIGHUP counts as the terminal's only while the hang-up is fresh. If
// SIGHUP was ignored at the start (nohup), or no descriptor is a terminal of our session (systemd, setsid, a file), it
// never does.
#pragma once

#include "loop/loop.h"

#define HANGUP_FRESH_MS 10000

struct hangup;
// Looks at the descriptors 0 to 2, and at whether SIGHUP is ignored. So it must be called before SIGHUP is watched.
// `fresh_ms` is how long a hang-up counts as fresh after it was noticed.
struct hangup *hangup_new(struct loop *loop, uint64_t fresh_ms);
void hangup_free(struct hangup **hangup);
// To be called when SIGHUP has come. Returns whether the terminal has just gone.
bool hangup_is_the_terminals(const struct hangup *hangup);
