#include "util/arena.h"

#include <stdalign.h>
#include <stdarg.h>

#define ARENA_ALIGN     16
#define ARENA_BLOCK_MIN 4096

struct arena_block {
    struct arena_block *next;
    size_t used, cap;
    alignas(ARENA_ALIGN) char data[];
};

// Only the newest block, which is first in the list, is filled further. A large allocation gets its own block behind
// the newest one, so that the free rest of the newest block is not lost.
static struct arena_block *block_add(struct arena *arena, size_t size)
{
    struct arena_block *newest = arena->blocks;
    size_t cap = MAX(size, (size_t)ARENA_BLOCK_MIN);
    struct arena_block *block = xcalloc(1, sizeof(*block) + cap);
    block->cap = cap;
    if (newest && size > ARENA_BLOCK_MIN / 4) {
        block->next = newest->next;
        newest->next = block;
    } else {
        block->next = newest;
        arena->blocks = block;
    }
    return block;
}

void *arena_alloc(struct arena *arena, size_t size)
{
    size_t rounded;
    if (__builtin_add_overflow(size, ARENA_ALIGN - 1, &rounded) || rounded > SIZE_MAX / 2)
        abort();
    rounded &= ~(size_t)(ARENA_ALIGN - 1);
    struct arena_block *block = arena->blocks;
    if (!block || block->cap - block->used < rounded)
        block = block_add(arena, rounded);
    void *ptr = block->data + block->used;
    block->used += rounded;
    arena->used += size;
    return ptr;
}

char *arena_dup(struct arena *arena, struct str s)
{
    char *copy = arena_alloc(arena, s.len + 1);
    if (s.len > 0)
        memcpy(copy, s.data, s.len);
    return copy;
}

char *arena_printf(struct arena *arena, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    int len = vsnprintf(NULL, 0, fmt, args);
    va_end(args);
    if (len < 0)
        abort();
    char *text = arena_alloc(arena, (size_t)len + 1);
    va_start(args, fmt);
    vsnprintf(text, (size_t)len + 1, fmt, args);
    va_end(args);
    return text;
}

void arena_release(struct arena *arena)
{
    while (arena->blocks) {
        struct arena_block *block = arena->blocks;
        arena->blocks = block->next;
        free(block);
    }
    arena->used = 0;
}
