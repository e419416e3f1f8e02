// Delivering what earlier runs have left behind, on a thread of its own, beside a run.
#pragma once

#include "runner/runner.h"

struct resume;
// `options` lives until resume_finish.
struct resume *resume_start(const struct runner_options *options);
// Waits at most `wait_ms` for the deliveries to end, then stops them; what is left stays for the next time.
void resume_finish(struct resume **resume, uint64_t wait_ms);
