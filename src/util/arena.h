// A bump allocator for memory that lives as long as one request. It is freed as a whole.
#pragma once

#include "util/str.h"

struct arena_block;

struct arena {
    struct arena_block *blocks;
    size_t used; // bytes handed out so far; callers use it for limits
};

void *arena_alloc(struct arena *arena, size_t size); // zeroed, 16-byte aligned
char *arena_dup(struct arena *arena, struct str s);  // NUL-terminated copy
char *arena_printf(struct arena *arena, const char *fmt, ...) PRINTF_LIKE(2, 3);
void arena_release(struct arena *arena); // frees everything; the arena can be used again
