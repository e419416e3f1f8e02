#include "runner/container/frames.h"

static int begin_frame(struct frames *frames)
{
    const uint8_t *head = frames->head;
    uint32_t len = (uint32_t)head[4] << 24 | (uint32_t)head[5] << 16 | (uint32_t)head[6] << 8 | head[7];
    if ((head[0] != 1 && head[0] != 2) || head[1] || head[2] || head[3] || len > FRAME_MAX)
        return ERR_MALFORMED;
    frames->stream = head[0] == 1 ? STREAM_STDOUT : STREAM_STDERR;
    frames->left = len;
    frames->head_len = 0;
    return 0;
}

static size_t take_head(struct frames *frames, struct str bytes)
{
    size_t step = MIN(sizeof(frames->head) - frames->head_len, bytes.len);
    memcpy(frames->head + frames->head_len, bytes.data, step);
    frames->head_len += step;
    return step;
}

int frames_feed(struct frames *frames, struct str bytes,
                void (*piece)(void *arg, enum record_stream stream, struct str bytes), void *arg)
{
    while (bytes.len > 0) {
        size_t step;
        if (frames->left > 0) {
            step = MIN((size_t)frames->left, bytes.len);
            frames->left -= (uint32_t)step;
            piece(arg, frames->stream, str_n(bytes.data, step));
        } else {
            step = take_head(frames, bytes);
            int err = frames->head_len == sizeof(frames->head) ? begin_frame(frames) : 0;
            if (err < 0)
                return err;
        }
        bytes = str_n(bytes.data + step, bytes.len - step);
    }
    return 0;
}

bool frames_whole(const struct frames *frames)
{
    return frames->left == 0 && frames->head_len == 0;
}
