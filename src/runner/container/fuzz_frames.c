// Arbitrary bytes of an attached container. However they are cut, the same comes out, up to the same error.
#include "runner/container/frames.h"
#include "util/buf.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void note(void *arg, enum record_stream stream, struct str bytes)
{
    for (size_t i = 0; i < bytes.len; i++) {
        buf_append_byte(arg, stream == STREAM_STDOUT ? 'o' : 'e');
        buf_append_byte(arg, bytes.data[i]);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct frames whole = {0}, cut = {0};
    CLEANUP(buf_release) struct buf at_once = {0};
    CLEANUP(buf_release) struct buf in_pieces = {0};
    struct str bytes = str_n(len ? (const char *)data : "", len);
    int err = frames_feed(&whole, bytes, note, &at_once), cut_err = 0;
    for (size_t i = 0; i < len && cut_err == 0; i++)
        cut_err = frames_feed(&cut, str_n(bytes.data + i, 1), note, &in_pieces);
    if (err != cut_err || at_once.len > 2 * len || !str_eq(buf_str(&at_once), buf_str(&in_pieces)))
        abort();
    if (err == 0 && frames_whole(&whole) != frames_whole(&cut))
        abort();
    return 0;
}
