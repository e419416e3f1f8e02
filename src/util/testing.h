// What unit tests share: cmocka with the headers that it needs, checks for `struct str`, and random numbers that can be
// repeated.
#pragma once

#include "util/str.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define assert_str(actual, expected)                                          \
    do {                                                                      \
        struct str actual_ = (actual), expected_ = str_of(expected);          \
        assert_int_equal(actual_.len, expected_.len);                         \
        if (expected_.len > 0)                                                \
            assert_memory_equal(actual_.data, expected_.data, expected_.len); \
    } while (0)

// As a group's set-up: times of people are those of UTC.
static inline int test_use_utc(void **state)
{
    (void)state;
    setenv("TZ", "UTC", 1);
    tzset();
    return 0;
}

// SplitMix64 (Steele, Lea and Flood, 2014). The same start gives the same numbers, so a failure can be repeated.
static inline uint64_t test_random(uint64_t *state)
{
    uint64_t z = *state += 0x9e3779b97f4a7c15;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
    z = (z ^ z >> 27) * 0x94d049bb133111eb;
    return z ^ z >> 31;
}
