// Turns the bytes of a pipe into records. It splits at newlines, stamps the time, and keeps every byte (NUL, '\r',
// bytes that are not UTF-8). A line longer than message_max is cut into `partial` fragments, never within a UTF-8
// sequence. A last line without a newline is `partial`. Pure: the same bytes give the same records, however they are
// split over the calls. The record after a partial one, in the same stream, continues its line. So all messages
// together, with a newline after each that is not partial, are the original bytes.
#pragma once

#include "model/record.h"

// A cut looks for the end of a UTF-8 sequence in this many bytes behind it.
#define CAPTURE_LOOKAHEAD 3

struct capture { // one for each stream
    enum record_stream stream;
    size_t message_max;
    // The bytes have "\r\n" for each newline that was written, because a terminal makes it so; the '\r' is not part of
    // the line.
    bool onlcr;
    struct buf rest; // the unfinished line; at most message_max + CAPTURE_LOOKAHEAD bytes
    uint64_t begun;  // how many times text has begun to wait in `rest`
    int64_t time_ms; // time of the last feed
};

// Called for each complete record. Its message is borrowed until the call returns.
typedef void capture_emit(void *arg, const struct record *record);

void capture_init(struct capture *capture, enum record_stream stream, size_t message_max); // message_max >= 4
void capture_release(struct capture *capture);
void capture_feed(struct capture *capture, const void *data, size_t len, int64_t now_ms, capture_emit *emit, void *arg);
// True if text waits for its newline.
static inline bool capture_waits(const struct capture *capture)
{
    return capture->rest.len > 0;
}

// Stops waiting for the newline: emits the text as a partial record. The beginning of a UTF-8 sequence, or of onlcr's
// "\r\n", keeps waiting, unless there is nothing else.
void capture_flush(struct capture *capture, capture_emit *emit, void *arg);
// The stream has ended. Emits what is left as a partial record.
void capture_end(struct capture *capture, int64_t now_ms, capture_emit *emit, void *arg);
