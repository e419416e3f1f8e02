// The chunks that the stores' benches append.
#pragma once

#include "model/chunk.h"

// Lines of a server's log; of each variant others. The caller's.
struct chunk *bench_chunk(unsigned variant, uint32_t lines);
