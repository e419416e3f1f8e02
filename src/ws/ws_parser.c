#include "ws/ws_parser.h"

#include "util/id.h"

#include <wslay/wslay.h>

#define CONTROL_MAX  125
#define MESSAGE_KEEP ((size_t)16 * 1024) // an idle parser keeps at most so much memory
#define MASK_LEN     4

struct ws_parser {
    wslay_frame_context_ptr frames;
    const struct ws_parser_events *events;
    void *owner;
    size_t message_max;
    bool expect_masked;
    const uint8_t *input; // what ws_parser_feed was given and wslay has not taken yet
    size_t input_len;
    uint64_t frame_left; // bytes of the current frame that are still to come
    bool in_frame;
    struct wslay_frame_iocb frame;
    enum ws_opcode opcode; // of the message whose fragments are arriving; 0 between messages
    struct utf8_check utf8;
    struct buf message;
    uint8_t control[CONTROL_MAX];
    size_t control_len;
    unsigned failed; // the close code for the first fault
    bool closed;     // a close frame came: everything after it is ignored
    unsigned busy;
    bool freed;
};

static ssize_t give_input(uint8_t *out, size_t len, int flags, void *user_data)
{
    struct ws_parser *parser = user_data;
    (void)flags;
    size_t part = MIN(len, parser->input_len);
    if (part == 0)
        return -1; // wslay then says that it needs more bytes
    memcpy(out, parser->input, part);
    parser->input += part;
    parser->input_len -= part;
    return (ssize_t)part;
}

struct ws_parser *ws_parser_new(bool expect_masked, size_t message_max, const struct ws_parser_events *events,
                                void *owner)
{
    struct ws_parser *parser = xcalloc(1, sizeof(*parser));
    struct wslay_frame_callbacks callbacks = {.recv_callback = give_input};
    if (wslay_frame_context_init(&parser->frames, &callbacks, parser) != 0)
        abort();
    parser->events = events;
    parser->owner = owner;
    parser->message_max = message_max;
    parser->expect_masked = expect_masked;
    return parser;
}

static void release(struct ws_parser *parser)
{
    wslay_frame_context_free(parser->frames);
    buf_release(&parser->message);
    free(parser);
}

void ws_parser_free(struct ws_parser **parser_ptr)
{
    struct ws_parser *parser = *parser_ptr;
    if (!parser)
        return;
    *parser_ptr = NULL;
    parser->freed = true;
    if (parser->busy == 0)
        release(parser);
}

size_t ws_parser_memory(const struct ws_parser *parser)
{
    bool data = parser->in_frame && !wslay_is_ctrl_frame(parser->frame.opcode);
    size_t announced = parser->message.len + (data ? (size_t)parser->frame_left : 0);
    size_t bytes = MAX(parser->message.cap, announced);
    return bytes > MESSAGE_KEEP ? bytes : 0;
}

// --- Checks

static bool close_code_valid(unsigned code)
{
    return (code >= 1000 && code <= 1003) || (code >= 1007 && code <= 1011) || (code >= 3000 && code <= 4999);
}

static unsigned check_frame(struct ws_parser *parser)
{
    const struct wslay_frame_iocb *frame = &parser->frame;
    if (frame->rsv != 0 || (frame->mask != 0) != parser->expect_masked)
        return 1002;
    switch (frame->opcode) {
    case WSLAY_CONNECTION_CLOSE:
    case WSLAY_PING:
    case WSLAY_PONG:
        parser->control_len = 0;
        return frame->fin && frame->payload_length <= CONTROL_MAX ? 0 : 1002;
    case WSLAY_TEXT_FRAME:
    case WSLAY_BINARY_FRAME:
        if (parser->opcode)
            return 1002;
        parser->opcode = (enum ws_opcode)frame->opcode;
        parser->utf8 = (struct utf8_check){0};
        break;
    case WSLAY_CONTINUATION_FRAME:
        if (!parser->opcode)
            return 1002;
        break;
    default:
        return 1002;
    }
    return frame->payload_length > parser->message_max - parser->message.len ? 1009 : 0;
}

// --- Frames

static unsigned take_payload(struct ws_parser *parser, const uint8_t *data, size_t len)
{
    if (wslay_is_ctrl_frame(parser->frame.opcode)) {
        memcpy(parser->control + parser->control_len, data, len);
        parser->control_len += len;
        return 0;
    }
    if (parser->opcode == WS_TEXT && !utf8_check_feed(&parser->utf8, data, len))
        return 1007;
    buf_append(&parser->message, data, len);
    return 0;
}

static unsigned end_close_frame(struct ws_parser *parser)
{
    unsigned code = 1005;
    size_t skip = 0;
    if (parser->control_len == 1)
        return 1002;
    if (parser->control_len >= 2) {
        code = (unsigned)parser->control[0] << 8 | parser->control[1];
        skip = 2;
        if (!close_code_valid(code))
            return 1002;
        if (!utf8_valid(parser->control + 2, parser->control_len - 2))
            return 1007;
    }
    parser->closed = true;
    parser->events->message(parser->owner, WS_CLOSE, parser->control + skip, parser->control_len - skip, code);
    return 0;
}

static unsigned end_frame(struct ws_parser *parser)
{
    parser->in_frame = false;
    enum ws_opcode opcode = (enum ws_opcode)parser->frame.opcode;
    if (opcode == WS_CLOSE)
        return end_close_frame(parser);
    if (wslay_is_ctrl_frame(parser->frame.opcode)) {
        parser->events->message(parser->owner, opcode, parser->control, parser->control_len, 0);
        return 0;
    }
    if (!parser->frame.fin)
        return 0;
    opcode = parser->opcode;
    parser->opcode = 0;
    if (opcode == WS_TEXT && parser->utf8.len > 0)
        return 1007;
    const char *data = parser->message.data ? parser->message.data : "";
    parser->events->message(parser->owner, opcode, (const uint8_t *)data, parser->message.len, 0);
    if (parser->message.cap > MESSAGE_KEEP)
        buf_release(&parser->message);
    else
        buf_reset(&parser->message);
    return 0;
}

// Takes what wslay has returned: the first part of a frame, or a further part.
static unsigned take_part(struct ws_parser *parser, const struct wslay_frame_iocb *part)
{
    unsigned code = 0;
    if (!parser->in_frame) {
        parser->in_frame = true;
        parser->frame = *part;
        parser->frame_left = part->payload_length;
        code = check_frame(parser);
    }
    parser->frame_left -= part->data_length;
    if (!code)
        code = take_payload(parser, part->data, part->data_length);
    if (!code && parser->frame_left == 0)
        code = end_frame(parser);
    return code;
}

unsigned ws_parser_feed(struct ws_parser *parser, const uint8_t *data, size_t len)
{
    parser->busy++;
    parser->input = data;
    parser->input_len = len;
    unsigned code = parser->failed;
    while (!code && !parser->closed && !parser->freed) {
        struct wslay_frame_iocb part = {0};
        ssize_t got = wslay_frame_recv(parser->frames, &part);
        if (got == WSLAY_ERR_WANT_READ)
            break;
        code = got < 0 ? 1002 : take_part(parser, &part);
    }
    parser->failed = code;
    if (--parser->busy == 0 && parser->freed)
        release(parser);
    return code;
}

// --- Writing

size_t ws_frame_header(enum ws_opcode opcode, size_t len, uint8_t out[10])
{
    out[0] = (uint8_t)(0x80 | opcode);
    if (len <= CONTROL_MAX) {
        out[1] = (uint8_t)len;
        return 2;
    }
    size_t width = len <= UINT16_MAX ? 2 : 8;
    out[1] = width == 2 ? 126 : 127;
    for (size_t i = 0; i < width; i++)
        out[2 + i] = (uint8_t)((uint64_t)len >> 8 * (width - 1 - i));
    return 2 + width;
}

void ws_frame_append(struct buf *out, enum ws_opcode opcode, const void *data, size_t len, bool masked)
{
    uint8_t header[10];
    size_t header_len = ws_frame_header(opcode, len, header);
    if (masked)
        header[1] |= 0x80;
    buf_append(out, header, header_len);
    if (!masked) {
        buf_append(out, data, len);
        return;
    }
    uint8_t mask[MASK_LEN];
    random_bytes(mask, sizeof(mask));
    buf_append(out, mask, sizeof(mask));
    buf_reserve(out, len);
    for (size_t i = 0; i < len; i++)
        out->data[out->len + i] = (char)(((const uint8_t *)data)[i] ^ mask[i % MASK_LEN]);
    out->len += len;
}
