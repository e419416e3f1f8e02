// Logs that come late from elsewhere, in a world of their own. docs/internals/simulator.md says what is checked.
#pragma once

#include <stdbool.h>
#include <stdint.h>

bool late_run(uint64_t seed, bool tracing);
