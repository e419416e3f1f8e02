// Delivers what earlier runs have left, on a thread of its own, while a run goes on.
#pragma once

#include "runner/runner.h"

struct resume;
// `options` must live until resume_finish.
struct resume *resume_start(const struct runner_options *options);
// Waits at most `wait_ms` for the deliveries, then stops them. What is left stays for the next time.
void resume_finish(struct resume **resume, uint64_t wait_ms);
