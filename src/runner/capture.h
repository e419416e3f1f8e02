// Bytes of a pipe into records: splits at newlines, stamps, keeps every byte (NUL, '\r', not UTF-8), cuts what is
// longer than message_max into `partial` fragments (never within a UTF-8 sequence), and ends an unterminated last line
// as `partial`. Pure: the same bytes give the same records, however they are split over calls. What a record says after
// a partial one of its stream goes on with the line, so the messages together, with a newline behind each that is not
// partial, are the bytes.
#pragma once

#include "model/record.h"

// A cut looks this far behind itself for the end of a UTF-8 sequence.
#define CAPTURE_LOOKAHEAD 3

struct capture { // one a stream
    enum record_stream stream;
    size_t message_max;
    bool onlcr; // what comes has "\r\n" for each newline that was written, as a terminal makes it: the '\r' is none of
                // the line
    struct buf rest; // the unfinished line, at most message_max + CAPTURE_LOOKAHEAD bytes
    uint64_t begun;  // how many times text has begun to wait in `rest`
    int64_t time_ms; // of the last feed
};

// Calls for each complete record; its message is borrowed until it returns.
typedef void capture_emit(void *arg, const struct record *record);

void capture_init(struct capture *capture, enum record_stream stream, size_t message_max); // message_max >= 4
void capture_release(struct capture *capture);
void capture_feed(struct capture *capture, const void *data, size_t len, int64_t now_ms, capture_emit *emit, void *arg);
// Text waits for its newline.
static inline bool capture_waits(const struct capture *capture)
{
    return capture->rest.len > 0;
}

// Its newline is not waited for any longer: emits it, partial. The beginning of a UTF-8 sequence, or of onlcr's "\r\n",
// goes on waiting, unless it is all there is.
void capture_flush(struct capture *capture, capture_emit *emit, void *arg);
// The stream has ended: emits what is left, partial.
void capture_end(struct capture *capture, int64_t now_ms, capture_emit *emit, void *arg);
