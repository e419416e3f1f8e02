// Compiler attributes, ownership helpers, and the list of banned calls. Every .c file gets this header first, through
// the first header that it includes.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
// These headers declare the calls that are banned below, so they must be included before the ban.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#define PRINTF_LIKE(fmt, args) __attribute__((format(printf, fmt, args)))
#define CLEANUP(fn)            __attribute__((cleanup(fn)))
#define UNUSED                 __attribute__((unused))
#define MUST_USE               __attribute__((warn_unused_result))
#define NORETURN               __attribute__((noreturn))
#define LIKELY(x)              __builtin_expect(!!(x), 1)
#define UNLIKELY(x)            __builtin_expect(!!(x), 0)

#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))
#define MIN(a, b)    ((a) < (b) ? (a) : (b))
#define MAX(a, b)    ((a) > (b) ? (a) : (b))

// Yields the struct whose `member` is at `ptr`.
#define CONTAINER_OF(ptr, type, member) ((type *)(void *)((char *)(ptr)-offsetof(type, member)))

// Hands over an owned pointer: yields it and leaves NULL behind, so that the cleanup attribute frees nothing.
#define TAKE_PTR(p)                \
    ({                             \
        __typeof__(p) _take = (p); \
        (p) = NULL;                \
        _take;                     \
    })

// Does the same for a descriptor; leaves -1 behind.
#define TAKE_FD(fd)          \
    ({                       \
        int _take_fd = (fd); \
        (fd) = -1;           \
        _take_fd;            \
    })

// A small allocation aborts when memory runs out. So every size that a client controls must be limited before it gets
// here.
void *xmalloc(size_t size) __attribute__((malloc, alloc_size(1)));
void *xcalloc(size_t count, size_t size) __attribute__((malloc, alloc_size(1, 2)));
void *xrealloc(void *ptr, size_t size) __attribute__((alloc_size(2)));
char *xstrdup(const char *text) __attribute__((malloc));
char *xstrndup(const char *text, size_t len) __attribute__((malloc));
char *xasprintf(const char *fmt, ...) PRINTF_LIKE(1, 2);

// Frees *ptr and sets it to NULL. For CLEANUP on plain allocations: `CLEANUP(free_ptr) char *name = …`.
void free_ptr(void *ptr);
// Closes *fd if it is >= 0, and sets it to -1. For CLEANUP.
void close_fd(int *fd);

// Banned calls. Each has a safer form here (snprintf, str_to_u64, random_bytes). The macros take arguments, so that a
// library's header may still name a parameter `rand`.
#ifndef RUNNEL_ALLOW_BANNED
#define BANNED(name) sorry_##name##_is_banned_here
#undef strcpy
#undef strcat
#undef strncpy
#undef strncat
#undef strtok
#undef sprintf
#undef vsprintf
#undef gets
#undef atoi
#undef atol
#undef rand
#undef srand
#define strcpy(...)   BANNED(strcpy)
#define strcat(...)   BANNED(strcat)
#define strncpy(...)  BANNED(strncpy)
#define strncat(...)  BANNED(strncat)
#define strtok(...)   BANNED(strtok)
#define sprintf(...)  BANNED(sprintf)
#define vsprintf(...) BANNED(vsprintf)
#define gets(...)     BANNED(gets)
#define atoi(...)     BANNED(atoi)
#define atol(...)     BANNED(atol)
#define rand(...)     BANNED(rand)
#define srand(...)    BANNED(srand)
#endif
