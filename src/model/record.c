#include "model/record.h"

#include <endian.h>
#define XXH_STATIC_LINKING_ONLY // for a hash state on the stack
#include <xxhash.h>

#define HASH_HEAD_LEN 5
#define HASH_COPY_MAX 1024 // up to this size, one pass over a copy is faster than the streaming form

static const char *const stream_names[STREAM_COUNT] = {
    [STREAM_STDOUT] = "stdout",
    [STREAM_STDERR] = "stderr",
    [STREAM_EVENT] = "event",
};

static const char *const level_names[LEVEL_COUNT] = {
    [LEVEL_DEBUG] = "DEBUG", [LEVEL_INFO] = "INFO",         [LEVEL_WARNING] = "WARNING",
    [LEVEL_ERROR] = "ERROR", [LEVEL_CRITICAL] = "CRITICAL",
};

static const struct {
    const char *name;
    enum record_level level;
} level_aliases[] = {{"WARN", LEVEL_WARNING}, {"FATAL", LEVEL_CRITICAL}};

const char *record_stream_name(enum record_stream stream)
{
    return stream_names[stream];
}

bool record_stream_parse(struct str s, enum record_stream *ret)
{
    for (unsigned i = 0; i < STREAM_COUNT; i++) {
        if (!str_eq(s, str_of(stream_names[i])))
            continue;
        *ret = (enum record_stream)i;
        return true;
    }
    return false;
}

const char *record_level_name(enum record_level level)
{
    return level_names[level];
}

const char *record_level_word(enum record_level level)
{
    static const char *const words[LEVEL_COUNT] = {
        [LEVEL_UNSET] = "info",      [LEVEL_DEBUG] = "debug", [LEVEL_INFO] = "info",
        [LEVEL_WARNING] = "warning", [LEVEL_ERROR] = "error", [LEVEL_CRITICAL] = "critical",
    };
    return words[level];
}

bool record_level_parse(struct str s, enum record_level *ret)
{
    for (unsigned i = LEVEL_DEBUG; i < LEVEL_COUNT; i++) {
        if (!str_eq_nocase(s, str_of(level_names[i])))
            continue;
        *ret = (enum record_level)i;
        return true;
    }
    for (size_t i = 0; i < ARRAY_LEN(level_aliases); i++) {
        if (!str_eq_nocase(s, str_of(level_aliases[i].name)))
            continue;
        *ret = level_aliases[i].level;
        return true;
    }
    return false;
}

static const struct {
    const char *ending;
    enum record_level level;
} level_defaults[] = {
    {"_started", LEVEL_INFO}, {"_progress", LEVEL_INFO},          {"_completed", LEVEL_INFO},
    {"_failed", LEVEL_ERROR}, {"_awaiting_input", LEVEL_WARNING}, {"_skipped", LEVEL_WARNING},
    {"_error", LEVEL_ERROR},
};

enum record_level record_level_of(const struct record *record)
{
    static const char key[] = "\"event_type\":\""; // the first of the canonical order
    struct str kind = record->extra;
    if (record->level != LEVEL_UNSET || !str_starts(kind, STR(key)))
        return record->level;
    kind = str_n(kind.data + strlen(key), kind.len - strlen(key));
    kind = str_split(&kind, '"');
    if (!str_starts(kind, STR("node_")) && !str_starts(kind, STR("step_")) && !str_starts(kind, STR("workflow_")))
        return LEVEL_UNSET;
    const char *ending = str_find(kind, '_');
    struct str rest = str_n(ending, kind.len - (size_t)(ending - kind.data));
    for (size_t i = 0; i < ARRAY_LEN(level_defaults); i++) {
        if (str_eq(rest, str_of(level_defaults[i].ending)))
            return level_defaults[i].level;
    }
    return LEVEL_UNSET;
}

// The hashed bytes are: stream | partial << 2 | level << 3 | continues << 6, the message's length (LE32), the message,
// the extra. The length is there so that moving a byte from the message to the extra changes the hash.
uint64_t record_digest_next(uint64_t digest, const struct record *record)
{
    uint8_t bytes[HASH_COPY_MAX];
    uint32_t length = htole32((uint32_t)record->message.len);
    bytes[0] = (uint8_t)((unsigned)record->stream | (record->partial ? 4u : 0) | (unsigned)record->level << 3 |
                         (record->continues ? 64u : 0));
    memcpy(bytes + 1, &length, sizeof(length));
    if (LIKELY(record->message.len + record->extra.len <= HASH_COPY_MAX - HASH_HEAD_LEN)) {
        uint8_t *end = bytes + HASH_HEAD_LEN;
        if (record->message.len > 0)
            end = mempcpy(end, record->message.data, record->message.len);
        if (record->extra.len > 0)
            end = mempcpy(end, record->extra.data, record->extra.len);
        return XXH3_64bits_withSeed(bytes, (size_t)(end - bytes), digest);
    }
    XXH3_state_t state;
    XXH3_64bits_reset_withSeed(&state, digest);
    XXH3_64bits_update(&state, bytes, HASH_HEAD_LEN);
    XXH3_64bits_update(&state, record->message.data, record->message.len);
    XXH3_64bits_update(&state, record->extra.data, record->extra.len);
    return XXH3_64bits_digest(&state);
}

uint64_t record_hash(const struct record *record)
{
    return record_digest_next(0, record);
}
