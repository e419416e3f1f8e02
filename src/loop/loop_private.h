// What the files of this room share: the loop and its libuv handles.
#pragma once

#include "loop/loop.h"

#include <stdatomic.h>
#include <uv.h>

struct loop {
    uv_loop_t uv;
    uv_async_t wake;
    // `before_wait` and the next handle run the deferred calls: those of timers, and those of ready descriptors.
    uv_prepare_t before_wait;
    uv_check_t after_wait;
    uv_idle_t busy;               // active while deferred calls are left over, so that the loop does not wait
    _Atomic(struct mail *) inbox; // newest first
    atomic_bool stop;
    bool running;
    struct list_node deferred;
    struct list_node lingerers;
    uint8_t *scratch;
};
