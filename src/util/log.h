// Structured logs on a file descriptor: one JSON object a line for programs, or words for people. Each line is one
// write(2), so the lines of several threads never mix. Only services and main log; libraries return errors.
// Thread-safe.
#pragma once

#include "util/str.h"

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARNING, LOG_ERROR };

enum log_form {
    LOG_JSON,   // {"timestamp","level","message",…fields}
    LOG_TEXT,   // 10:30:15 WARNING message, key: value, … in local time
    LOG_COLOUR, // LOG_TEXT with the level in colour
};

struct logger {
    int fd;
    enum log_level min_level;
    enum log_form form;
};

// A field is LOG_S("key", "text"), LOG_STR("key", struct str) or LOG_I("key", number).
struct log_field {
    const char *key;
    struct str text; // used if is_text
    int64_t number;
    bool is_text;
};

#define LOG_S(k, v)   ((struct log_field){.key = (k), .text = str_of(v), .is_text = true})
#define LOG_STR(k, v) ((struct log_field){.key = (k), .text = (v), .is_text = true})
#define LOG_I(k, v)   ((struct log_field){.key = (k), .number = (int64_t)(v)})

// A NULL logger logs nothing.
void log_write(const struct logger *logger, enum log_level level, const char *message, const struct log_field *fields,
               size_t field_count);
// Keeps strangers from filling the log: at most LOG_LIMIT_COUNT lines in LOG_LIMIT_MS. For one thread.
#define LOG_LIMIT_COUNT 5
#define LOG_LIMIT_MS    10000
struct log_limiter {
    uint64_t since_ms, left_out;
    unsigned count;
};
// Returns true if a line may be written. Then *ret_left_out says how many lines were left out since the last one.
bool log_limiter_pass(struct log_limiter *limiter, uint64_t now_ms, uint64_t *ret_left_out);

#define log_info(logger, message, ...)  LOG_AT(logger, LOG_INFO, message, __VA_ARGS__)
#define log_warn(logger, message, ...)  LOG_AT(logger, LOG_WARNING, message, __VA_ARGS__)
#define log_error(logger, message, ...) LOG_AT(logger, LOG_ERROR, message, __VA_ARGS__)
#define log_debug(logger, message, ...) LOG_AT(logger, LOG_DEBUG, message, __VA_ARGS__)
#define LOG_AT(logger, level, message, ...) \
    log_write(logger, level, message, (struct log_field[]){__VA_ARGS__}, ARRAY_LEN(((struct log_field[]){__VA_ARGS__})))
