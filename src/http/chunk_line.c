#include "http/chunk_line.h"

#include "http/http.h"
#include "util/error.h"

#define DIGITS_MAX 16

static int hex_value(uint8_t byte)
{
    if (byte >= '0' && byte <= '9')
        return byte - '0';
    uint8_t small = byte | 0x20;
    return small >= 'a' && small <= 'f' ? small - 'a' + 10 : -1;
}

static bool is_white(uint8_t byte)
{
    return byte == ' ' || byte == '\t';
}

// Returns the state that `byte` leads to at the end of a value, of a name without a value, or of the size. Returns -1
// if the byte ends none of them.
static int after_part(uint8_t byte)
{
    if (byte == '\r')
        return CHUNK_LF;
    if (byte == ';')
        return CHUNK_BEFORE_NAME;
    return is_white(byte) ? CHUNK_BEFORE_SEMI : -1;
}

static int step_size(struct chunk_line *line, uint8_t byte)
{
    int value = hex_value(byte);
    if (value < 0)
        return line->digits > 0 ? after_part(byte) : -1;
    if (++line->digits > DIGITS_MAX)
        return -1;
    line->size = line->size << 4 | (uint64_t)value;
    return CHUNK_SIZE;
}

static int step_quoted(uint8_t byte)
{
    if (byte == '"')
        return CHUNK_QUOTED_END;
    if (byte == '\\')
        return CHUNK_ESCAPED;
    return byte == '\t' || (byte >= ' ' && byte != 0x7f) ? CHUNK_QUOTED : -1;
}

// Returns the state after `byte`, or -1.
static int step(struct chunk_line *line, uint8_t byte)
{
    switch (line->state) {
    case CHUNK_SIZE:
        return step_size(line, byte);
    case CHUNK_BEFORE_SEMI:
        return is_white(byte) ? CHUNK_BEFORE_SEMI : byte == ';' ? CHUNK_BEFORE_NAME : -1;
    case CHUNK_BEFORE_NAME:
        return is_white(byte) ? CHUNK_BEFORE_NAME : http_is_token(byte) ? CHUNK_NAME : -1;
    case CHUNK_NAME:
        if (http_is_token(byte))
            return CHUNK_NAME;
        return byte == '=' ? CHUNK_BEFORE_VALUE : is_white(byte) ? CHUNK_BEFORE_EQUALS : after_part(byte);
    case CHUNK_BEFORE_EQUALS:
        if (is_white(byte))
            return CHUNK_BEFORE_EQUALS;
        return byte == '=' ? CHUNK_BEFORE_VALUE : byte == ';' ? CHUNK_BEFORE_NAME : -1;
    case CHUNK_BEFORE_VALUE:
        if (is_white(byte))
            return CHUNK_BEFORE_VALUE;
        return byte == '"' ? CHUNK_QUOTED : http_is_token(byte) ? CHUNK_VALUE : -1;
    case CHUNK_VALUE:
        return http_is_token(byte) ? CHUNK_VALUE : after_part(byte);
    case CHUNK_QUOTED:
        return step_quoted(byte);
    case CHUNK_ESCAPED:
        return byte == '\t' || (byte >= ' ' && byte != 0x7f) ? CHUNK_QUOTED : -1;
    case CHUNK_QUOTED_END:
        return after_part(byte);
    case CHUNK_LF:
        break;
    }
    return -1;
}

int chunk_line_feed(struct chunk_line *line, const uint8_t *data, size_t len, size_t extra_max, size_t *ret_used)
{
    for (size_t i = 0; i < len; i++) {
        if (line->state == CHUNK_LF && data[i] == '\n') {
            *ret_used = i + 1;
            return CHUNK_LINE_END;
        }
        int next = step(line, data[i]);
        if (next < 0)
            return ERR_MALFORMED;
        line->state = (enum chunk_line_state)next;
        if (next != CHUNK_SIZE && next != CHUNK_LF && ++line->extra > extra_max)
            return ERR_TOO_LARGE;
    }
    *ret_used = len;
    return CHUNK_LINE_MORE;
}

void chunk_line_next(struct chunk_line *line)
{
    *line = (struct chunk_line){.extra = line->extra};
}
