// Random records, for property tests and for the seeds of fuzzers.
#pragma once

#include "model/filter.h"
#include "util/testing.h"

// What the random records may have.
enum {
    RANDOM_NEWLINES = 1,
    RANDOM_EXTRAS = 2,
    RANDOM_PARTIAL = 4,
    RANDOM_EVENTS = 8,
    RANDOM_BYTES = 16,
    RANDOM_ALL = 31
};

struct random_record {
    struct record record;
    char message[300];
    char extra[160];
};

static inline void random_record_make(uint64_t *seed, unsigned may, struct random_record *ret)
{
    static const char *const extras[] = {
        "\"event_type\":\"step_started\",\"node_id\":\"n1\"",
        "\"category\":\"business\",\"display_priority\":9,\"is_milestone\":true",
        "\"data\":{\"a\":[1,2,{\"b\":null}]},\"stack_trace\":\"at\\nmain\"",
    };
    uint64_t dice = test_random(seed);
    size_t len = dice % 7 == 0 ? 0 : test_random(seed) % sizeof(ret->message);
    for (size_t i = 0; i < len; i++) {
        char byte = (char)test_random(seed);
        ret->message[i] = may & RANDOM_BYTES ? byte : (char)('a' + (byte & 15));
        if (ret->message[i] == '\n' && !(may & RANDOM_NEWLINES))
            ret->message[i] = ' ';
    }
    ret->record = (struct record){
        .time_ms = 1763202615123 + (int64_t)(test_random(seed) % 2000) - 1000,
        .stream = (enum record_stream)(dice >> 8 & (may & RANDOM_EVENTS ? 3 : 1)) % STREAM_COUNT,
        .level = (enum record_level)(dice >> 16 & 3 ? LEVEL_UNSET : (dice >> 20) % LEVEL_COUNT),
        .partial = may & RANDOM_PARTIAL && dice >> 24 & 1,
        .continues = may & RANDOM_PARTIAL && dice >> 25 & 1,
        .message = str_n(ret->message, len),
    };
    if (may & RANDOM_EXTRAS && dice >> 32 & 1) {
        const char *extra = extras[(dice >> 40) % ARRAY_LEN(extras)];
        ret->record.extra = str_n(ret->extra, strlen(extra));
        memcpy(ret->extra, extra, ret->record.extra.len);
    }
}

static inline void assert_str_same_at(struct str a, struct str b, const char *file, int line)
{
    _assert_int_equal(a.len, b.len, file, line);
    if (b.len > 0)
        _assert_memory_equal(a.data, b.data, b.len, file, line);
}

static inline void assert_record_same_at(const struct record *a, const struct record *b, const char *file, int line)
{
    _assert_int_equal((uint64_t)a->time_ms, (uint64_t)b->time_ms, file, line);
    _assert_int_equal(a->stream, b->stream, file, line);
    _assert_int_equal(a->level, b->level, file, line);
    _assert_int_equal(a->partial, b->partial, file, line);
    _assert_int_equal(a->continues, b->continues, file, line);
    assert_str_same_at(a->message, b->message, file, line);
    assert_str_same_at(a->extra, b->extra, file, line);
}

#define assert_str_same(actual, expected) assert_str_same_at((actual), (expected), __FILE__, __LINE__)

#define assert_record_same(a, b) assert_record_same_at((a), (b), __FILE__, __LINE__)
