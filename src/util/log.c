#include "util/log.h"

#include "util/buf.h"
#include "util/clock.h"

#include <errno.h>
#include <time.h>
#include <unistd.h>

static const char *const level_names[] = {
    [LOG_DEBUG] = "DEBUG",
    [LOG_INFO] = "INFO",
    [LOG_WARNING] = "WARNING",
    [LOG_ERROR] = "ERROR",
};

static const char *const level_colours[] = {
    [LOG_DEBUG] = "\x1b[2m",
    [LOG_INFO] = "\x1b[32m",
    [LOG_WARNING] = "\x1b[33m",
    [LOG_ERROR] = "\x1b[1;31m",
};

static void append_json_field(struct buf *line, const struct log_field *field)
{
    buf_append_byte(line, ',');
    buf_append_json_string(line, str_of(field->key));
    buf_append_byte(line, ':');
    if (field->is_text)
        buf_append_json_string(line, field->text);
    else
        buf_append_i64(line, field->number);
}

static void append_json(struct buf *line, enum log_level level, const char *message, const struct log_field *fields,
                        size_t field_count)
{
    char time[TIME_RFC3339_LEN];
    time_format_rfc3339(clock_real_ms(), time);
    buf_append_text(line, "{\"timestamp\":\"");
    buf_append(line, time, sizeof(time));
    buf_append_text(line, "\",\"level\":\"");
    buf_append_text(line, level_names[level]);
    buf_append_text(line, "\",\"message\":");
    buf_append_json_string(line, str_of(message));
    for (size_t i = 0; i < field_count; i++)
        append_json_field(line, &fields[i]);
    buf_append_byte(line, '}');
}

// Text from others may hold bytes that move a terminal's cursor. It is shown with JSON's escapes, without the quotes.
static void append_inert(struct buf *line, struct str text)
{
    CLEANUP(buf_release) struct buf quoted = {0};
    buf_append_json_string(&quoted, text);
    buf_append(line, quoted.data + 1, quoted.len - 2);
}

static void append_local_time(struct buf *line)
{
    char text[16];
    time_t now = (time_t)(clock_real_ms() / 1000);
    struct tm local;
    localtime_r(&now, &local);
    size_t len = strftime(text, sizeof(text), "%H:%M:%S", &local);
    buf_append(line, text, len);
}

static void append_text(struct buf *line, const struct logger *logger, enum log_level level, const char *message,
                        const struct log_field *fields, size_t field_count)
{
    bool colour = logger->form == LOG_COLOUR;
    append_local_time(line);
    buf_printf(line, " %s%-7s%s ", colour ? level_colours[level] : "", level_names[level], colour ? "\x1b[0m" : "");
    append_inert(line, str_of(message));
    for (size_t i = 0; i < field_count; i++) {
        buf_printf(line, ", %s: ", fields[i].key);
        if (fields[i].is_text)
            append_inert(line, fields[i].text);
        else
            buf_append_i64(line, fields[i].number);
    }
}

void log_write(const struct logger *logger, enum log_level level, const char *message, const struct log_field *fields,
               size_t field_count)
{
    if (!logger || level < logger->min_level)
        return;
    CLEANUP(buf_release) struct buf line = {0};
    if (logger->form == LOG_JSON)
        append_json(&line, level, message, fields, field_count);
    else
        append_text(&line, logger, level, message, fields, field_count);
    buf_append_byte(&line, '\n');

    // A log that cannot be written must not stop the service. The next line tries again.
    while (write(logger->fd, line.data, line.len) < 0 && errno == EINTR)
        continue;
}

bool log_limiter_pass(struct log_limiter *limiter, uint64_t now_ms, uint64_t *ret_left_out)
{
    if (limiter->count == 0 || now_ms - limiter->since_ms >= LOG_LIMIT_MS) {
        limiter->since_ms = now_ms;
        limiter->count = 0;
    }
    if (limiter->count == LOG_LIMIT_COUNT) {
        limiter->left_out++;
        return false;
    }
    limiter->count++;
    *ret_left_out = limiter->left_out;
    limiter->left_out = 0;
    return true;
}
