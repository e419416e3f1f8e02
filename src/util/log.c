#include "util/log.h"

#include "util/buf.h"
#include "util/clock.h"

#include <errno.h>
#include <unistd.h>

static const char *const level_names[] = {
    [LOG_DEBUG] = "DEBUG",
    [LOG_INFO] = "INFO",
    [LOG_WARNING] = "WARNING",
    [LOG_ERROR] = "ERROR",
};

static void append_field(struct buf *line, const struct log_field *field)
{
    buf_append_byte(line, ',');
    buf_append_json_string(line, str_of(field->key));
    buf_append_byte(line, ':');
    if (field->is_text)
        buf_append_json_string(line, field->text);
    else
        buf_append_i64(line, field->number);
}

void log_write(const struct logger *logger, enum log_level level, const char *message, const struct log_field *fields,
               size_t field_count)
{
    if (!logger || level < logger->min_level)
        return;
    CLEANUP(buf_release) struct buf line = {0};
    char time[TIME_RFC3339_LEN];
    time_format_rfc3339(clock_real_ms(), time);
    buf_append_text(&line, "{\"timestamp\":\"");
    buf_append(&line, time, sizeof(time));
    buf_append_text(&line, "\",\"level\":\"");
    buf_append_text(&line, level_names[level]);
    buf_append_text(&line, "\",\"message\":");
    buf_append_json_string(&line, str_of(message));
    for (size_t i = 0; i < field_count; i++)
        append_field(&line, &fields[i]);
    buf_append_text(&line, "}\n");

    // A log that cannot be written must not stop the service; the next line tries anew.
    while (write(logger->fd, line.data, line.len) < 0 && errno == EINTR)
        continue;
}
